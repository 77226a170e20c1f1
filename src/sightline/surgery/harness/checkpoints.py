"""Models that compute parts of themselves again on the way back, by `torch.utils.checkpoint`."""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import nn
from torch.utils.checkpoint import CheckpointFunction

from sightline.errors import SurgeryError

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

_FORBIDDEN = "saved tensors are hooked: run with the weights as they are"


def unless_checkpointed(lean: Callable[[], Result], plain: Callable[[], Result]) -> Result:
    """What `lean` gives; where it comes upon a checkpoint, what `plain` gives.

    A checkpoint compares what was kept with what it computes again, and that it does with the
    weights themselves: whoever runs a model with other tensors in their place has to let it be.
    Checkpoints are known by the hooks they put on saved tensors.
    """
    try:
        with torch.autograd.graph.disable_saved_tensors_hooks(_FORBIDDEN):
            return lean()
    except RuntimeError as error:
        if _FORBIDDEN not in str(error):
            raise
        logger.debug("running again as the model is: %s", _FORBIDDEN)
    return plain()


@contextmanager
def reentrant_refused(model: nn.Module) -> Iterator[None]:
    """A way back that says what to do where it ends at a checkpoint of the old kind."""
    try:
        yield
    except RuntimeError as error:
        if "use_reentrant" not in str(error):
            raise
        raise reentrant(model) from error


def reentrant(model: nn.Module) -> SurgeryError:
    """The error for a checkpoint of the old kind, through which no derivative can be asked for."""
    return SurgeryError(
        f"Expected checkpoints that can be looked back through; {type(model).__name__} calls"
        " torch.utils.checkpoint with use_reentrant=True. Pass use_reentrant=False there: the"
        " numbers are the same."
    )


def inside_reentrant() -> bool:
    """Whether what runs now is inside a checkpoint of the old kind: no graph leads out of it.

    >>> from torch.utils.checkpoint import checkpoint
    >>> x = torch.ones(1, requires_grad=True)
    >>> [
    ...     checkpoint(lambda _: torch.tensor(inside_reentrant()), x, use_reentrant=old).item()
    ...     for old in (True, False)
    ... ]
    [True, False]
    """
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code is _FORWARD:
            return True
        frame = frame.f_back  # type: ignore[assignment]  # None behind the first
    return False


_FORWARD = CheckpointFunction.forward.__code__
