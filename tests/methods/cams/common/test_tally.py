"""The default tally counts nothing; methods call it once a word, also where nothing happened."""

import torch

from sightline.methods import grad_cam_pp, grad_cam_pp_sigmoid
from sightline.methods.cams.common.tally import ignore


def test_ignore_ignores():
    assert ignore("clamped", torch.ones(1, 1, 1, dtype=torch.bool)) is None


def test_counting_changes_no_weight():
    torch.manual_seed(0)
    activations, gradients = torch.randn(2, 3, 4, 5), torch.randn(2, 3, 4, 5)
    calls = []
    counted = grad_cam_pp(activations, gradients, tally=lambda *call: calls.append(call))
    assert torch.equal(counted, grad_cam_pp(activations, gradients))
    scores = torch.tensor([2.0, -1.0])
    counted = grad_cam_pp_sigmoid(
        activations, gradients, scores, tally=lambda *call: calls.append(call)
    )
    assert torch.equal(counted, grad_cam_pp_sigmoid(activations, gradients, scores))
    assert [word for word, _ in calls] == ["clamped", "guarded"]
    for _, places in calls:
        assert places.dtype == torch.bool
        assert places.shape == activations.shape
        assert places.any()
        assert not places[gradients <= 0].any(), "counted where alpha does not matter"
