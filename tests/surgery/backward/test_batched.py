"""Several questions on one way back: the numbers of one question at a time, whatever lies on the
way.
"""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from sightline import explain
from sightline.surgery.backward import gradients as backward
from sightline.surgery.backward.batched import pack
from sightline.surgery.backward.gradients import gradients
from sightline.surgery.backward.graph import has_many_rows


class Block(nn.Module):
    """A transformer's block with its queries, keys and values side by side, as in timm."""

    def __init__(self, width=32, heads=4, scale=False):
        super().__init__()
        self.heads = heads
        self.one, self.two = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 48), nn.GELU(), nn.Linear(48, width))
        self.gamma = nn.Parameter(torch.rand(width) + 0.5) if scale else None

    def forward(self, x):
        b, n, width = x.shape
        q, k, v = (
            self.qkv(self.one(x)).reshape(b, n, 3, self.heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
        )
        x = x + self.out(
            F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, n, width)
        )
        y = self.mlp(self.two(x))
        return x + (y if self.gamma is None else self.gamma * y)


class Windows(nn.Module):
    """Tokens mixed by a product across them, as in an MLP-Mixer."""

    def __init__(self, tokens=40):
        super().__init__()
        self.mix = nn.Linear(tokens, tokens)

    def forward(self, x):
        return x + self.mix(x.transpose(1, 2)).transpose(1, 2)


def encoder(batch_first, activation="gelu", norm_first=True):
    return nn.TransformerEncoderLayer(
        32, 4, 48, activation=activation, batch_first=batch_first, norm_first=norm_first
    ).eval()


class Swapped(nn.Module):
    """A layer that wants the tokens first."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer(x.transpose(0, 1)).transpose(0, 1)


TAILS = {
    "fused": lambda: Block(),
    "scaled": lambda: Block(scale=True),
    "packed": lambda: encoder(True),
    "packed, tokens first": lambda: Swapped(encoder(False)),
    "norm behind": lambda: encoder(True, norm_first=False),
    "relu": lambda: encoder(True, activation="relu"),
    "two blocks": lambda: nn.Sequential(Block(), encoder(True)),
    "mixer": lambda: nn.Sequential(Windows(), Block()),
    "softplus": lambda: nn.Sequential(Block(), nn.Softplus()),  # no rule: one by one from there on
    "tanh": lambda: nn.Sequential(nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 32), nn.SiLU()),
}
POOLS = {
    "class token": lambda x: x[:, 0],
    "last token": lambda x: x[:, -1],
    "two tokens": lambda x: x[:, 0] + x[:, 3],
    "joined": lambda x: torch.cat([x[:, 0], x[:, 1:].mean(1)], 1)[:, :32],
    "mean": lambda x: x.mean(1),
    "largest": lambda x: x.amax(1),
}


@pytest.fixture
def asked(monkeypatch):
    """How often questions were asked together."""
    calls = []
    monkeypatch.setattr(backward, "pack", lambda seeds: calls.append(len(seeds)) or pack(seeds))
    return calls


@pytest.mark.parametrize("images", [1, 3])
@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("tail", TAILS)
def test_the_numbers_are_those_of_one_question_at_a_time(tail, pool, images, asked):
    torch.manual_seed(0)
    net, head = TAILS[tail]().double(), nn.Linear(32, 7).double()
    x = torch.randn(images, 40, 32, dtype=torch.float64, requires_grad=True)
    scores = head(POOLS[pool](net(x.clone())))
    classes = torch.stack(
        [torch.randperm(7)[:4] for _ in range(images)], 1
    )  # each image its own four
    seeds = torch.zeros(4, images, 7, dtype=torch.float64).scatter_(2, classes.unsqueeze(2), 1)
    want = torch.stack(
        [torch.autograd.grad(scores, x, seed, retain_graph=True)[0] for seed in seeds]
    )
    (got,) = gradients(scores, [x], seeds=seeds, unhooked=True)
    torch.testing.assert_close(got, want, rtol=1e-10, atol=1e-12)
    assert asked == ([4] if has_many_rows(scores) else [])


def test_several_layers_and_one_that_does_not_matter(asked):
    torch.manual_seed(0)
    net, head = Block(), nn.Linear(32, 5)
    x = torch.randn(2, 40, 32, requires_grad=True)
    idle = torch.randn(2, 40, 32, requires_grad=True)
    middle = x * 2
    scores = head(net(middle)[:, 0])
    seeds = torch.eye(5)[:3, None].expand(3, 2, 5)
    found = gradients(scores, [x, idle, middle], seeds=seeds, unhooked=True)
    assert found[1] is None
    want = torch.stack(
        [torch.autograd.grad(scores, middle, seed, retain_graph=True)[0] for seed in seeds]
    )
    torch.testing.assert_close(found[2], want)
    torch.testing.assert_close(found[0], 2 * want)
    assert asked == [3]


def test_a_model_never_sees_a_stand_in():
    """What its hooks keep has to be good for its own training afterwards."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 32, 4, 4), nn.Flatten(2), Turned(), Block(), FirstToken(), nn.Linear(32, 5)
    ).eval()
    kept, x = [], torch.rand(1, 3, 24, 24)
    net[3].register_full_backward_hook(lambda module, into, out: kept.append(out[0]))
    explain(net, x, [0, 3, 4], "grad_cam", "0")
    net[3]._backward_hooks.clear()
    net[3].register_forward_hook(lambda module, into, out: out.register_hook(kept.append) and None)
    explain(net, x, [0, 3, 4], "grad_cam", "0")
    assert len(kept) == 6
    assert all(type(one) is torch.Tensor for one in kept)


