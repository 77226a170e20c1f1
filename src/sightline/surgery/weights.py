"""Compute with the weights' values, so that nothing is kept for derivatives that nobody asks for."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


class WeightsAside(TorchFunctionMode):
    """The same as `requires_grad_(False)` on every parameter, without touching the flags, which threads share.

    The weights' derivatives are never computed anyway; what this saves is memory. Kept for the way back to the pixels,
    at one photograph of 224 pixels: ConvNeXt-T 104 -> 55 MiB, Swin-T 102 -> 62, ViT-B/16 113 -> 71. Convolutions with
    batch norm keep their inputs in any case (ResNet-50: 82 MiB either way).
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__name__", "") in ("__get__", "__set__", "__delete__"):  # p.data = ..., p.requires_grad
            return func(*args, **(kwargs or {}))
        return func(*map(_aside, args), **{name: _aside(value) for name, value in (kwargs or {}).items()})


def _aside(value: Any) -> Any:
    if isinstance(value, Tensor) and value.is_inference() and not torch.is_inference_mode_enabled():
        return value.clone()  # a model loaded under inference_mode: no graph may keep its weights themselves
    return value.detach() if type(value) is nn.Parameter and value.requires_grad else value


@contextmanager
def aside_from_here_on() -> Iterator[Callable[[], None]]:
    """A function that puts the weights aside from its call to the end of the block: what runs before pays nothing.

    Modes are left in the reverse order of entering. Where the model has entered one of its own since the block
    began (`with torch.device(...)`), and so will leave it first, the weights stay where they are.
    """
    depth = torch._C._len_torch_function_stack()
    with ExitStack() as modes:

        def begin() -> None:
            if torch._C._len_torch_function_stack() == depth:
                modes.enter_context(WeightsAside())

        yield begin
