"""What is known of ATen's operators, a row each: in what they are linear, and what goes back.

By their bare names, without namespace, overload or the underscore of one that writes. How an
operator is *computed* (its jet, its stand-in, its decomposition) stands where that is done.
"""

from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Operator:
    """One operator; what is not said of it is not known."""

    linear: bool = False
    """In everything that moves."""
    one_to_one: bool = False
    """Each number goes to one position at most, and comes from one."""
    affine: bool = False
    """In everything that moves, in pieces: sums, maxima, what fills in constants."""
    factors: tuple[int, ...] = ()
    """Linear in any one of these arguments, where the others stand still."""
    pieces: bool = False
    """Each number by itself, in straight pieces: two meet where nobody ever stands."""
    curved: bool = False
    """Each number by itself, curved."""
    backward: str = ""
    """The operator that autograd issues for it on the way back."""
    rectifier: str = ""
    """The kind as which guided backpropagation governs it."""
    skips_zeros: bool = False
    """Whether its backward takes `(gradient, kept, *constants)` and is left out for rows of zeros:
    of those that transformers use."""

    @property
    def elementwise(self) -> bool:
        """Whether each number is computed by itself."""
        return self.pieces or self.curved


_ONE_TO_ONE = (
    "view", "_unsafe_view", "reshape", "_reshape_alias", "permute", "transpose", "t", "slice",
    "select", "squeeze", "unsqueeze", "clone", "alias", "_to_copy", "flip", "contiguous",
)  # fmt: skip
_LINEAR = (
    "expand", "mean", "sum", "neg", "avg_pool1d", "avg_pool2d", "avg_pool3d",
    "_adaptive_avg_pool2d", "_adaptive_avg_pool3d", "cat", "stack", "roll", "split",
    "split_with_sizes", "unbind", "chunk", "im2col", "col2im", "pixel_shuffle", "pixel_unshuffle",
    "channel_shuffle", "cumsum", "unfold", "repeat", "diagonal", "index_select", "index", "gather",
    "where", "tril", "triu", "upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d",
    "_upsample_nearest_exact2d", "upsample_linear1d", "upsample_bilinear2d", "upsample_trilinear3d",
    "upsample_bicubic2d", "_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa", "reflection_pad1d",
    "reflection_pad2d", "reflection_pad3d", "replication_pad1d", "replication_pad2d",
    "replication_pad3d", "native_dropout", "lift_fresh",
)  # fmt: skip
_AFFINE = (
    "add", "sub", "rsub", "max_pool2d_with_indices", "max_pool3d_with_indices",
    "adaptive_max_pool2d", "adaptive_max_pool3d", "max", "min", "topk", "sort", "masked_fill",
    "constant_pad_nd",
)  # fmt: skip
_PIECES = ("hardsigmoid", "abs", "clamp", "clamp_min", "clamp_max")
_CURVED = (
    "log_sigmoid", "exp", "exp2", "expm1", "log", "log2", "log1p", "sqrt", "rsqrt", "reciprocal",
    "pow", "square", "sin", "cos", "erf", "erfc", "atan", "tan", "sinh", "cosh", "softshrink",
    "hardshrink",
)  # fmt: skip

OPERATORS: dict[str, Operator] = {
    **dict.fromkeys(_ONE_TO_ONE, Operator(linear=True, one_to_one=True)),
    **dict.fromkeys(_LINEAR, Operator(linear=True)),
    **dict.fromkeys(_AFFINE, Operator(affine=True)),
    **dict.fromkeys(("mul", "mm", "bmm", "mv", "matmul"), Operator(factors=(0, 1))),
    "addmm": Operator(factors=(1, 2)),
    "div": Operator(factors=(0,)),
    "convolution": Operator(factors=(0,)),
    "native_batch_norm": Operator(factors=(0,)),
    "cudnn_batch_norm": Operator(factors=(0,)),
    "relu": Operator(
        pieces=True, backward="threshold_backward", rectifier="ReLU", skips_zeros=True
    ),
    "threshold": Operator(
        pieces=True, backward="threshold_backward", rectifier="ReLU", skips_zeros=True
    ),
    "relu6": Operator(pieces=True, backward="hardtanh_backward", rectifier="ReLU6"),
    "hardtanh": Operator(pieces=True, backward="hardtanh_backward", rectifier="ReLU6"),
    "leaky_relu": Operator(pieces=True, backward="leaky_relu_backward", rectifier="LeakyReLU"),
    "_prelu_kernel": Operator(pieces=True, backward="_prelu_kernel_backward", rectifier="PReLU"),
    "rrelu": Operator(pieces=True, backward="rrelu_with_noise_backward", rectifier="RReLU"),
    **dict.fromkeys(_PIECES, Operator(pieces=True)),
    "elu": Operator(curved=True, backward="elu_backward", rectifier="ELU"),
    "celu": Operator(curved=True, backward="elu_backward", rectifier="ELU"),
    "selu": Operator(curved=True, backward="elu_backward", rectifier="ELU"),
    "softplus": Operator(curved=True, backward="softplus_backward", rectifier="Softplus"),
    "silu": Operator(curved=True, backward="silu_backward", rectifier="SiLU", skips_zeros=True),
    "gelu": Operator(curved=True, backward="gelu_backward", rectifier="GELU", skips_zeros=True),
    "hardswish": Operator(
        curved=True, backward="hardswish_backward", rectifier="Hardswish", skips_zeros=True
    ),
    "mish": Operator(curved=True, backward="mish_backward", rectifier="Mish"),
    "tanh": Operator(curved=True, backward="tanh_backward", skips_zeros=True),
    "sigmoid": Operator(curved=True, backward="sigmoid_backward", skips_zeros=True),
    **dict.fromkeys(_CURVED, Operator(curved=True)),
}
"""By name. `F.threshold` shares ReLU's backward operator, CELU and SELU share ELU's."""

_UNKNOWN = Operator()


def operator(name: str) -> Operator:
    """What is known of an operator.

    >>> operator("silu").backward, operator("silu").elementwise, operator("fft").linear
    ('silu_backward', True, False)
    """
    return OPERATORS.get(name, _UNKNOWN)


def aten(name: str) -> Any:
    """The operator itself, as dispatch modes meet it.

    >>> aten("silu_backward")
    <OpOverload(op='aten.silu_backward', overload='default')>
    """
    return getattr(torch.ops.aten, name).default


def zero_skipping() -> list[Any]:
    """Backward operators of activations that need not be computed where the gradient is zero."""
    names = {row.backward: None for row in OPERATORS.values() if row.skips_zeros}
    return [aten(name) for name in names]


def rectifiers() -> dict[Any, str]:
    """Backward operators that guided backpropagation governs, and the kind of each."""
    return {aten(row.backward): row.rectifier for row in OPERATORS.values() if row.rectifier}
