"""Noise that is the same every time, wherever the model lies."""

import pytest
import torch

from sightline.surgery import noise


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_the_same_numbers_every_time_in_the_type_asked_for(dtype):
    like = torch.zeros(1, dtype=dtype)
    one = noise((2, 3, 4, 5), like)
    torch.rand(7)
    assert one.dtype == dtype
    assert torch.equal(one, noise((2, 3, 4, 5), like))
    expected = torch.rand(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(one, expected.to(dtype))


def test_another_default_device_does_not_matter():
    with torch.device("meta"):
        found = noise((3,), torch.zeros(1, device="cpu"))
    assert found.device.type == "cpu"


def test_the_global_generator_is_left_alone():
    before = torch.get_rng_state()
    noise((3,), torch.zeros(1))
    assert torch.equal(before, torch.get_rng_state())
