"""Forward hooks for the time of a block, which hear the thread that put them there and no other."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import nn

Hook = Callable[..., Any]


@contextmanager
def hooked(hooks: Iterable[tuple[nn.Module, Hook]], *, before: bool = False) -> Iterator[None]:
    """Each module with its forward hook; with `before`, a hook on what the module is given.

    >>> import torch
    >>> net, shapes = nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), []
    >>> with hooked((one, lambda _, args, out: shapes.append(tuple(out.shape))) for one in net):
    ...     _ = net(torch.ones(3, 2, 2))
    >>> _ = net(torch.ones(3, 2, 2))
    >>> shapes
    [(3, 4), (3, 2)]
    """
    handles = []
    try:
        for module, hook in hooks:
            register = module.register_forward_pre_hook if before else module.register_forward_hook
            handles.append(register(on_this_thread(hook)))
        yield
    finally:
        for handle in handles:
            handle.remove()


def on_this_thread(hook: Hook) -> Hook:
    """The hook for runs on the thread that is on now.

    Hooks belong to the module, which threads share: somebody else's forward on the same model goes
    by unheard and unchanged.
    """
    return partial(_unless_elsewhere, threading.get_ident(), hook)


def _unless_elsewhere(thread: int, hook: Hook, /, *args: Any, **kwargs: Any) -> Any:
    return hook(*args, **kwargs) if threading.get_ident() == thread else None
