"""The logits in whatever a classifier returns, and what they say."""

from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from sightline.errors import TargetError

Kind = Literal["softmax", "sigmoid"]


def logits(outputs: Any) -> Tensor:
    """The scores `[b, classes]` in a model's outputs: a tensor, or a tuple, mapping or dataclass
    that holds one.

    A mapping's `logits` come first; else the first float tensor with two axes. A tensor `[b]` is
    one logit an image.

    >>> logits({"loss": torch.tensor(0.5), "logits": torch.zeros(2, 3)}).shape
    torch.Size([2, 3])
    """
    if isinstance(outputs, Tensor):
        found = [outputs]
    elif isinstance(outputs, Mapping):
        found = [outputs["logits"]] if "logits" in outputs else list(outputs.values())
    elif isinstance(outputs, tuple | list):
        found = list(outputs)
    elif is_dataclass(outputs):
        found = [outputs.logits] if hasattr(outputs, "logits") else list(vars(outputs).values())
    else:
        found = []
    tensors = [t for t in found if isinstance(t, Tensor) and t.is_floating_point()]
    for tensor in tensors:
        if tensor.ndim == 2:
            return tensor
    if len(tensors) == 1 and tensors[0].ndim == 1:
        return tensors[0].unsqueeze(1)
    seen = [tuple(t.shape) for t in tensors] or type(outputs).__name__
    raise TargetError(
        "Expected a classifier's outputs, a float tensor [images, classes]; the model returned"
        f" {seen}. Say what to explain with a function of the outputs that gives one score an"
        " image: target=lambda out: out[...]."
    )


def probabilities(scores: Tensor, kind: Kind) -> Tensor:
    """Confidence of each class `[b, classes]`, at least float32: softmax; sigmoid for multi-label
    and single logits.
    """
    scores = scores.detach().to(torch.promote_types(scores.dtype, torch.float32))
    if kind == "sigmoid" or scores.shape[1] == 1:
        return scores.sigmoid()
    return scores.softmax(1)


def look_like_probabilities(scores: Tensor) -> bool:
    """Whether rows are non-negative and sum to one, as after a softmax; then they are no logits."""
    if (
        scores.shape[1] < 2 or not scores.detach().min() >= 0
    ):  # most logits go no further; nan is not
        return False
    return all(abs(one - 1) < 1e-3 for one in scores.detach().float().sum(1).tolist())
