"""One picture alone is looked back through as in a batch of two, in whatever order it lies."""

from itertools import permutations, product

import pytest
import torch
from torch import nn

from sightline import explain
from sightline.surgery.backward import batch_norm
from sightline.surgery.backward.batch_norm import derivatives, mended, mended_graph
from sightline.surgery.backward.gradients import gradients

NORMS = {
    "batch": (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d),
    "instance": (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d),
}


def norm(kind, axes):
    torch.manual_seed(0)
    made = NORMS[kind][axes - 1](6, affine=True, track_running_stats=True)
    for one in (*made.parameters(), made.running_mean):
        nn.init.normal_(one)
    nn.init.uniform_(made.running_var, 0.5, 2)
    return made.double().eval()


def laid_out(values, order):
    """The same numbers, in memory by the axes in this order."""
    return values.permute(order).contiguous().permute([order.index(k) for k in range(values.ndim)])


@pytest.mark.parametrize("kind", NORMS)
@pytest.mark.parametrize("places", [(5,), (4, 3), (1, 4), (4, 1), (3, 4, 2)])
@pytest.mark.parametrize("skip_zeros", [True, False])
def test_in_every_order_in_memory(kind, places, skip_zeros):
    """In eval mode the derivative is the weight over the deviation, times what comes back."""
    net = norm(kind, len(places))
    slope = (net.weight / (net.running_var + net.eps).sqrt()).detach()
    x = torch.rand(1, 6, *places, dtype=torch.double)
    signal = torch.rand(1, 6, *places, dtype=torch.double)
    want = signal * slope.view(1, 6, *[1] * len(places))
    for order in permutations(range(x.ndim)):
        leaf = x.clone().requires_grad_()
        # What comes back to the norm is `signal` as it lies in memory.
        scores = (net(leaf).permute(order) * signal.permute(order).contiguous()).sum()[None]
        (got,) = gradients(scores, [leaf], skip_zeros=skip_zeros)
        torch.testing.assert_close(got, want, rtol=1e-12, atol=0)
        torch.testing.assert_close(
            derivatives(net(leaf), leaf, laid_out(signal, order)), want, rtol=1e-12, atol=0
        )


KINDS_OF_MEMORY = {
    "dense": laid_out,
    "cut": lambda values, order: laid_out(torch.cat([values, values], 1), order)[:, :6],
    "in steps": lambda values, order: laid_out(values.repeat_interleave(2, -1), order)[..., ::2],
    "repeated": lambda values, order: laid_out(values[..., :1], order).expand_as(values),
}


@pytest.mark.parametrize("kind", KINDS_OF_MEMORY)
@pytest.mark.parametrize("comes_back", KINDS_OF_MEMORY)
@pytest.mark.parametrize("b", [1, 2])
def test_whatever_enters_in_whatever_order(b, kind, comes_back):
    """Every pair of orders of what enters the norm and what comes back, with images in front."""
    net = norm("batch", 2)
    slope = (net.weight / (net.running_var + net.eps).sqrt()).detach()
    for places in ((4, 3), (1, 4), (4, 1)):
        x, signal = (torch.rand(b, 6, *places, dtype=torch.double) for _ in range(2))
        orders = [(0, *order) for order in permutations(range(1, 4))]
        for order, back in product(orders, repeat=2):
            leaf = KINDS_OF_MEMORY[kind](x, order).requires_grad_()
            returned = KINDS_OF_MEMORY[comes_back](signal, back)
            got = derivatives(net(leaf), leaf, returned)
            assert (got - returned * slope.view(1, 6, 1, 1)).abs().max() < 1e-12


def looked_back(scores, leaf, returned=None):
    """Twice through one graph: the hooks on its norms stay, and are gone afterwards."""
    with mended_graph(scores, leaf):
        one, other = (
            torch.autograd.grad(scores, leaf, returned, retain_graph=True)[0] for _ in range(2)
        )
    assert torch.equal(one, other)
    return one


