"""Leave no trace: whatever happens inside, the model comes out as it went in.

Nothing here is patched process-wide. What a run of the model could change is written down, set as
the run needs it, and put back in `finally`: each sub-module's own `training` flag, checkpointing
switches, attributes and buffers that a forward might write (`attributes.py` says how much of them),
and the states of the random generators.

It is done at every run. Where all modules are PyTorch's own and nothing is hooked, nothing but
flags and a few buffers can change, and no more is looked at.
"""

import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

from sightline.surgery.harness.attributes import Attributes, Left, leave
from sightline.surgery.harness.rng_state import Generators
from sightline.tensors import allow_grad

LOCK = threading.RLock()
"""One run at a time in the surgery room.

Hooks and flags belong to the model, which threads share.
"""

_SWITCHES = ("training", "grad_checkpointing", "gradient_checkpointing")
_KEEP_BUFFERS = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm)
"""Modules that leave their buffers alone in eval mode."""

_PLAIN = "torch.nn.modules."
"""Of the kinds in here none writes an attribute when it runs."""

_DRAW_FROM_TORCH = ("torch.", "torchvision.", "timm.", "sightline.")
"""Libraries whose modules draw random numbers from PyTorch's generators only.

Code of others may use NumPy's, and run a norm that it holds in other modes.
"""


@contextmanager
def untouched(model: nn.Module, left: Iterable[Left] = ()) -> Iterator[list[Left]]:
    """Run the model in eval mode inside, alone, and give it back bit-equal.

    Flags, buffers, attributes and the states of the random generators are as before. What is made
    inside can be part of a graph, also when the caller is in inference mode; whether recording is
    on is the caller's choice again afterwards.

    It gives a list, which holds afterwards what the run left in attributes. With `left` from an
    earlier run these are there inside: for parts of the model that run once more on the way back,
    and for targets that read what the model keeps.

    >>> class Keeps(nn.Module):
    ...     def forward(self, x):
    ...         self.features = x
    ...         return x
    >>> net = Keeps()
    >>> with untouched(net) as left:
    ...     _ = net(torch.ones(1))
    >>> hasattr(net, "features")
    False
    >>> with untouched(net, left):
    ...     net.features
    tensor([1.])
    """
    with LOCK, allow_grad(), ExitStack() as undo:
        # First in is last out: whatever the other callbacks do, the caller's modes come back.
        undo.callback(_restore_modes, torch.is_grad_enabled(), torch._C._len_torch_function_stack())
        attributes = Attributes()
        undo.callback(attributes.restore)
        own_code = _make_ready(model, attributes, undo)
        undo.callback(Generators(model, foreign=own_code).restore)
        leave(left)
        yield attributes.left


@contextmanager
def as_left(left: Iterable[Left]) -> Iterator[None]:
    """Inside, the model's attributes are as a run left them: a target may read what it keeps."""
    with LOCK, ExitStack() as undo:
        for module, _, run in left:
            undo.callback(object.__setattr__, module, "__dict__", module.__dict__)
            object.__setattr__(module, "__dict__", run)
        yield


def _make_ready(model: nn.Module, attributes: Attributes, undo: ExitStack) -> bool:
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
        if own.get("_compiled_call_impl") is not None or _is_compiled(own.get("forward")):
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
    kinds = set(map(type, modules))
    if any(_is_compiled(getattr(kind, "forward", None)) for kind in kinds):
        undo.enter_context(torch.compiler.set_stance("force_eager"))
    own_code = bool(own_code) or any(
        not kind.__module__.startswith(_DRAW_FROM_TORCH) for kind in kinds
    )
    plain = {kind for kind in kinds if kind.__module__.startswith(_PLAIN)}
    if own_code:
        # It may write anything anywhere, and run a norm of its own in another mode.
        attributes.copy(modules, plain)
    elif len(plain) < len(kinds):
        norms = {kind for kind in kinds if issubclass(kind, _KEEP_BUFFERS)}
        others = [one for one in modules if type(one) not in plain]
        attributes.copy(others, plain, norms, weights=False)
    return own_code


def _is_compiled(forward: Any) -> bool:
    """Whether a `forward` is what `torch.compile` made of one: on the object, or as a decorator."""
    return hasattr(forward, "_torchdynamo_orig_callable")


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
