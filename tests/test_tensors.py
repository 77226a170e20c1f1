"""A gradient that is the same at every place may come with the stride 0; no method may tell the
difference.
"""

import pytest
import torch

from sightline.methods import METHODS
from sightline.supply import Supply, requests
from sightline.tensors import unexpanded


@pytest.mark.parametrize("alpha", ["paper", "authors"])
@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize(
    "name", [name for name in METHODS if "gradients" in requests(METHODS[name])]
)
def test_spread_and_written_out_are_the_same(name, axes, alpha):
    generator = torch.Generator().manual_seed(axes)
    size = (5, 4, 3)[:axes]
    activations = torch.randn(2, 7, *size, generator=generator, dtype=torch.float64)
    spread = torch.randn(2, 7, *[1] * axes, generator=generator, dtype=torch.float64).expand(
        2, 7, *size
    )
    counts = []
    weights = []
    for gradients in (spread, spread.contiguous()):
        offers = {
            "activations": activations,
            "gradients": gradients,
            "scores": torch.tensor([0.5, -2.0]),
        }
        offers["tally"] = lambda word, places: counts.append(
            (word, places.flatten(1).sum(1).tolist())
        )
        supply = Supply({word: lambda value=value: value for word, value in offers.items()})
        options = {"alpha": alpha} if "grad_cam_pp" in name else {}
        weights.append(supply.call(METHODS[name], **options).expand_as(activations))
    torch.testing.assert_close(*weights, rtol=1e-12, atol=1e-12)
    assert counts[: len(counts) // 2] == counts[len(counts) // 2 :]
    if name == "grad_cam_pp":
        assert sum(counts[0][1]) > 0
        assert sum(counts[0][1]) % activations[0, 0].numel() == 0


def test_once_takes_only_what_was_expanded():
    one = torch.rand(2, 3, 1, 1)
    assert torch.equal(unexpanded(one.expand(2, 3, 4, 5)), one)
    assert unexpanded(one.expand(2, 3, 4, 5).contiguous()).shape == (2, 3, 4, 5)
    assert unexpanded(torch.rand(3, 4, 5).expand(2, 3, 4, 5)).shape == (1, 3, 4, 5)
