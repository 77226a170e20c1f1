"""The mark that operators leave: which axis of what they returned holds the channels."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from sightline.surgery.harness.channel_kind import ChannelKinds, kind_of
from sightline.surgery.harness.grids import Channels

SURE, PERHAPS = True, False


def marked(way, *shape):
    with torch.no_grad(), ChannelKinds() as kinds:
        found = kinds.of(way(torch.rand(*shape)))
    return None if found is None else (found.axis, found.sure)


def conv(x):
    return F.conv2d(x, torch.rand(6, x.shape[1], 1, 1))


@pytest.mark.parametrize(
    ("way", "mark"),
    [
        (lambda x: x, None),
        (lambda x: x.relu(), None),
        (conv, (1, SURE)),
        (lambda x: conv(x).relu().mul(2).add_(1), (1, SURE)),
        (lambda x: torch.cat([conv(x), x], 1), (1, SURE)),
        (lambda x: conv(x) * torch.sigmoid(conv(x).mean((2, 3), keepdim=True)), (1, SURE)),
        (lambda x: conv(x)[:, :, ::2, 1:], (1, SURE)),
        (lambda x: conv(x).flip(3).roll(1, 2), (1, SURE)),
        (lambda x: F.pad(conv(x), (1, 1, 1, 1)), (1, SURE)),
        (lambda x: conv(x).permute(0, 2, 3, 1), (3, SURE)),
        (lambda x: conv(x).permute(0, -2, -1, -3).contiguous(), (3, SURE)),
        (lambda x: conv(x).transpose(1, -1), (3, SURE)),
        (lambda x: conv(x).movedim(1, -1).movedim(-1, 1), (1, SURE)),
        (lambda x: conv(x).mT, (1, SURE)),
        (lambda x: conv(x).flatten(2), (1, SURE)),
        (lambda x: conv(x).flatten(2).transpose(1, 2), (2, SURE)),
        (lambda x: conv(x).flatten(2).transpose(1, 2).view(2, 8, 8, 6), (3, SURE)),
        (lambda x: conv(x).unsqueeze(1), (2, SURE)),
        (lambda x: conv(x).unsqueeze(1).squeeze(1), (1, SURE)),
        (lambda x: conv(x).select(3, 0), (1, SURE)),
        (lambda x: conv(x).select(1, 0), None),
        (lambda x: conv(x).unflatten(0, (1, 2)), (2, SURE)),
        (lambda x: conv(x).flatten(0, 1), None),
        (lambda x: conv(x).flatten(1, 2), None),
        (lambda x: F.batch_norm(x, torch.zeros(3), torch.ones(3)), (1, SURE)),
        (lambda x: F.instance_norm(x), (1, SURE)),
        (lambda x: F.group_norm(x, 3), (1, SURE)),
        (lambda x: F.max_pool2d(x, 2), (1, SURE)),
        (lambda x: F.avg_pool2d(x, 2), (1, SURE)),
        (lambda x: F.adaptive_avg_pool2d(x, 2), (1, SURE)),
        (lambda x: F.interpolate(x, scale_factor=2), (1, SURE)),
        (lambda x: F.linear(x, torch.rand(5, 8)), (3, PERHAPS)),
        (lambda x: F.layer_norm(x, (8,)), (3, PERHAPS)),
        (lambda x: F.linear(conv(x), torch.rand(8, 8)) + conv(x), (1, SURE)),
        (lambda x: F.linear(x, torch.rand(8, 8)) + F.layer_norm(x.mT, (8,)).mT, None),
        (lambda x: torch.softmax(conv(x).flatten(2) @ conv(x).flatten(2).mT, 2), None),
        (lambda x: torch.einsum("bchw,cd->bdhw", conv(x), torch.rand(6, 6)), None),
    ],
)
def test_what_is_known(way, mark):
    assert marked(way, 2, 3, 8, 8) == mark


def test_signals_and_volumes():
    assert marked(lambda x: F.conv1d(x, torch.rand(4, 3, 1)), 1, 3, 9) == (1, SURE)
    assert marked(lambda x: F.conv3d(x, torch.rand(4, 3, 1, 1, 1)), 1, 3, 4, 4, 4) == (1, SURE)
    assert marked(lambda x: F.batch_norm(x, torch.zeros(3), torch.ones(3)), 2, 3) is None


def test_memory_that_is_used_again_bears_no_mark_of_before():
    with torch.no_grad(), ChannelKinds() as kinds:
        for _ in range(20):
            y = conv(torch.rand(2, 3, 8, 8))
            where = y.data_ptr()
            del y
            z = torch.rand(2, 6, 8, 8)
            assert kinds.of(z) is None
            del z
    assert where


def test_numbers_are_those_of_a_run_without_it():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)).eval()
    x = torch.rand(2, 3, 9, 9)
    with torch.no_grad():
        alone = net(x)
        with ChannelKinds():
            assert torch.equal(net(x), alone)


def test_what_is_only_looked_at_is_not_marked():
    with torch.no_grad(), ChannelKinds() as kinds:
        with kinds.paused():
            y = conv(torch.rand(2, 3, 8, 8))
        assert kinds.of(y) is None
        assert kinds.of(y.relu()) is None


def test_tensors_without_memory_of_their_own_are_passed_by():
    with torch.no_grad(), ChannelKinds():
        assert torch.empty(2, 3, device="meta").relu().device.type == "meta"
        sparse = torch.eye(3).to_sparse() * 2
        assert sparse.to_dense()[0, 0] == 2


class LayerNorm2d(nn.LayerNorm):
    """Turns the channels last and back."""


@pytest.mark.parametrize(
    ("module", "kind"),
    [
        (nn.Conv2d(3, 4, 1), Channels(1, SURE)),
        (nn.ConvTranspose1d(3, 4, 1), Channels(1, SURE)),
        (nn.BatchNorm3d(4), Channels(1, SURE)),
        (nn.InstanceNorm1d(4), Channels(1, SURE)),
        (nn.GroupNorm(2, 4), Channels(1, SURE)),
        (nn.MaxPool2d(2), Channels(1, SURE)),
        (nn.Linear(3, 4), Channels(-1, PERHAPS)),
        (nn.LayerNorm(4), Channels(-1, PERHAPS)),
        (LayerNorm2d(4), None),
        (nn.ReLU(), None),
        (nn.Sequential(nn.Conv2d(3, 4, 1)), None),
    ],
)
def test_the_kind_of_a_module(module, kind):
    assert kind_of(module) == kind
