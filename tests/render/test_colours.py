import matplotlib
import pytest
import torch
from torch import Tensor

from sightline.errors import MethodError
from sightline.render import COLOURS, DIVERGING, colourise, diverging

STEPS = torch.linspace(0, 1, 256)[None]


def linear(rgb: Tensor) -> Tensor:
    """Light from sRGB values, letter by letter from IEC 61966-2-1."""
    rgb = rgb.double()
    return torch.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def oklab(rgb: Tensor) -> Tensor:
    """The way into OKLab (Ottosson 2020), written out; the package only has the way back."""
    r, g, b = linear(rgb).unbind(-1)
    long = (0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b) ** (1 / 3)
    medium = (0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b) ** (1 / 3)
    short = (0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b) ** (1 / 3)
    return torch.stack(
        [
            0.2104542553 * long + 0.7936177850 * medium - 0.0040720468 * short,
            1.9779984951 * long - 2.4285922050 * medium + 0.4505937099 * short,
            0.0259040371 * long + 0.7827717662 * medium - 0.8086757660 * short,
        ],
        dim=-1,
    )


@pytest.mark.parametrize("name", ["inferno", "viridis", "magma", "cividis", "grey"])
def test_the_tables_are_those_of_matplotlib(name):
    theirs = torch.tensor(
        matplotlib.colormaps["gray" if name == "grey" else name](STEPS[0].numpy())
    )[:, :3]
    ours = colourise(STEPS, name)[0].double()
    assert (ours - theirs).abs().max() <= 3 / 255
    assert torch.allclose(ours[[0, -1]], theirs[[0, -1]], atol=0.5 / 255)


@pytest.mark.parametrize("name", COLOURS)
def test_more_evidence_is_lighter(name):
    luminance = linear(colourise(STEPS, name)[0]) @ torch.tensor(
        [0.2126, 0.7152, 0.0722], dtype=torch.float64
    )
    lightness = torch.where(
        luminance > 216 / 24389, 116 * luminance ** (1 / 3) - 16, luminance * 24389 / 27
    )
    assert (lightness.diff() > 0).all()
    assert lightness[-1] - lightness[0] > 70


def test_between_two_anchors_lies_their_mean():
    table = bytes.fromhex(COLOURS["inferno"])
    first, second = table[:3], table[3:6]
    mean = [(a + b) / 2 / 255 for a, b in zip(first, second, strict=True)]
    half_way = 0.5 / (len(table) // 3 - 1)
    assert colourise(torch.tensor([[half_way]]))[0, 0].tolist() == pytest.approx(mean, abs=1e-6)


def test_red_comes_first():
    red, green, blue = colourise(torch.tensor([[0.7]]), "inferno")[0, 0]
    assert red > green > blue


def test_the_diverging_map_is_white_in_the_middle_and_equally_strong_at_both_ends():
    blue, white, red = diverging(torch.tensor([[-1.0, 0.0, 1.0]]))[0]
    assert white.tolist() == pytest.approx([1, 1, 1], abs=1e-6)
    assert blue[2] > blue[1] > blue[0]
    assert red[0] > red[1] > red[2]
    assert oklab(blue)[0].item() == pytest.approx(oklab(red)[0].item(), abs=1e-3)
    assert oklab(blue)[1:].norm().item() == pytest.approx(oklab(red)[1:].norm().item(), abs=1e-3)


def test_equal_steps_of_signed_evidence_look_equal():
    colours = oklab(diverging(torch.linspace(-1, 1, 41)[None])[0])
    steps = colours.diff(dim=0).norm(dim=1)
    assert steps.max() / steps.min() < 1.01


@pytest.mark.parametrize("limit", [8, 8.0])
def test_a_limit_makes_signed_maps_comparable(limit):
    weak = diverging(torch.tensor([[4.0]]), limit=limit)
    assert torch.allclose(weak, diverging(torch.tensor([[0.5, 1.0]]))[:, :1])
    assert torch.equal(
        diverging(torch.tensor([[80.0]]), limit=limit), diverging(torch.tensor([[8.0]]))
    )


def test_a_signed_map_of_zeros_is_white():
    assert torch.allclose(diverging(torch.zeros(2, 2)), torch.ones(2, 2, 3))


def test_an_unknown_map_is_named_with_its_neighbours():
    with pytest.raises(MethodError, match=r"came 'infernal'. Near names: 'inferno'\."):
        colourise(STEPS, "infernal")


def test_the_diverging_map_is_not_for_unsigned_evidence():
    with pytest.raises(MethodError, match="signed_overlay"):
        colourise(STEPS, DIVERGING)
