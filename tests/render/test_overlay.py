import pytest
import torch
from PIL import Image

from helpers.data import shared
from sightline.errors import ImageError, MethodError
from sightline.render import colourise, overlay, signed_overlay

DRAWN = [overlay, signed_overlay]


@pytest.fixture
def photo():
    """`[3, 6, 8]`: whole 8-bit values, so that rounding is exact."""
    return torch.randint(0, 256, (3, 6, 8), generator=torch.Generator().manual_seed(0)) / 255


@pytest.fixture
def map():
    return torch.linspace(0, 1, 48).reshape(6, 8)


def pixels(picture):
    return torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8).reshape(
        picture.height, picture.width, 3
    )


@pytest.mark.parametrize("draw", DRAWN)
def test_strength_0_returns_the_photograph(draw, photo, map):
    drawn = draw(photo, map, strength=0)
    assert drawn.mode == "RGB"
    assert drawn.size == (8, 6)
    assert torch.equal(pixels(drawn), (photo.permute(1, 2, 0) * 255).round().byte())


@pytest.mark.parametrize("draw", DRAWN)
@pytest.mark.parametrize("strength", [0.3, 0.6, 1])
def test_without_evidence_the_photograph_only_fades(draw, photo, strength):
    luma = (torch.tensor([0.2126, 0.7152, 0.0722])[:, None, None] * photo).sum(0, keepdim=True)
    faded = ((1 - strength) * photo + strength * luma).permute(1, 2, 0) * 255
    assert (pixels(draw(photo, torch.zeros(6, 8), strength=strength)) - faded).abs().max() <= 0.51


@pytest.mark.parametrize(
    ("evidence", "share"), [(0.7, 1.0), (1.0, 1.0), (0.35, 0.5), (0.175, 0.15625)]
)
def test_the_paint_is_tinted_glass_of_the_stated_opacity(evidence, share):
    grey = 0.4
    drawn = pixels(
        overlay(torch.full((3, 1, 1), grey), torch.full((1, 1), evidence), strength=0.5)
    )[0, 0]
    opacity = 0.5 * 1.5 * share
    glass = colourise(torch.full((1, 1), evidence))[0, 0] * (0.55 + 0.45 * grey**0.6)
    assert (drawn / 255 - ((1 - opacity) * grey + opacity * glass)).abs().max() <= 0.51 / 255


def test_colours_are_in_rgb_order():
    red, green, blue = overlay(torch.full((3, 1, 1), 0.5), torch.full((1, 1), 0.6)).getpixel((0, 0))
    assert red > green + 60
    assert green > blue + 10
    left, right = (
        signed_overlay(torch.ones(3, 1, 2), torch.tensor([[-1.0, 1.0]])).getpixel((x, 0))
        for x in (0, 1)
    )
    assert left[2] > left[0] + 80
    assert right[0] > right[2] + 80


def test_the_hottest_place_keeps_its_edges():
    edge = torch.tensor([0.1, 0.9]).expand(3, 1, 2)
    dark, light = (sum(overlay(edge, torch.ones(1, 2)).getpixel((x, 0))) / 3 for x in (0, 1))
    assert light - dark > 60


def test_more_evidence_is_lighter_on_black_and_never_hides_the_order():
    values = [
        sum(overlay(torch.zeros(3, 1, 1), torch.full((1, 1), v)).getpixel((0, 0)))
        for v in (0, 0.2, 0.5, 0.8, 1)
    ]
    assert values == sorted(values)
    assert values[0] == 0


def test_a_coarse_map_is_enlarged_to_the_photograph(photo):
    drawn = pixels(overlay(torch.full((3, 6, 8), 0.5), torch.tensor([[0.0, 1.0]])))
    assert (drawn[:, 0] == 128).all()
    assert torch.equal(drawn[0], drawn[5])
    assert torch.equal(
        drawn[0, -1], pixels(overlay(torch.full((3, 1, 1), 0.5), torch.ones(1, 1)))[0, 0]
    )


def test_a_coarse_signed_map_keeps_its_own_limit():
    """Enlarging lowers the peak of one hot place; the full colour stays that of the coarse map's
    maximum.
    """
    grey, coarse = torch.full((3, 4, 4), 0.5), torch.tensor([[0.0, 5.0, 0.0]])
    assert signed_overlay(grey, coarse).tobytes() == signed_overlay(grey, coarse, limit=5).tobytes()
    assert (
        signed_overlay(grey, coarse).tobytes() != signed_overlay(grey, coarse, limit=20).tobytes()
    )


def test_takes_a_picture_or_a_tensor(photo, map):
    as_picture = Image.fromarray((photo.permute(1, 2, 0) * 255).round().byte().numpy())
    assert overlay(as_picture, map).tobytes() == overlay(photo, map).tobytes()


def test_half_precision_with_a_graph(photo):
    map = torch.eye(6, 8, dtype=torch.bfloat16, requires_grad=True)
    assert overlay(photo.bfloat16(), map).size == (8, 6)
    assert overlay(photo, map * 1).tobytes() == overlay(photo, torch.eye(6, 8)).tobytes()


def test_another_colour_map_gives_other_colours(photo, map):
    assert overlay(photo, map, colours="viridis").tobytes() != overlay(photo, map).tobytes()
    with pytest.raises(MethodError, match="Near names: 'viridis'"):
        overlay(photo, map, colours="virids")


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan")])
def test_a_strength_out_of_range(photo, map, strength):
    with pytest.raises(ImageError, match="from 0 to 1"):
        overlay(photo, map, strength=strength)


def test_a_real_photograph_is_untouched_where_there_is_no_evidence():
    dog = Image.open(shared("dog-and-cat", "both.png")).convert("RGB")
    map = torch.zeros(dog.height, dog.width)
    map[: dog.height // 2] = 1
    drawn = overlay(dog, map)
    below = (10, dog.height - 10)
    red, green, blue = dog.getpixel(below)
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    assert drawn.getpixel(below) == pytest.approx(
        [0.4 * value + 0.6 * luma for value in (red, green, blue)], abs=1
    )
    assert drawn.size == dog.size