@pytest.mark.parametrize("kind", NORMS)
@pytest.mark.parametrize("places", [(5,), (1, 4), (4, 1), (3, 4, 2)])
def test_one_graph_in_every_order_in_memory(kind, places):
    net = norm(kind, len(places))
    slope = (net.weight / (net.running_var + net.eps).sqrt()).detach()
    x, signal = (torch.rand(1, 6, *places, dtype=torch.double) for _ in range(2))
    want = signal * slope.view(1, 6, *[1] * len(places))
    pairs = list(product(permutations(range(x.ndim)), repeat=2))
    for order, back in pairs[:: max(1, len(pairs) // 600)]:
        leaf = laid_out(x, order).requires_grad_()
        got = looked_back(net(leaf), leaf, laid_out(signal, back))
        torch.testing.assert_close(got, want, rtol=1e-12, atol=0)


class Doubled(torch.autograd.Function):
    """Somebody's own: a norm inside, which no graph shows."""

    @staticmethod
    def forward(ctx, x, net):
        ctx.save_for_backward(x)
        ctx.net = net
        return net(x)

    @staticmethod
    def backward(ctx, grad):
        with torch.enable_grad():
            x = ctx.saved_tensors[0].detach().requires_grad_()
            return torch.autograd.grad(ctx.net(x), x, grad)[0], None


def test_a_norm_that_no_graph_shows():
    net = norm("batch", 2)
    slope = (net.weight / (net.running_var + net.eps).sqrt()).detach().view(1, 6, 1, 1)
    signal = torch.rand(1, 6, 4, 3, dtype=torch.double)
    for order in permutations(range(4)):
        leaf = torch.rand(1, 6, 4, 3, dtype=torch.double).requires_grad_()
        got = looked_back(Doubled.apply(leaf, net), leaf, laid_out(signal, order))
        torch.testing.assert_close(got, signal * slope, rtol=1e-12, atol=0)


def test_nothing_stays_on_the_graph(monkeypatch):
    seen = []
    monkeypatch.setattr(batch_norm, "_in_order", lambda node, found: seen.append(node) or found)
    leaf = torch.rand(1, 6, 4, 3, dtype=torch.double).requires_grad_()
    scores = norm("batch", 2)(leaf)
    with mended_graph(scores, leaf):
        torch.autograd.grad(scores.sum(), leaf, retain_graph=True)
    assert len(seen) == 1
    torch.autograd.grad(scores.sum(), leaf, retain_graph=True)
    with pytest.raises(ZeroDivisionError), mended_graph(scores, leaf):
        raise ZeroDivisionError
    torch.autograd.grad(scores.sum(), leaf)
    assert len(seen) == 1


class Tokens(nn.Module):
    """A norm whose places become tokens, as in LeViT and XCiT."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.early = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.GELU())
        self.norm = norm("batch", 2)
        self.mix, self.head = nn.Sequential(nn.LayerNorm(6), nn.Linear(6, 6)), nn.Linear(6, 4)

    def forward(self, x):
        tokens = self.norm(self.early(x)).flatten(2).transpose(1, 2)
        return self.head(self.mix(tokens).tanh().mean(1))


class Column(nn.Module):
    """A norm that tokens enter as a map one place wide, and whose places are mixed then."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.early = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.GELU())
        self.mix, self.norm = nn.Sequential(nn.LayerNorm(6), nn.Linear(6, 6)), norm("batch", 2)
        self.places, self.head = nn.Linear(64, 5), nn.Linear(6, 4)

    def forward(self, x):
        tokens = self.mix(self.early(x).flatten(2).transpose(1, 2))
        maps = self.norm(tokens.transpose(1, 2).unsqueeze(3))
        return self.head(self.places(maps.flatten(2)).tanh().mean(2))


@pytest.mark.parametrize("network", [Tokens, Column])
@pytest.mark.parametrize(
    "method",
    [
        "gradient",
        "guided_backprop",
        "deconvnet",
        "full_grad",
        "grad_cam",
        "grad_cam_pp",
        "layer_cam",
    ],
)
@pytest.mark.parametrize("target", [1, [0, 3]])
def test_one_picture_alone_and_in_a_batch_of_two(method, target, network):
    net = network().double().eval()
    x = torch.rand(2, 3, 8, 8, dtype=torch.double)
    layer = (
        {}
        if method in ("gradient", "guided_backprop", "deconvnet", "full_grad")
        else {"layer": "early"}
    )
    both = explain(net, x, target, method, **layer)
    alone = explain(net, x[:1], target, method, **layer)
    torch.testing.assert_close(alone.coarse, both.coarse[:1], rtol=1e-9, atol=1e-12)


def test_true_derivatives_of_one_picture():
    net = Tokens().double().eval()
    x = torch.rand(2, 3, 8, 8, dtype=torch.double)
    both = explain(net, x, 1, "grad_cam_pp", layer="early", alpha="exact")
    alone = explain(net, x[:1], 1, "grad_cam_pp", layer="early", alpha="exact")
    torch.testing.assert_close(alone.coarse, both.coarse[:1], rtol=1e-9, atol=1e-12)


def test_elsewhere_than_on_a_cpu_nothing_is_mended():
    with mended(torch.empty(1, device="meta")) as nothing:
        assert nothing is None