class Turned(nn.Module):
    def forward(self, x):
        return x.transpose(1, 2)


class FirstToken(nn.Module):
    def forward(self, x):
        return x[:, 0]


class Stop(torch.autograd.Function):
    """Gives the same back whatever comes in."""

    @staticmethod
    def forward(ctx, x):
        ctx.shape = x.shape
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return torch.ones(ctx.shape)


def test_what_comes_back_of_no_question_is_not_taken_for_all(monkeypatch):
    torch.manual_seed(0)
    monkeypatch.setattr(
        backward, "has_python_functions", lambda scores: False
    )  # else it is not tried at all
    net, head = Block(), nn.Linear(32, 5)
    x = torch.randn(3, 40, 32, requires_grad=True)
    scores = head(net(Stop.apply(x.clone()))[:, 0])
    (got,) = gradients(scores, [x], seeds=torch.eye(5)[:3, None].expand(3, 3, 5), unhooked=True)
    assert torch.equal(got, torch.ones(3, 3, 40, 32))


@pytest.mark.parametrize("batch_first", [True, False])
def test_a_default_device_is_not_the_gradients(batch_first):
    torch.manual_seed(0)
    layer = encoder(batch_first)
    net, head = layer if batch_first else Swapped(layer), nn.Linear(32, 5)
    x = torch.randn(2, 40, 32, requires_grad=True)
    scores = head(net(x.clone())[:, 0])
    seeds = torch.eye(5)[:3, None].expand(3, 2, 5)
    want = torch.stack(
        [torch.autograd.grad(scores, x, seed, retain_graph=True)[0] for seed in seeds]
    )
    with torch.device("meta"):
        (got,) = gradients(scores, [x], seeds=seeds, unhooked=True)
    torch.testing.assert_close(got, want)


def test_an_attention_from_which_nothing_comes_back():
    class Nothing(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, gradient):
            return None

    torch.manual_seed(0)
    net, head = Block(), nn.Linear(32, 5)
    x = torch.randn(1, 40, 32, requires_grad=True)
    plain = torch.autograd.grad(
        head(Nothing.apply(net(x.clone()))[:, 0])[:, 0].sum(), x, allow_unused=True
    )[0]
    (got,) = gradients(head(Nothing.apply(net(x.clone()))[:, 0])[:, 0], [x])
    assert (got is None and plain is None) or torch.equal(got, plain)


class Peeking(torch.autograd.Function):
    """Looks at its gradient's numbers, and goes another way for each: no two questions can share
    that.
    """

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient * (2 if gradient.sum() > 0 else 3)


def writing(gradient):
    gradient.mul_(2)


@pytest.mark.parametrize("how", ["peeking", "a hook that writes", "a hook"])
def test_where_the_model_has_a_say_it_is_asked_one_by_one(how, asked):
    torch.manual_seed(0)
    net, head = Block(), nn.Linear(32, 5)
    x = torch.randn(1, 40, 32, requires_grad=True)

    def run():
        y = net(x.clone())
        if how == "peeking":
            y = Peeking.apply(y)
        else:
            y.register_hook(
                writing if how == "a hook that writes" else lambda gradient: gradient * 2
            )
        return head(y[:, 0])

    seeds = torch.eye(5)[:4, None]
    want = torch.stack([torch.autograd.grad(run(), x, seed)[0] for seed in seeds])
    (got,) = gradients(run(), [x], seeds=seeds, unhooked=how == "peeking")
    torch.testing.assert_close(got, want)
    assert asked == []
