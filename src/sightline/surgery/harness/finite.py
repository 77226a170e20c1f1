"""Where numbers stop being numbers: the first layer whose output is not finite."""

from typing import Any

import torch
from torch import nn

from sightline.surgery.harness import guard
from sightline.surgery.harness.given import Given
from sightline.surgery.harness.hooks import hooked
from sightline.surgery.harness.model_io import tensors_in


def first_nonfinite(model: nn.Module, inputs: Any) -> str | None:
    """The name of the first layer that turns numbers into NaN or infinity; None if none does.

    >>> class Root(nn.Module):
    ...     def forward(self, x):
    ...         return x.sqrt()
    >>> first_nonfinite(nn.Sequential(nn.Identity(), Root()), torch.tensor([[-1.0]]))
    '1'
    """
    given = Given.of(model, inputs)
    if not all(bool(torch.isfinite(t).all()) for t in given.tensors):
        return "the input itself"
    found: list[str] = []
    checks = (
        (module, _check(name or type(module).__name__, found))
        for name, module in given.model.named_modules()
    )
    with guard.untouched(given.model), torch.no_grad(), hooked(checks):
        given.run()
    return found[0] if found else None


def _check(name: str, found: list[str]) -> Any:
    def hook(module: nn.Module, args: Any, output: Any) -> None:
        floats = (t for t in tensors_in(output) if t.is_floating_point())
        if not found and any(not bool(torch.isfinite(t).all()) for t in floats):
            found.append(name)

    return hook
