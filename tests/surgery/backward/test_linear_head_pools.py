"""The pool before a linear head: a mean however it is written, and nothing that only looks like
one.
"""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from helpers.backward import head_of
from helpers.nets import batch, convnet
from sightline import explain
from sightline.surgery import capture
from sightline.surgery.backward import linear_head as head_module
from sightline.surgery.backward.linear_head import free_gradients, pooled_head

WAYS = {
    "mean": lambda y: y.mean((2, 3)),
    "two means": lambda y: y.mean(3).mean(2),
    "flat": lambda y: y.flatten(2).mean(-1),
    "kept and squeezed": lambda y: y.mean((2, 3), keepdim=True).squeeze(-1).squeeze(-1),
    "kept and squeezed at once": lambda y: y.mean((2, 3), keepdim=True).squeeze((2, 3)),
    "kept and selected": lambda y: y.mean((2, 3), keepdim=True)[:, :, 0, 0],
    "as tokens": lambda y: y.flatten(2).transpose(1, 2).mean(1),
    "channels last": lambda y: y.permute(0, 2, 3, 1).contiguous().mean((1, 2)),
    "in that memory": lambda y: F.adaptive_avg_pool2d(
        y.to(memory_format=torch.channels_last), 1
    ).flatten(1),
    "the whole window": lambda y: F.avg_pool2d(y, y.shape[2:]).flatten(1),
    "a window at a time": lambda y: F.avg_pool1d(
        F.avg_pool2d(y, (1, y.shape[3])).squeeze(3), y.shape[2]
    ).squeeze(2),
}
OTHER_WAYS = {
    "some places": lambda y: y[:, :, 1:].mean((2, 3)),
    "every other": lambda y: y[:, :, ::2].mean((2, 3)),
    "a small window": lambda y: F.avg_pool2d(y, (4, 4)).flatten(1)[:, :6],
    "another divisor": lambda y: F.avg_pool2d(y, y.shape[2:], divisor_override=7).flatten(1),
    "channels mixed": lambda y: y.flatten(1).unflatten(1, (-1, 6)).mean(1),
    "images mixed": lambda y: y.transpose(0, 1).contiguous().view(y.shape).mean((2, 3)),
    "scaled": lambda y: 2 * y.mean((2, 3)),
    "sum": lambda y: y.sum((2, 3)),
    "largest": lambda y: y.amax((2, 3)),
}


class Pooled(nn.Module):
    def __init__(self, way, bias=True):
        super().__init__()
        torch.manual_seed(0)
        self.body, self.way, self.head = (
            nn.Sequential(nn.Conv2d(3, 6, 3), nn.Tanh()),
            way,
            nn.Linear(6, 4, bias),
        )

    def forward(self, x):
        return self.head(self.way(self.body(x)))


def autograds(net, x, k):
    maps = net.body(x).detach().requires_grad_()
    return torch.autograd.grad(net.head(net.way(maps))[:, k].sum(), maps)[0]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("way", WAYS)
def test_a_mean_however_it_is_written_is_read(way, bias):
    net, x = Pooled(WAYS[way], bias).eval(), batch()
    for _ in range(2):  # asked of autograd, then known
        trace = capture(net, x, "body")
        assert torch.equal(trace.head(trace.outputs, 0), net.head.weight)
        (some,) = trace.gradients(trace.outputs, torch.tensor([[3, 1]]).expand(len(x), 2))
        every = trace.class_gradients(trace.outputs, 0)
        for index, k in enumerate((3, 1)):
            torch.testing.assert_close(some[index], autograds(net, x, k), rtol=1e-6, atol=0)
            torch.testing.assert_close(every[k], autograds(net, x, k), rtol=1e-6, atol=0)
        assert some.stride()[3:] == (0, 0) == every.stride()[3:]


@pytest.mark.parametrize("way", OTHER_WAYS)
def test_what_only_looks_like_the_mean_is_left_to_autograd(way):
    net, x = Pooled(OTHER_WAYS[way]).eval(), batch()
    for _ in range(2):
        trace = capture(net, x, "body")
        assert trace.head(trace.outputs, 0) is None
        (some,) = trace.gradients(trace.outputs, torch.full((len(x), 1), 2))
        torch.testing.assert_close(some[0], autograds(net, x, 2), rtol=1e-5, atol=1e-8)


def test_tokens_are_the_mean_without_those_before_the_grid_only():
    class Tokens(nn.Module):
        def __init__(self, skipped):
            super().__init__()
            torch.manual_seed(0)
            self.patch, self.keep, self.head, self.skipped = (
                nn.Conv2d(3, 6, 2, 2),
                nn.Identity(),
                nn.Linear(6, 5),
                skipped,
            )

        def forward(self, x):
            y = self.patch(x).flatten(2).transpose(1, 2)
            return self.head(
                self.keep(torch.cat([y.new_ones(len(y), 1, 6), y], 1))[:, self.skipped :].mean(1)
            )

    assert torch.equal(head_of(net := Tokens(1), batch(), "keep"), net.head.weight)
    assert head_of(Tokens(0), batch(), "keep") is None
    assert head_of(Tokens(2), batch(), "keep") is None


