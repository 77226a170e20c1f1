"""Compute with the weights' values: nothing is kept for derivatives that nobody asks for."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from sightline.tensors import MADE_FROM

_ENDS = frozenset({"softmax", "log_softmax", "sigmoid", "logsigmoid", "expit", "special_expit"})
"""Operators that make probabilities; `expit` is a sigmoid by another name."""
_MOST_AXES = 2
"""Of maps and of attention it would only hold memory."""


class DetachWeights(TorchFunctionMode):
    """As `requires_grad_(False)` on every parameter, without touching flags that threads share.

    The weights' derivatives are never computed anyway; what this saves is memory. Kept for the way
    back to the pixels, at one photograph of 224 pixels: ConvNeXt-T 104 -> 55 MiB, Swin-T 102 -> 62,
    ViT-B/16 113 -> 71. Convolutions with batch norm keep their inputs in any case (ResNet-50: 82
    MiB either way). `hooked` tells whether the model put a hook on the graph meanwhile, or took
    hold of it to do so.
    """

    hooked = False

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        if name in ("__get__", "__set__", "__delete__"):  # p.data = ..., p.requires_grad
            self.hooked |= func.__self__.__name__ == "grad_fn"
            return func(*args, **(kwargs or {}))
        self.hooked |= name == "register_hook"
        found = func(
            *map(_detached, args),
            **{name: _detached(value) for name, value in (kwargs or {}).items()},
        )
        if name in _ENDS and args:
            _write_down(found, args[0])
        return found


def _write_down(found: Any, before: Any) -> None:
    """What probabilities `[b, k]` were made from, which may be a model's last ones."""
    if isinstance(found, Tensor) and found.ndim <= _MOST_AXES and found.grad_fn is not None:
        node: Any = found.grad_fn
        node.metadata[MADE_FROM] = before


def _detached(value: Any) -> Any:
    if isinstance(value, Tensor) and value.is_inference() and not torch.is_inference_mode_enabled():
        return (
            value.clone()
        )  # loaded under inference_mode: no graph may keep the weights themselves
    return value.detach() if type(value) is nn.Parameter and value.requires_grad else value


class DetachFrom:
    """`with DetachFrom() as detach:` - detached from `detach()` to the end of the block.

    What runs before pays nothing. Modes are left in the reverse order of entering. Where the model
    has entered one of its own since the block began (`with torch.device(...)`), and so will leave
    it first, the weights stay as they are.
    """

    def __init__(self) -> None:
        self._mode: DetachWeights | None = None
        self._depth = 0

    def __enter__(self) -> "DetachFrom":
        self._depth = torch._C._len_torch_function_stack()
        return self

    def __call__(self) -> None:
        """From here on; once is enough."""
        if torch._C._len_torch_function_stack() == self._depth:
            self._mode = DetachWeights()
            self._mode.__enter__()  # type: ignore[no-untyped-call]  # torch gives these no types

    def __exit__(self, *error: Any) -> None:
        if self._mode is not None:
            self._mode.__exit__(*error)  # type: ignore[no-untyped-call]  # nor this

    @property
    def plain(self) -> bool:
        """Whether the weights were detached, and nobody put a hook on the graph."""
        return self._mode is not None and not self._mode.hooked
