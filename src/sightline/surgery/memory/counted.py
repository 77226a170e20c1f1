"""What of a module counts where a place is concerned: its settings and some of its buffers."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from sightline.surgery.memory.code_of import is_library

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")

MADE_BY_TORCH = frozenset(nn.Module().__dict__) | {"grad_checkpointing", "gradient_checkpointing"}
"""What each module has: its flags, which a run sets itself, its tables, which are read apart."""

_OF_THE_WEIGHTS = frozenset(
    {"_name_or_path", "name_or_path", "_commit_hash", "default_cfg", "pretrained_cfg"}
)
"""Under these names timm and transformers say where weights came from."""

WEIGHTS = frozenset({"weight", "bias", "running_mean", "running_var", "num_batches_tracked"})
"""Buffers of these names are weights that are not trained, or counted while they are."""


def shape_of(weight: Tensor) -> tuple[int, ...] | None:
    """Its shape; None for one that has none yet, in a layer that is finished at its first run.

    >>> shape_of(torch.zeros(2, 3)), shape_of(nn.LazyLinear(2).weight)
    ((2, 3), None)
    """
    return None if is_lazy(weight) else tuple(weight.shape)


def settings_of(own: Mapping[str, Any], kind: type) -> dict[str, Any]:
    """What an object goes by, of all that it holds.

    >>> sorted(settings_of(vars(nn.Dropout(0.5)), nn.Dropout))
    ['inplace', 'p']
    """
    left_out = MADE_BY_TORCH | _OF_THE_WEIGHTS if is_library(kind.__module__) else MADE_BY_TORCH
    return {name: value for name, value in own.items() if name not in left_out}


def counts(module: nn.Module, name: str, buffer: Tensor) -> bool:
    """Whether the numbers of a buffer may say where something lies.

    Whole numbers do (a table of positions), floats of somebody's own may (a grid to sample at);
    those of PyTorch's modules and what is named as in a norm are weights by another name.

    >>> norm = nn.BatchNorm2d(2)
    >>> [counts(norm, name, one) for name, one in norm.named_buffers()]
    [False, False, False]
    """
    if name in WEIGHTS:
        return False
    if buffer.is_floating_point() or buffer.dtype in (torch.complex64, torch.complex128):
        return not type(module).__module__.startswith("torch.")
    return True
