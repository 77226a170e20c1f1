"""Skipping zeros changes no number beyond the order of summation."""

import pytest
import torch
from torch import nn

from nets import batch, convnet
from sightline.surgery import capture, lean


@pytest.mark.parametrize("rows", [1, 2, 10, 32, 33, 200])
@pytest.mark.parametrize("zeros", [0.0, 0.5, 0.95, 1.0])
@pytest.mark.parametrize("where", ["rows", "columns"])
def test_the_product_is_the_product(rows, zeros, where, monkeypatch):
    monkeypatch.setattr(lean, "_LARGE", 0)
    generator = torch.Generator().manual_seed(rows)
    left = torch.randn(rows, 150, generator=generator, dtype=torch.float64)
    right = torch.randn(150, 40, generator=generator, dtype=torch.float64)
    keep = torch.rand(rows if where == "rows" else 150, generator=generator) >= zeros
    left = left * (keep[:, None] if where == "rows" else keep)
    torch.testing.assert_close(lean.product(left, right), left @ right, rtol=1e-12, atol=1e-12)


def test_zero_rows_are_really_skipped(monkeypatch):
    left, right = torch.zeros(100, 8), torch.rand(8, 4)
    left[3] = 1.0
    shapes = []
    inner = lean.product
    monkeypatch.setattr(lean, "product", lambda a, b: shapes.append(tuple(a.shape)) or inner(a, b))
    assert torch.equal(lean._without_zero_rows(left, right)[3], right.sum(0))
    assert shapes == [(1, 8)]


def test_nan_and_infinity_are_no_zeros():
    left, right = torch.zeros(100, 8), torch.ones(8, 4)
    left[3, 2], left[5, 1] = float("nan"), float("inf")
    out = lean.product(left, right)
    assert out[3].isnan().all()
    assert out[5].isinf().all()
    assert out[4].eq(0).all()


@pytest.mark.parametrize("questions", [1, 5])
def test_looking_back_gives_autograds_numbers(questions, monkeypatch):
    monkeypatch.setattr(lean, "_LARGE", 0)
    net, x = convnet(head="fc").double(), batch().double()
    trace = capture(net, x, "5")
    (mine,) = trace.gradients(trace.outputs[:, :questions].T)
    leaf = net[:6](x).detach().requires_grad_()
    for k in range(questions):
        (plain,) = torch.autograd.grad(net[6:](leaf)[:, k].sum(), leaf)
        torch.testing.assert_close(mine[k], plain, rtol=1e-12, atol=1e-14)


def test_it_is_off_outside():
    net = nn.Linear(4, 2)
    with lean.Lean():
        pass
    x = torch.rand(3, 4, requires_grad=True)
    (gradient,) = torch.autograd.grad(net(x).sum(), x)
    torch.testing.assert_close(gradient[0], net.weight.sum(0).detach())
