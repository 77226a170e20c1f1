"""The image seen through a map, as each protocol says; against the same thing written out pixel by
pixel.
"""

import pytest
import torch

from helpers.closeness import assert_near
from sightline import Preprocess
from sightline.evaluation.masking import masked, protocol_map, substrate
from sightline.maps.upsample import image_map
from sightline.protocol import PRESETS, Protocol

STATISTICS = Preprocess(mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))


def inputs(pixels):
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (STATISTICS.mean, STATISTICS.std))
    return (pixels - mean) / std


@pytest.fixture
def material():
    torch.manual_seed(0)
    pixels, maps = torch.rand(2, 3, 4, 5), torch.rand(2, 4, 5)
    return pixels, maps


def test_raw_zero_is_the_paper_s_product_before_mean_and_std(material):
    pixels, maps = material
    assert_near(
        masked(inputs(pixels), maps, Protocol(), STATISTICS),
        inputs(pixels * maps.unsqueeze(1)),
        1e-6,
    )


def test_normalised_zero_is_the_product_after_mean_and_std(material):
    pixels, maps = material
    through = Protocol(space="normalised")
    assert_near(
        masked(inputs(pixels), maps, through, STATISTICS), inputs(pixels) * maps.unsqueeze(1), 1e-6
    )


def test_the_mean_colour_is_the_same_in_both_spaces(material):
    pixels, maps = material
    one, other = (
        masked(inputs(pixels), maps, Protocol(space=s, fill="mean"), STATISTICS)
        for s in ("raw", "normalised")
    )
    assert torch.equal(one, other)
    assert_near(one, inputs(pixels) * maps.unsqueeze(1), 1e-6)


def test_tops_keep_exactly_their_share(material):
    pixels, maps = material
    x = inputs(pixels)
    kept = maps >= maps.flatten(1).sort(dim=1, descending=True).values[:, 5].view(
        2, 1, 1
    )  # 6 of 20
    binary = masked(x, maps, Protocol(mask="binary top", top=0.3, space="normalised"), STATISTICS)
    assert torch.equal(binary, x * kept.unsqueeze(1))
    soft = masked(x, maps, Protocol(mask="soft top", top=0.3, space="normalised"), STATISTICS)
    assert_near(soft, x * (kept * maps).unsqueeze(1), 1e-6)


def test_what_takes_the_place_of_pixels():
    x = inputs(torch.rand(2, 3, 4, 5))
    assert_near(
        substrate(x, "black", Protocol(), STATISTICS).expand_as(x),
        inputs(torch.zeros(2, 3, 4, 5)),
        1e-6,
    )
    assert not substrate(x, "mean", Protocol(), STATISTICS).any()
    flat = torch.full((1, 3, 6, 6), 0.3)
    assert_near(substrate(flat, "blur", Protocol(), STATISTICS), flat, 1e-6)


def test_the_usual_map_is_left_alone():
    coarse, maps = torch.rand(1, 3, 3), torch.rand(1, 6, 6)
    assert protocol_map(coarse, maps, Protocol()) is maps
    assert protocol_map(None, maps, Protocol(upsampling="nearest")) is maps


def test_min_max_after_enlarging():
    coarse = torch.tensor([[[2.0, 1.0], [1.0, 1.5]]])
    found = protocol_map(coarse, image_map(coarse, (2, 2)), Protocol(scaling="min-max"))
    assert found.tolist() == [[[1.0, 0.0], [0.0, 0.5]]]


def test_a_scaled_coarse_map_need_not_reach_one_when_enlarged():
    coarse = torch.tensor([[[0.0, 4.0, 0.0, 0.0]]])
    usual = image_map(coarse, (1, 2))
    assert usual.max() == 1
    found = protocol_map(coarse, usual, Protocol(scaled="coarse"))
    want = torch.nn.functional.interpolate(
        coarse[:, None] / 4, (1, 2), mode="bilinear", antialias=True
    )[:, 0]
    assert_near(found, want, 1e-6)
    assert found.max() < 1


def test_nearest_repeats_the_layer_s_cells():
    coarse = torch.tensor([[[-1.0, 3.0]]])
    found = protocol_map(coarse, image_map(coarse, (2, 4)), Protocol(upsampling="nearest"))
    assert found.tolist() == [[[0, 0, 1, 1], [0, 0, 1, 1]]]


@pytest.mark.parametrize(
    "fields", [{"scaling": "min-max"}, {"scaled": "coarse"}, {"upsampling": "nearest"}]
)
def test_maps_that_say_nothing_stay_zero(fields):
    coarse = torch.stack(
        [torch.full((2, 2), -1.0), torch.zeros(2, 2), torch.tensor([[torch.nan, 1.0], [0.0, 0.0]])]
    )
    found = protocol_map(coarse, image_map(coarse, (4, 4)), Protocol(**fields))
    assert not found.any()


@pytest.mark.parametrize("name", ["torch_cam", "pytorch_grad_cam"])
def test_presets_multiply_as_those_libraries_do(name):
    """relu, min-max on the layer's grid, bilinear (align_corners=False), times the normalised
    tensor.
    """
    torch.manual_seed(1)
    coarse, x = torch.randn(2, 3, 3), inputs(torch.rand(2, 3, 7, 7))
    low = coarse.relu()
    least, most = low.flatten(1).amin(1).view(2, 1, 1), low.flatten(1).amax(1).view(2, 1, 1)
    scaled = torch.nn.functional.interpolate(
        ((low - least) / (most - least))[:, None], (7, 7), mode="bilinear"
    )
    maps = protocol_map(coarse, image_map(coarse, (7, 7)), PRESETS[name])
    assert_near(masked(x, maps, PRESETS[name], STATISTICS), x * scaled, 1e-5)
