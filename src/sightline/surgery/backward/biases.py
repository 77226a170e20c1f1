"""What every operator adds of its own: the biases, written and implied, and where in the graph.

An operator y = J x + b gives the score b times what comes back to y. Recorded are PyTorch's
functions and not modules, because a norm may hold its activation inside, and a bias may be no
module's. A bias that is added by a plain `+` (positions, class tokens), and gates and norms that
divide, are not recorded.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from sightline.tensors import allow_grad

_CONVOLUTIONS = {
    F.conv1d,
    F.conv2d,
    F.conv3d,
    F.conv_transpose1d,
    F.conv_transpose2d,
    F.conv_transpose3d,
}
_POINTWISE = {
    F.hardtanh, F.relu6, F.hardswish, F.silu, F.gelu, F.elu, F.selu, F.celu, F.softplus, F.mish,
    F.tanh, torch.tanh, F.sigmoid, torch.sigmoid, F.hardsigmoid, F.logsigmoid,
}  # fmt: skip
"""Activations that are not a multiple of what enters, piece by piece.

Those that are (ReLU, PReLU) imply no bias.
"""


@dataclass(frozen=True)
class BiasTerm:
    """One operator: its output in the graph, and its bias, in a shape that broadcasts with that.

    The bias is computed when it is asked for: checkpoints count what is kept for a backward pass
    while the model runs.
    """

    output: Tensor
    bias: Callable[[], Tensor]


class Biases(TorchFunctionMode):
    """`with Biases() as biases:` - run the model inside; `biases.terms` are the biases of what ran.

    Convolutions and linear layers have theirs. Batch norm in eval mode is affine and implies beta -
    gamma mean / std. Layer, group and instance norm have only what they add, beta. A pointwise
    activation f implies f(z) - f'(z) z: zero for a ReLU, 6 where a ReLU6 is saturated.

    >>> with Biases() as biases:
    ...     _ = F.relu6(
    ...         F.linear(
    ...             torch.tensor([[9.0, 1.0]], requires_grad=True), torch.eye(2), torch.ones(2)
    ...         )
    ...     )
    >>> [one.bias().tolist() for one in biases.terms]
    [[1.0, 1.0], [[6.0, 0.0]]]
    """

    def __init__(self) -> None:
        super().__init__()
        self.terms: list[BiasTerm] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        entering = _entering(args, kwargs) if func in _POINTWISE else None
        output = func(*args, **kwargs)
        bias: Callable[[], Tensor] | None = None
        if entering is not None:
            bias = partial(_implied, func, entering, args[1:], kwargs)
        elif (written := _written(func, args, kwargs, output)) is not None:
            bias = written.detach
        if bias is None or not (isinstance(output, Tensor) and output.requires_grad):
            return output
        self.terms.append(BiasTerm(output, bias))
        return output.clone()  # which the next one may write over


def _entering(args: Any, kwargs: Any) -> Tensor | None:
    """What enters an activation, as it was: some write over it."""
    tensor = args[0] if args else kwargs.get("input")
    return tensor.detach().clone() if isinstance(tensor, Tensor) else None


def _implied(func: Any, entering: Tensor, args: Any, kwargs: Any) -> Tensor:
    """f(z) - f'(z) z, position by position; zero where it is no more than rounding.

    Each of the two is some roundings off (five for a Hardswish), each of half a unit of its last
    place. Where a gate stands open the difference is nothing but that. It counts for nothing in
    the sum, but FullGrad scales every layer to [0, 1], and would show it as evidence.
    """
    with allow_grad(), torch.enable_grad():
        z = entering.clone().requires_grad_()
        out = func(
            z.clone(), *args, **{word: value for word, value in kwargs.items() if word != "input"}
        )
        (slope,) = torch.autograd.grad(out.sum(), z)
    implied: Tensor = (out - slope * z).detach()
    rounding = 8 * torch.finfo(out.dtype).eps * out.detach().abs()
    return implied.masked_fill(implied.abs() <= rounding, 0)


@torch.no_grad()
def _written(func: Any, args: Any, kwargs: Any, output: Any) -> Tensor | None:
    if not isinstance(output, Tensor):
        return None
    bias: Tensor | None
    if func in _CONVOLUTIONS or func is F.linear:
        bias = kwargs.get("bias", args[2] if len(args) > 2 else None)
        return bias if bias is None or func is F.linear else _channels(bias, output)
    if func not in (F.batch_norm, F.layer_norm, F.group_norm, F.instance_norm):
        return None
    given = inspect.signature(func).bind(*args, **kwargs)
    given.apply_defaults()
    word = given.arguments
    bias = word["bias"]
    if func is F.batch_norm and not word["training"] and word["running_mean"] is not None:
        scale = (word["running_var"] + word["eps"]).rsqrt()
        shift: Tensor = (
            -word["running_mean"] * scale * (1 if word["weight"] is None else word["weight"])
        )
        bias = shift if bias is None else shift + bias
    return bias if bias is None or func is F.layer_norm else _channels(bias, output)


def _channels(values: Tensor, output: Tensor) -> Tensor:
    return values.view(-1, *[1] * (output.ndim - 2))
