"""Which map is read off a layer: out of which container, on which grid; what is said if none is."""

from collections import namedtuple

import pytest
import torch
from torch import nn

from helpers.backward import both
from helpers.nets import Odd, batch, convnet
from sightline.errors import LayerError
from sightline.surgery import capture

Pair = namedtuple("Pair", "length maps")


class Wrapped(nn.Module):
    """A layer that returns its map inside something."""

    def __init__(self, kind):
        super().__init__()
        torch.manual_seed(0)
        self.stage, self.fc = Stage(kind), nn.Linear(4, 5)

    def forward(self, x):
        out = self.stage(x)
        out = (
            out["maps"]
            if isinstance(out, dict)
            else out[1]
            if isinstance(out, tuple | list)
            else out
        )
        return self.fc(out.mean((2, 3)))


class Stage(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.kind, self.conv = kind, nn.Conv2d(3, 4, 3)

    def forward(self, x):
        y = self.conv(x).relu()
        many = {
            "tuple": (None, y),
            "list": [1, y],
            "dict": {"n": 3, "maps": y},
            "named": Pair(len(x), y),
            "tensor": y,
        }
        return many[self.kind]


@pytest.mark.parametrize("kind", ["tuple", "list", "dict", "named"])
def test_the_map_is_found_in_tuples_and_dicts(kind):
    x = batch()
    for mine, other in zip(
        both(Wrapped(kind), x, "stage"), both(Wrapped("tensor"), x, "stage"), strict=True
    ):
        assert torch.equal(mine, other)


class Tokens(nn.Module):
    """Patches, a class token in front, one mixing of tokens; the class token is read."""

    def __init__(self, registers=0, last=False):
        super().__init__()
        torch.manual_seed(0)
        self.patch, self.norm = nn.Conv2d(3, 8, 2, 2), nn.LayerNorm(8)
        self.prefix, self.head, self.last = (
            nn.Parameter(torch.randn(1, 1 + registers, 8)),
            nn.Linear(8, 5),
            last,
        )

    def forward(self, x):
        y = self.patch(x)
        if self.last:
            y = self.norm(y.movedim(1, -1))
            return self.head(y.mean((1, 2)))
        y = y.flatten(2).transpose(1, 2)
        y = self.norm(torch.cat([self.prefix.expand(len(x), -1, -1), y], 1))
        mixed = (y @ y.transpose(1, 2)).softmax(-1) @ y
        return self.head(mixed[:, 0])


@pytest.mark.parametrize("registers", [0, 4])
def test_tokens_become_a_grid_without_class_and_register_tokens(registers):
    net, x = Tokens(registers).eval(), batch()  # 12 x 10 pixels, patches of 2: a grid of 6 x 5
    activations, gradient = both(net, x, "norm")
    assert activations.shape == gradient.shape == (3, 8, 6, 5)
    y = torch.cat([net.prefix.expand(3, -1, -1), net.patch(x).flatten(2).transpose(1, 2)], 1)
    normed = net.norm(y).detach()
    assert torch.equal(activations[:, :, 2, 3], normed[:, 1 + registers + 2 * 5 + 3])
    leaf = normed.clone().requires_grad_()
    out = net.head(((leaf @ leaf.transpose(1, 2)).softmax(-1) @ leaf)[:, 0])
    (byhand,) = torch.autograd.grad(out[:, 1].sum(), leaf)
    torch.testing.assert_close(gradient[:, :, 2, 3], byhand[:, 1 + registers + 13])


def test_channels_last_outputs_are_read_channels_first():
    net, x = Tokens(last=True).eval(), batch()
    activations, gradient = both(net, x, "norm")
    assert activations.shape == (3, 8, 6, 5)
    assert torch.equal(activations, net.norm(net.patch(x).movedim(1, -1)).movedim(-1, 1))
    torch.testing.assert_close(gradient[0, :, 4, 4], net.head.weight[1].detach() / 30)


def test_an_output_without_a_grid_says_its_shape_and_offers_a_snippet():
    with pytest.raises(LayerError, match=r"\(3, 8\).*unflatten") as error:
        capture(convnet(), batch(), "7")
    assert "sightline.layers" in str(error.value)


def test_a_stated_grid_function_reads_what_cannot_be_inferred():
    net, x = Odd().eval(), batch()
    with pytest.raises(LayerError, match="grid=lambda"):
        capture(net, x, "keep")
    activations, gradient = both(
        net, x, "keep", grid=lambda out: out[:, :30].unflatten(1, (6, 5)).movedim(-1, 1)
    )
    assert torch.equal(activations, net.patch(x))
    torch.testing.assert_close(gradient[0, :, 0, 0], net.head.weight[1].detach() / 90)
