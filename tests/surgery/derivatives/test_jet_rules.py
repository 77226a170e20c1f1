"""Every rule against torch's forward mode, nested three times."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from helpers.curved_tails import Block, LayerNorm
from helpers.tapes import tape_of
from sightline.surgery.derivatives.diagonal import nested
from sightline.surgery.derivatives.jet_rules import play, rule
from sightline.surgery.derivatives.jets import Jet, all_orders, by_torch


class Written(nn.Module):
    """A function of maps `[b, c, h, w]` as a tail, with a head that is not linear."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        y = self.function(x).flatten(1)
        return torch.stack([(y**2).mean(1), y.mean(1), (y * y.roll(1, 1)).sum(1)], 1)


SEED = torch.Generator().manual_seed(0)
WEIGHT = torch.randn(4, 3, 2, 2, generator=SEED, dtype=torch.float64)
MATRIX = torch.randn(5, 5, generator=SEED, dtype=torch.float64)

FUNCTIONS = {
    "add": lambda x: x + x.flip(3),
    "add, with a factor": lambda x: torch.add(x, x.sin(), alpha=0.3),
    "sub": lambda x: 1.0 - x.sin(),
    "mul": lambda x: x * x.flip(2),
    "div": lambda x: x / (x**2 + 2),
    "div by a number": lambda x: x.sin() / 3,
    "matmul": lambda x: x @ MATRIX @ x.transpose(2, 3),
    "addmm": lambda x: F.linear(x.sin(), MATRIX, MATRIX[0]),
    "convolution": lambda x: F.conv2d(x.sin(), WEIGHT, torch.ones(4).double()),
    "softmax": lambda x: x.softmax(1) * 3,
    "log_softmax": lambda x: x.log_softmax(2),
    "logsumexp": lambda x: x.logsumexp(3),
    "logsumexp, kept": lambda x: x.sin().logsumexp(1, keepdim=True),
    "layer norm": lambda x: F.layer_norm(x.sin(), (5,), torch.arange(5.0).double()),
    "group norm": lambda x: F.group_norm(x.sin(), 3, torch.arange(3.0).double()),
    "instance norm": lambda x: F.instance_norm(x.sin()),
    "glu": lambda x: F.glu(x[..., :4], 3),
    "max pool": lambda x: F.max_pool2d(x.sin(), 2),
    "largest along an axis": lambda x: x.sin().max(2).values,
    "largest of all": lambda x: x.sin() * x.max(),
    "topk": lambda x: x.sin().topk(2, 3).values,
    "pad": lambda x: F.pad(x.sin(), (1, 1), value=2.0),
    "masked": lambda x: x.sin().masked_fill(MATRIX[:4] > 0, 1.0),
    "attention": lambda x: F.scaled_dot_product_attention(x, x.sin(), x),
    "causal attention": lambda x: F.scaled_dot_product_attention(x, x, x, is_causal=True),
    "masked attention": lambda x: F.scaled_dot_product_attention(
        x, x, x, attn_mask=MATRIX[:4, :4], scale=0.5
    ),
    "relu": lambda x: x.sin().relu() ** 2,
    "gelu": F.gelu,
    "power": lambda x: x**3,
    "cumulative product": lambda x: x.cumprod(3),  # no rule: torch is asked
    "erf": torch.erf,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_jet_carries_torchs_three_derivatives(name):
    x = torch.randn(1, 3, 4, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    tape = tape_of(Written(FUNCTIONS[name]), x)
    move = torch.randn(x.shape, generator=torch.Generator().manual_seed(2), dtype=x.dtype)
    found = tape.play(Jet(tape.start, move), play).moves[1:]
    for one, factor, want in zip(found, (1, 2, 6), nested(tape, move), strict=True):
        got = torch.zeros_like(want) if one is None else factor * one
        scale = max(1.0, float(want.abs().max()))
        torch.testing.assert_close(got, want, rtol=0, atol=1e-9 * scale)


@pytest.mark.parametrize("tail", [Block(3), LayerNorm(3)])
def test_a_block_of_tokens_too(tail):
    x = torch.randn(1, 3, 2, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    tail = tail.double()
    tape = tape_of(Written(lambda one: tail(one.flatten(2).transpose(1, 2))), x)
    move = torch.randn(x.shape, generator=torch.Generator().manual_seed(2), dtype=x.dtype)
    found = tape.play(Jet(tape.start, move), play).moves[1:]
    for one, factor, want in zip(found, (1, 2, 6), nested(tape, move), strict=True):
        torch.testing.assert_close(factor * one, want, rtol=1e-8, atol=1e-9)


def test_what_does_not_move_is_computed_plainly():
    assert rule("view") is all_orders
    assert rule("fft_rfft") is by_torch
