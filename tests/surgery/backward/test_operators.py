"""What the table of operators says is what torch does."""

import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from sightline.surgery.backward.operators import (
    OPERATORS,
    aten,
    operator,
    rectifiers,
    zero_skipping,
)

ACTIVATIONS = {
    "relu": F.relu,
    "threshold": lambda x: F.threshold(x, 0.1, 0.0),
    "relu6": F.relu6,
    "hardtanh": F.hardtanh,
    "leaky_relu": F.leaky_relu,
    "_prelu_kernel": lambda x: F.prelu(x, torch.tensor([0.2], dtype=x.dtype)),
    "elu": F.elu,
    "celu": F.celu,
    "selu": F.selu,
    "softplus": F.softplus,
    "silu": F.silu,
    "gelu": F.gelu,
    "hardswish": F.hardswish,
    "mish": F.mish,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
}


class Issued(TorchDispatchMode):
    """The names of all operators that run."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.append(func._schema.name.removeprefix("aten::"))
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_autograd_issues_the_backward_operator(name):
    x = torch.tensor([-0.3, 0.4], requires_grad=True)
    out = ACTIVATIONS[name](x)
    with Issued() as issued:
        torch.autograd.grad(out.sum(), x)
    assert operator(name).backward in issued.names


def second(function, x):
    """The second derivative of a function of each number by itself."""
    x = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(function(x).sum(), x, create_graph=True)
    if not slope.requires_grad:
        return torch.zeros_like(x)
    return torch.autograd.grad(slope.sum(), x, materialize_grads=True)[0]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_pieces_are_straight_and_the_curved_are_not(name):
    x = torch.linspace(-2.3, 2.4, 9, dtype=torch.float64)
    row = operator(name)
    assert row.pieces != row.curved
    assert row.elementwise
    assert bool(second(ACTIVATIONS[name], x).any()) is row.curved


LINEAR = {
    "mean": lambda x: x.mean(0),
    "cumsum": lambda x: x.cumsum(0),
    "roll": lambda x: x.roll(1),
    "flip": lambda x: x.flip(0),
    "tril": torch.tril,
    "avg_pool2d": lambda x: F.avg_pool2d(x[None, None], 2),
    "upsample_bilinear2d": lambda x: F.interpolate(x[None, None], size=7, mode="bilinear"),
    "reflection_pad2d": lambda x: F.pad(x[None, None], (1, 1, 1, 1), mode="reflect"),
}


@pytest.mark.parametrize("name", LINEAR)
def test_what_is_linear_goes_through_sums(name):
    assert operator(name).linear
    x, y = torch.rand(2, 4, 4, dtype=torch.float64)
    torch.testing.assert_close(
        LINEAR[name](2 * x + y), 2 * LINEAR[name](x) + LINEAR[name](y), rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("name", OPERATORS)
def test_each_row_is_of_one_kind_and_names_operators_that_exist(name):
    row = OPERATORS[name]
    kinds = [row.linear, row.affine, bool(row.factors), row.pieces, row.curved]
    assert kinds.count(True) == 1
    assert row.linear or not row.one_to_one
    assert row.elementwise or not (row.backward or row.rectifier or row.skips_zeros)
    if row.backward:
        assert aten(row.backward) is not None


def test_one_backward_operator_has_one_kind():
    """Guided backpropagation counts by the operator that comes back."""
    for row in OPERATORS.values():
        if row.rectifier:
            assert rectifiers()[aten(row.backward)] == row.rectifier
    assert len(rectifiers()) == 11


def test_zeros_are_skipped_where_the_kept_tensor_comes_second():
    for one in zero_skipping():
        kept = one._schema.arguments[1].name
        assert kept in ("self", "output")
    assert len(zero_skipping()) == 6


def test_of_others_nothing_is_known():
    assert operator("fft_rfft") == type(operator("relu"))()
