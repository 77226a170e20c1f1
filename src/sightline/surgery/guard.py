"""Leave no trace: whatever happens inside, the model comes out as it went in.

Nothing here is patched process-wide. What a run of the model could change is written down, set as the run
needs it, and put back in `finally`: each sub-module's own `training` flag, checkpointing switches, buffers
that an eval-mode forward might write, and the states of the random generators.
"""

import random
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

LOCK = threading.RLock()
"""One run at a time in the surgery room. Hooks and flags belong to the model, which threads share."""

_SWITCHES = ("training", "grad_checkpointing", "gradient_checkpointing")
_QUIET = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm)  # eval mode leaves their buffers alone


@contextmanager
def untouched(model: nn.Module) -> Iterator[None]:
    """Run the model in eval mode inside, alone, and give it back bit-equal: flags, buffers, random states."""
    with LOCK, ExitStack() as undo:
        undo.callback(_restore_generators, _generators(model))
        cuda, parts, seen = torch.cuda.is_initialized(), [model], {id(model)}
        for module in parts:  # grows while it is gone through: `model.modules()`, several times faster
            own = module.__dict__
            if own.get("training") or "grad_checkpointing" in own or "gradient_checkpointing" in own:
                _switch_off(own, undo)
            if own["_buffers"] and not isinstance(module, _QUIET):
                undo.callback(_restore_buffers, module, _buffers_of(module))
            if own.get("_compiled_call_impl") is not None:
                undo.enter_context(torch.compiler.set_stance("force_eager"))  # hooks do not fire in compiled code
            if cuda and isinstance(module, nn.RNNBase):
                undo.enter_context(torch.backends.cudnn.flags(enabled=False))  # cuDNN cannot look back in eval mode
            for child in own["_modules"].values():
                if child is not None and id(child) not in seen:
                    seen.add(id(child))
                    parts.append(child)
        yield


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


def _restore_buffers(module: nn.Module, before: dict[str, tuple[Tensor, int, Tensor] | None]) -> None:
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


def _generators(model: nn.Module) -> tuple[Any, ...]:
    """The states of every generator that a forward pass could draw from."""
    cuda = {}
    if torch.cuda.is_initialized():
        devices = {weight.device for weight in model.parameters()}
        cuda = {device: torch.cuda.get_rng_state(device) for device in devices if device.type == "cuda"}
    return torch.get_rng_state(), cuda, random.getstate(), np.random.get_state()


def _restore_generators(states: tuple[Any, ...]) -> None:
    own, cuda, python, numpy = states
    torch.set_rng_state(own)
    for device, state in cuda.items():
        torch.cuda.set_rng_state(state, device)
    random.setstate(python)
    np.random.set_state(numpy)
