"""Leave no trace: whatever happens inside, the model comes out as it went in.

Nothing here is patched process-wide. What a run of the model could change is written down, set as
the run needs it, and put back in `finally`: each sub-module's own `training` flag, checkpointing
switches, buffers that an eval-mode forward might write, and the states of the random generators.
"""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from sightline.surgery.harness.rng_state import Generators
from sightline.tensors import allow_grad

LOCK = threading.RLock()
"""One run at a time in the surgery room.

Hooks and flags belong to the model, which threads share.
"""

_SWITCHES = ("training", "grad_checkpointing", "gradient_checkpointing")
_QUIET = (
    nn.modules.batchnorm._NormBase,
    nn.LayerNorm,
    nn.GroupNorm,
)  # eval mode leaves their buffers alone


_DRAW_FROM_TORCH = ("torch.", "torchvision.", "timm.")
"""Libraries whose modules draw random numbers from PyTorch's generators only.

Code of others may use NumPy's.
"""


@contextmanager
def untouched(model: nn.Module) -> Iterator[None]:
    """Run the model in eval mode inside, alone, and give it back bit-equal: flags, buffers, random
    states.

    What is made inside can be part of a graph, also when the caller is in inference mode; whether
    recording is on is the caller's choice again afterwards.
    """
    with LOCK, allow_grad(), ExitStack() as undo:
        undo.callback(_restore_modes, torch.is_grad_enabled(), torch._C._len_torch_function_stack())
        cuda, parts, seen, own_code = (
            torch.cuda.is_initialized(),
            [model],
            {model},
            _hooked_everywhere(),
        )
        for (
            module
        ) in parts:  # grows while it is gone through: `model.modules()`, several times faster
            own = module.__dict__
            own_code = (
                own_code or own["_forward_hooks"] or own["_forward_pre_hooks"] or "forward" in own
            )
            if (
                own.get("training")
                or "grad_checkpointing" in own
                or "gradient_checkpointing" in own
            ):
                _switch_off(own, undo)
            if own["_buffers"] and not isinstance(module, _QUIET):
                undo.callback(_restore_buffers, module, _buffers_of(module))
            if own.get("_compiled_call_impl") is not None:
                undo.enter_context(
                    torch.compiler.set_stance("force_eager")
                )  # hooks do not fire in compiled code
            if cuda and isinstance(module, nn.RNNBase):
                undo.enter_context(
                    torch.backends.cudnn.flags(enabled=False)
                )  # cuDNN cannot look back in eval mode
            if children := own["_modules"]:
                for child in children.values():
                    if child is not None and child not in seen:
                        seen.add(child)
                        parts.append(child)
        own_code = own_code or any(
            not kind.__module__.startswith(_DRAW_FROM_TORCH) for kind in set(map(type, parts))
        )
        undo.callback(Generators(model, foreign=bool(own_code)).restore)
        yield


def _hooked_everywhere() -> bool:
    return bool(
        nn.modules.module._global_forward_hooks or nn.modules.module._global_forward_pre_hooks
    )


def _restore_modes(recording: bool, depth: int) -> None:
    """Also where an interrupt struck while a mode was being left."""
    while torch._C._len_torch_function_stack() > depth:
        torch._C._pop_torch_function_stack()
    torch.set_grad_enabled(recording)


def _switch_off(own: dict[str, Any], undo: ExitStack) -> None:
    for switch in _SWITCHES:
        if own.get(switch) is True:
            own[switch] = False
            undo.callback(own.__setitem__, switch, True)


def _buffers_of(module: nn.Module) -> dict[str, tuple[Tensor, int, Tensor] | None]:
    """Each buffer, its version and a copy of its values."""
    return {
        name: None if buffer is None else (buffer, buffer._version, buffer.detach().clone())
        for name, buffer in module._buffers.items()
    }


def _restore_buffers(
    module: nn.Module, before: dict[str, tuple[Tensor, int, Tensor] | None]
) -> None:
    """Put back what was replaced, and the values of what was written in place."""
    for name in list(module._buffers):
        if name not in before:
            del module._buffers[name]
    for name, kept in before.items():
        if kept is None:
            module._buffers[name] = None
            continue
        buffer, version, values = kept
        module._buffers[name] = buffer
        if buffer._version != version:
            with torch.no_grad():
                buffer.copy_(values)
