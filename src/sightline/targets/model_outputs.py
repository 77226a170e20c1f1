"""What a model returned: which of its parts is meant, the logits, and what they say."""

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor

from sightline.errors import TargetError

Kind = Literal["softmax", "sigmoid", "value"]
"""What outputs are: scores that become probabilities in one of two ways, or quantities."""

NAMES = {
    "logits": ("logits",),
    "class maps": ("out", "logits"),
    "embedding": ("image_embeds", "pooler_output", "embedding", "embeddings"),
    "query logits": ("logits", "pred_logits"),
    "query boxes": ("pred_boxes",),
    "query classes": ("class_queries_logits",),
    "query masks": ("masks_queries_logits",),
}
"""What the parts of outputs are called (torchvision, transformers, DETR), the likeliest first."""


def held(outputs: Any) -> Mapping[str, Any]:
    """The parts of outputs that have a name: a mapping itself, else an object's attributes."""
    return outputs if isinstance(outputs, Mapping) else getattr(outputs, "__dict__", {})


def named_parts(outputs: Any, kind: str) -> list[Any]:
    """The parts that are called as this kind is, the likeliest first.

    >>> named_parts({"pred_logits": 1, "pred_boxes": 2}, "query boxes")
    [2]
    """
    if isinstance(outputs, Mapping):
        return [outputs[name] for name in NAMES[kind] if name in outputs]
    return [getattr(outputs, name) for name in NAMES[kind] if hasattr(outputs, name)]


def candidates(outputs: Any, kind: str) -> list[Any]:
    """What may be meant: a tensor itself, else what has the name, else every part in its order.

    >>> candidates({"loss": 0.5, "logits": 1.0}, "logits"), candidates((3, 4), "logits")
    ([1.0], [3, 4])
    """
    if isinstance(outputs, Tensor):
        return [outputs]
    if isinstance(outputs, tuple | list):
        return list(outputs)
    return named_parts(outputs, kind) or list(held(outputs).values())


def logits(outputs: Any) -> Tensor:
    """The scores `[b, classes]` in a model's outputs: a tensor, or what holds one.

    In a tuple, mapping or dataclass `logits` come first; else the first float tensor with two axes.
    A tensor `[b]` is one logit an image.

    >>> logits({"loss": torch.tensor(0.5), "logits": torch.zeros(2, 3)}).shape
    torch.Size([2, 3])
    """
    found = candidates(outputs, "logits")
    tensors = [t for t in found if isinstance(t, Tensor) and t.is_floating_point()]
    for tensor in tensors:
        if tensor.ndim == 2:
            return tensor
    if len(tensors) == 1 and tensors[0].ndim == 1:
        return tensors[0].unsqueeze(1)
    seen = [tuple(t.shape) for t in tensors] or type(outputs).__name__
    raise TargetError(
        "Expected a classifier's outputs, a float tensor [images, classes]; the model returned"
        f" {seen}. {_other_questions(outputs, tensors)}Say what to explain with a function of the"
        " outputs that gives one score an image: target=lambda out: out[...]."
    )


def _other_questions(outputs: Any, tensors: list[Tensor]) -> str:
    """Which targets such outputs can answer, for the end of a message."""
    if named_parts(outputs, "query boxes") or (
        isinstance(outputs, list) and any(isinstance(one, Mapping) for one in outputs)
    ):
        return "Ask a detector for a box: target=sightline.Box(). "
    if any(tensor.ndim >= 4 for tensor in tensors):
        return (
            "If these are scores of classes at every place, ask for a class where it is predicted,"
            " target=sightline.Region(1), or for a place, Region(None, where=(x, y)); if they are"
            " features, Similarity(vector) compares and Neuron(channel) takes one of them. "
        )
    return ""


def two_rows(logit: Tensor, dim: int = 1) -> Tensor:
    """A single logit as the scores of two classes along `dim`: against (0) and for (1).

    >>> two_rows(torch.tensor([[2.0]]))
    tensor([[-2.,  2.]])
    """
    return torch.cat([-logit, logit], dim)


def probabilities(scores: Tensor, kind: Kind) -> Tensor:
    """Confidence of each class `[b, classes]`, at least float32.

    By softmax; by sigmoid for multi-label models and single logits.
    """
    scores = scores.detach().to(torch.promote_types(scores.dtype, torch.float32))
    if kind == "sigmoid" or scores.shape[1] == 1:
        return scores.sigmoid()
    return scores.softmax(1)


def look_like_probabilities(scores: Tensor) -> bool:
    """Whether rows are non-negative and sum to one, as after a softmax; then they are no logits."""
    # most logits have a negative number and go no further; nan is not >= 0 either
    if scores.shape[1] < 2 or not scores.detach().min() >= 0:
        return False
    return all(abs(one - 1) < 1e-3 for one in scores.detach().float().sum(1).tolist())
