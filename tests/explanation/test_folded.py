"""Clips whose frames a network sees one by one, folded into the batch: read by a function."""

import pytest
import torch
from torch import nn

from sightline import explain

CLIPS = torch.rand(2, 3, 4, 16, 16, generator=torch.Generator().manual_seed(0)).double()


class Framewise(nn.Module):
    """Frames in the batch, and the mean of their features over time."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.features = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.Tanh())
        self.head = nn.Linear(6, 3)
        self.double().eval()

    def forward(self, x):
        features = self.features(x.movedim(2, 1).flatten(0, 1)).mean((2, 3))
        return self.head(features.unflatten(0, (len(x), -1)).mean(1))


def unfolded(out):
    return out.unflatten(0, (-1, 4)).movedim(2, 1)


def by_hand(net, x, target):
    held = []
    hook = net.features.register_forward_hook(lambda _, __, out: held.append(out))
    score = net(x)[:, target].sum()
    hook.remove()
    (gradient,) = torch.autograd.grad(score, held[0])
    weights, maps = unfolded(gradient).mean((2, 3, 4)), unfolded(held[0])
    return torch.einsum("bc,bcthw->bthw", weights, maps).detach()


def test_the_map_is_the_one_made_by_hand():
    net = Framewise()
    e = explain(net, CLIPS, 1, "grad_cam", "features", grid=unfolded)
    torch.testing.assert_close(e.coarse, by_hand(net, CLIPS, 1), rtol=1e-12, atol=1e-15)
    assert e.maps.shape == (2, 4, 16, 16)
    assert e.provenance["layer"]["place"]["outcome"] == "confirmed"
    both = explain(net, CLIPS, [1, 2], "grad_cam", "features", grid=unfolded)
    for k, target in enumerate((1, 2)):
        want = by_hand(net, CLIPS, target)
        torch.testing.assert_close(both.coarse[:, k], want, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("method", ["grad_cam_pp", "layer_cam", "score_cam", "eigen_cam"])
def test_a_batch_is_its_clips_one_by_one(method):
    net = Framewise()
    e = explain(net, CLIPS, [0, 1], method, "features", grid=unfolded)
    for k in range(2):
        one = explain(net, CLIPS[k : k + 1], [0, 1], method, "features", grid=unfolded)
        torch.testing.assert_close(e.coarse[k], one.coarse[0], rtol=1e-12, atol=1e-15)


def test_frames_in_another_order_are_seen():
    def backwards(out):
        return unfolded(out).flip(2)

    e = explain(Framewise(), CLIPS, 1, "grad_cam", "features", grid=backwards)
    assert {one.word for one in e.status} == {"place not confirmed"}
    assert "mirrored along the first axis" in e.provenance["layer"]["place"]["seen"]


def test_where_nothing_is_named_the_frames_are_found():
    e = explain(Framewise(), CLIPS, 1, "grad_cam")
    torch.testing.assert_close(e.coarse, by_hand(Framewise(), CLIPS, 1), rtol=1e-12, atol=1e-15)
    assert e.layer == "features"
