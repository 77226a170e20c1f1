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
_KEEP_BUFFERS = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm)
"""Modules that leave their buffers alone in eval mode."""


_DRAW_FROM_TORCH = ("torch.", "torchvision.", "timm.")
"""Libraries whose modules draw random numbers from PyTorch's generators only.

Code of others may use NumPy's.
"""


@contextmanager
def untouched(model: nn.Module) -> Iterator[None]:
    """Run the model in eval mode inside, alone, and give it back bit-equal.

    Flags, buffers and the states of the random generators are as before. What is made inside can be
    part of a graph, also when the caller is in inference mode; whether recording is on is the
    caller's choice again afterwards.
    """
    with LOCK, allow_grad(), ExitStack() as undo:
        # First in is last out: whatever the other callbacks do, the caller's modes come back.
        undo.callback(_restore_modes, torch.is_grad_enabled(), torch._C._len_torch_function_stack())
        own_code = _make_ready(model, undo)
        undo.callback(Generators(model, foreign=own_code).restore)
        yield


def _make_ready(model: nn.Module, undo: ExitStack) -> bool:
    """Set every module as a run needs it; whether code of others than the known libraries may run.

    This is gone through at each run, and on a small network costs as much as that: so it reads
    `__dict__`, which `nn.Module` looks up in slow ways of its own, and asks each module everything
    at once.
    """
    own_code = _hooked_everywhere()
    cuda = torch.cuda.is_initialized()
    modules, seen = [model], {model}
    # The list grows while it is gone through: `model.modules()`, several times faster.
    for module in modules:
        own = module.__dict__
        # A hook, or a `forward` put on the object, is somebody's own function.
        own_code = (
            own_code or own["_forward_hooks"] or own["_forward_pre_hooks"] or "forward" in own
        )
        if own.get("training") or "grad_checkpointing" in own or "gradient_checkpointing" in own:
            _switch_off(own, undo)
        if own["_buffers"] and not isinstance(module, _KEEP_BUFFERS):
            undo.callback(_restore_buffers, module, _buffers_of(module))
        if own.get("_compiled_call_impl") is not None:
            # Hooks do not fire in compiled code.
            undo.enter_context(torch.compiler.set_stance("force_eager"))
        if cuda and isinstance(module, nn.RNNBase):
            # cuDNN keeps nothing for the way back in eval mode, and says so only there.
            undo.enter_context(torch.backends.cudnn.flags(enabled=False))
        if children := own["_modules"]:
            for child in children.values():
                if child is not None and child not in seen:
                    seen.add(child)
                    modules.append(child)
    return bool(own_code) or any(
        not kind.__module__.startswith(_DRAW_FROM_TORCH) for kind in set(map(type, modules))
    )


def _hooked_everywhere() -> bool:
    return bool(
        nn.modules.module._global_forward_hooks or nn.modules.module._global_forward_pre_hooks
    )


def _restore_modes(recording: bool, depth: int) -> None:
    """Whether recording is on, and how many modes were entered."""
    # More of them are left where an interrupt (Ctrl-C) struck while one was being left.
    while torch._C._len_torch_function_stack() > depth:
        torch._C._pop_torch_function_stack()
    torch.set_grad_enabled(recording)


def _switch_off(own: dict[str, Any], undo: ExitStack) -> None:
    """In `__dict__`: `module.eval()` may be overridden, and would set the children's flags, too."""
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
        # Every write in place counts the version up; what was not written need not be copied.
        if buffer._version != version:
            with torch.no_grad():
                buffer.copy_(values)
