"""Weights into a model: all of them or none, and a message that says what does not fit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from sightline.errors import ModelError
from sightline.models.checkpoint import read_weights, without_prefix


def load_weights(model: nn.Module, path: str | Path) -> None:
    """Load the weights in a local file into the model, in place; every name and shape must agree.

    Nothing is loaded when something does not fit, or when a weight is NaN or infinite: a
    `ModelError` says what. The file is read as `read_weights` says. The model keeps its dtype and
    device.

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "weights.pth"
    >>> torch.save({"weight": torch.full((1, 1), 2.0), "bias": torch.zeros(1)}, file)
    >>> model = nn.Linear(1, 1)
    >>> load_weights(model, file)
    >>> model(torch.tensor([[3.0]])).item()
    6.0
    """
    weights = read_weights(path, strip=False)
    if misfit(model, weights):
        weights = without_prefix(weights)
    fit(model, weights, Path(path).name)


def fit(model: nn.Module, weights: Mapping[str, Tensor], name: str) -> None:
    """`load_weights` for weights already read; `name` is what the message calls them."""
    if found := misfit(model, weights):
        raise ModelError(f"'{name}' does not fit {type(model).__name__}: {found}")
    if bad := next((key for key, tensor in weights.items() if not _finite(tensor)), None):
        raise ModelError(
            f"expected finite weights, but '{bad}' in '{name}' holds NaN or infinity: training"
            " diverged, or a number was too large for half precision. Take an earlier checkpoint,"
            " or save it as float32."
        )
    model.load_state_dict(
        dict(weights), strict=False
    )  # compared above; what a wrapper adds to its state may be absent


def misfit(model: nn.Module, weights: Mapping[str, Tensor]) -> str:
    """What keeps the weights from fitting the model, in words; empty when they fit.

    A missing `num_batches_tracked` is no misfit: batch normalisation counts in it while training,
    and files from before PyTorch 0.4.1 do not have it.

    >>> misfit(nn.Linear(2, 3, bias=False), {"weight": torch.zeros(4, 2)})
    'of another shape: weight (file 4x2, model 3x2). Is the number of classes right? ...'
    """
    wanted = {
        key: tensor for key, tensor in model.state_dict().items() if isinstance(tensor, Tensor)
    }
    missing = [
        key for key in wanted if key not in weights and not key.endswith("num_batches_tracked")
    ]
    unexpected = [key for key in weights if key not in wanted]
    shapes = [
        f"{key} (file {_shape(weights[key])}, model {_shape(wanted[key])})"
        for key in wanted
        if key in weights and weights[key].shape != wanted[key].shape
    ]
    parts = [("missing", missing), ("not expected", unexpected), ("of another shape", shapes)]
    listed = "; ".join(f"{word}: {_first(names)}" for word, names in parts if names)
    if not listed:
        return ""
    if missing or unexpected:
        return f"{listed}. Is this the right architecture? Check the model's name and its options."
    return (
        f"{listed}. Is the number of classes right? Build the model with as many as the file has."
    )


def _first(names: list[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _shape(tensor: Tensor) -> str:
    return "x".join(str(size) for size in tensor.shape) or "one number"


def _finite(tensor: Tensor) -> bool:
    return not tensor.is_floating_point() or bool(torch.isfinite(tensor).all())
