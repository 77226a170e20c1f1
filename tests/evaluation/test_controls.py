"""Maps that explain nothing are what they are called."""

import pytest
import torch

from helpers.closeness import assert_near
from sightline.evaluation.controls import CONTROLS, centre, edge, fake_cam, random_map


def generators(*seeds):
    return [torch.Generator().manual_seed(seed) for seed in seeds]


@pytest.mark.parametrize("name", CONTROLS)
@pytest.mark.parametrize("shape", [(2, 3, 20), (2, 3, 12, 16), (2, 3, 4, 12, 16)])
def test_maps_on_the_image_s_grid_from_zero_to_one(name, shape):
    maps = CONTROLS[name](torch.rand(shape), generators(1, 2))
    assert maps.shape == (2, *shape[2:])
    assert maps.min() >= 0
    assert torch.equal(maps.flatten(1).amax(1), torch.ones(2))


def test_fake_cam_is_one_but_for_a_pixel():
    assert fake_cam(torch.zeros(1, 3, 8, 8), []).sum() == 63


def test_each_image_has_a_noise_of_its_own_whatever_the_batch():
    """The same numbers are drawn; a product of matrices may round two images otherwise than one.

    A pixel is enlarged along two axes, each a product and a sum of two numbers that are not
    negative (two roundings of eps / 2, in whatever order), and so is the maximum that divides it:
    4 + 4 + 1 roundings a way, 18 between two ways.
    """
    both = random_map(torch.zeros(2, 3, 9, 9), generators(5, 6))
    alone = random_map(torch.zeros(1, 3, 9, 9), generators(6))
    assert_near(alone[0], both[1], 9 * torch.finfo(torch.float32).eps)
    assert float((both[0] - both[1]).abs().max()) > 0.1


def test_the_centre_falls_off_by_its_gaussian():
    one = centre(torch.zeros(1, 3, 101, 101), [])[0]
    assert one[50, 50] == 1
    assert torch.allclose(one[50, 75], torch.tensor(-((25 / 101 / 0.25) ** 2) / 2).exp(), atol=1e-6)
    assert torch.allclose(one, one.flip(0, 1).T, atol=1e-6)


def test_an_edge_is_where_colours_change():
    image = torch.zeros(1, 3, 4, 6)
    image[..., 3:] = 1
    assert edge(image, [])[0].tolist() == [[0, 0, 1, 1, 0, 0]] * 4
    assert not edge(torch.ones(1, 3, 4, 4), []).any()
