"""Where things are in a model: its wrapper, its head, a child counted from the end."""

from __future__ import annotations

from torch import nn


def unwrap(model: nn.Module) -> nn.Module:
    """The model inside DataParallel, DistributedDataParallel, torch.compile and the like.

    A wrapper is a module with one child, and that is called `module` or `_orig_mod`.

    >>> type(unwrap(nn.DataParallel(nn.Linear(2, 3)))).__name__
    'Linear'
    """
    while (children := model._modules) and len(children) == 1:
        name, inner = next(iter(children.items()))
        if inner is None or name not in ("module", "_orig_mod"):
            break
        model = inner
    return model


def head(model: nn.Module) -> tuple[str, nn.Module] | None:
    """The last linear or convolutional layer in the order of listing: the head of most classifiers.

    >>> head(nn.Sequential(nn.Conv2d(3, 8, 3), nn.Linear(8, 10), nn.Dropout()))
    ('1', Linear(in_features=8, out_features=10, bias=True))
    """
    for name, child in reversed(model._modules.items()):
        if isinstance(child, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d):
            return name, child
        if child is not None and (found := head(child)):
            return f"{name}.{found[0]}", found[1]
    return None


def width(layer: object) -> int | None:
    """How many outputs a linear or convolutional layer has; None for anything else.

    >>> width(nn.Linear(8, 10)), width(nn.Conv2d(3, 16, 1)), width(nn.Identity())
    (10, 16, None)
    """
    if isinstance(layer, nn.Linear):
        return layer.out_features
    if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Conv3d):
        return layer.out_channels
    return None


def module_name(model: nn.Module, path: str) -> str | None:
    """The name of the sub-module at a path; -1, -2, ... count from the end; None if absent.

    >>> module_name(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.MaxPool2d(2)), "-2")
    '1'
    """
    names: list[str] = []
    for step in path.split("."):
        children = model._modules
        name = step
        if step.startswith("-"):
            if len(children) < int(step[1:]):
                return None
            name = list(children)[int(step)]
        inner = children.get(name)
        if inner is None:
            return None
        names.append(name)
        model = inner
    return ".".join(names)