def shuffled(y):
    return y.unflatten(1, (2, 3)).transpose(1, 2).flatten(1, 2).mean((2, 3))


MISLEADING = {
    "zeros": lambda weight: weight.zero_(),
    "a channel of zeros": lambda weight: weight[:, 2].zero_(),
    "all the same": lambda weight: weight.fill_(0.1),
    "one channel above all others": lambda weight: weight[:, 0].fill_(1e7),
}


@pytest.mark.parametrize("way", [OTHER_WAYS["some places"], shuffled])
@pytest.mark.parametrize("weights", MISLEADING)
def test_no_weights_can_belie_what_is_remembered(weights, way, monkeypatch):
    """A head of zeros has the derivative zero behind any pool, one of equal weights behind any
    order of channels.
    """
    monkeypatch.setattr(head_module, "_known", set())
    net, x = Pooled(way).eval(), batch()
    with torch.no_grad():
        MISLEADING[weights](net.head.weight)
    assert head_of(net, x, "body") is None
    nn.init.normal_(net.head.weight)
    assert head_of(net, x, "body") is None
    (some,) = (trace := capture(net, x, "body")).gradients(
        trace.outputs, torch.full((len(x), 1), 2)
    )
    torch.testing.assert_close(some[0], autograds(net, x, 2), rtol=1e-5, atol=1e-8)


def test_a_divisor_that_is_a_little_off_is_noticed_in_halves_too():
    off = Pooled(
        lambda y: F.avg_pool2d(y, y.shape[2:], divisor_override=82).flatten(1)
    ).eval()  # of 80 places
    assert head_of(off, batch(), "body") is None
    assert head_of(off.bfloat16(), batch().bfloat16(), "body") is None


def test_a_default_device_is_not_the_models():
    net, x = Pooled(WAYS["mean"]).eval(), torch.rand(1, 3, 9, 7)
    with torch.device("meta"):
        assert head_of(net, x, "body") is not None


def doubled(y):
    y.register_hook(lambda gradient: 2 * gradient)
    return y.mean((2, 3))


def doubled_at_the_node(y):
    y = y.mean((2, 3))
    y.grad_fn.register_hook(lambda into, out: tuple(2 * gradient for gradient in into))
    return y


@pytest.mark.parametrize("way", [doubled, doubled_at_the_node])
def test_a_hook_that_the_model_puts_on_its_graph_is_obeyed(way):
    net, x = Pooled(WAYS["mean"]).eval(), batch()
    plain = explain(net, x, 1, "grad_cam", "body").coarse
    net.way = way
    assert not capture(net, x, "body").plain
    torch.testing.assert_close(explain(net, x, 1, "grad_cam", "body").coarse, 2 * plain)
    trace = capture(net, x, "body")
    every = trace.class_gradients(trace.outputs, 0)
    for k in range(4):
        torch.testing.assert_close(every[k], autograds(net, x, k), rtol=1e-5, atol=1e-8)


def test_halves_and_autocast_are_read_too():
    net, x = Pooled(WAYS["mean"]).eval(), batch()
    want = explain(net, x, 1, "cam").coarse
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = explain(net, x, 1, "cam").coarse
    half = explain(copy.deepcopy(net).bfloat16(), x.bfloat16(), 1, "cam").coarse
    for other in (cast, half):
        assert torch.corrcoef(torch.stack([want.flatten(), other.float().flatten()]))[0, 1] > 0.999


def test_what_is_known_is_bounded(monkeypatch):
    monkeypatch.setattr(head_module, "_known", set())
    monkeypatch.setattr(head_module, "_MOST_KNOWN", 3)
    net = Pooled(WAYS["mean"]).eval()
    for side in range(8, 16):
        assert head_of(net, torch.rand(1, 3, side, side), "body") is not None
        assert 1 <= len(head_module._known) <= 3


def test_the_derivative_is_the_weight_over_the_places():
    weights = torch.tensor([[1.0, 2.0]])
    assert torch.equal(
        free_gradients(weights, (2, 2)),
        torch.tensor([0.25, 0.5]).view(1, 2, 1, 1).expand(1, 2, 2, 2),
    )
    node = torch.rand(1, 2, 2, 2, requires_grad=True)
    assert (
        pooled_head(node.clone().mean((2, 3)), node, capture(convnet(), batch(), "5").cuts[0].grid)
        is None
    )  # no head
