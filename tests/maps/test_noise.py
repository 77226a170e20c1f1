"""Noisy copies: size, chance, and independence of the batch."""

import pytest
import torch

from sightline.errors import ImageError
from sightline.maps import noisy


def generators(*seeds):
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def test_mean_and_size():
    copies = noisy(torch.full((1, 3, 64, 64), 0.5), 0.1, 8, generators(0))
    assert copies.shape == (1, 8, 3, 64, 64)
    away = copies - 0.5
    assert away.std().item() == pytest.approx(0.1, rel=0.02)
    assert abs(away.mean().item()) < 0.002
    together = torch.corrcoef(away[0].flatten(1)) - torch.eye(8)
    assert together.abs().max() < 0.05, "copies are alike"


def test_one_size_a_channel():
    away = noisy(torch.zeros(2, 3, 64, 64), torch.tensor([0.0, 1.0, 2.0]), 4, generators(0, 1))
    assert away.std((0, 1, 3, 4)).tolist() == pytest.approx([0, 1, 2], rel=0.02)


def test_an_images_noise_depends_on_its_generator_alone():
    torch.manual_seed(0)
    images = torch.rand(3, 3, 5, 4)
    together = noisy(images, 0.2, 4, generators(7, 8, 9))
    alone = torch.cat([noisy(images[k : k + 1], 0.2, 4, generators(7 + k)) for k in range(3)])
    assert torch.equal(together, alone)
    assert torch.equal(noisy(images, 0.2, 2, generators(7, 8, 9)), together[:, :2])


def test_no_noise_is_the_image_and_the_worlds_dice_are_not_thrown():
    images = torch.rand(2, 3, 5)
    state = torch.random.get_rng_state()
    assert torch.equal(
        noisy(images, 0, 2, generators(0, 1)), images.unsqueeze(1).repeat(1, 2, 1, 1)
    )
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions(dtype):
    got = noisy(torch.zeros(1, 3, 4, 4, dtype=dtype), 0.1, 2, generators(0))
    assert got.dtype == dtype
    if dtype != torch.float64:
        assert torch.equal(got, noisy(torch.zeros(1, 3, 4, 4), 0.1, 2, generators(0)).to(dtype))


def test_one_generator_an_image():
    with pytest.raises(
        ImageError, match=r"one generator for each of the 2 images.* came 1\. For example"
    ):
        noisy(torch.ones(2, 3, 4), 0.1, 2, generators(0))
