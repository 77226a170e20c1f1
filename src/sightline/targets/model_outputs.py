"""What a model returned: which of its parts is meant, the logits, and what they say."""

from collections.abc import Mapping, Sized
from typing import Any

import torch
from torch import Tensor

from sightline.errors import TargetError
from sightline.targets.reading import Kind
from sightline.tensors import without_graph

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


_MOST_NODES = 64
_FEWEST_OF_UNIT = 16


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
    return class_rows(outputs)[0]


def class_rows(
    outputs: Any, classes: Sized | None = None, images: int | None = None
) -> tuple[Tensor, str | None]:
    """The scores `[b, classes]` in what a model returned, and why these among several.

    Those with as many columns as there are names, else those under a telling name, else those that
    were made from the others, else the first. Of so many `images` a single one may have lost its
    axis: `.squeeze()` takes it away.

    >>> features, head = torch.ones(2, 8, requires_grad=True) * 2, torch.nn.Linear(8, 3)
    >>> rows, why = class_rows((features, head(features)))
    >>> rows.shape, why is None
    (torch.Size([2, 3]), False)
    """
    tensors = [
        one
        for one in candidates(outputs, "logits")
        if isinstance(one, Tensor) and one.is_floating_point()
    ]
    rows = [found for one in tensors if (found := _rows(one, images)) is not None]
    if len(rows) == 1 or (rows and named_parts(outputs, "logits")):
        return rows[0], None
    if rows:
        return _among(rows, classes)
    if len(tensors) == 1 and tensors[0].ndim == 1:
        return tensors[0].unsqueeze(1), None
    if (why := without_graph(outputs)) is not None:
        raise TargetError(
            f"Expected a classifier's outputs, a float tensor [images, classes]; the model returned"
            f" {why}, and nothing leads back from there. Return the scores that these were made"
            " from; or show it pictures only, with a function of the outputs that gives a float"
            " tensor of one number an image: method='rise', target=lambda out: ..."
        )
    seen = [tuple(t.shape) for t in tensors] or type(outputs).__name__
    raise TargetError(
        "Expected a classifier's outputs, a float tensor [images, classes]; the model returned"
        f" {seen}. {_other_questions(outputs, tensors)}Say what to explain with a function of the"
        " outputs that gives one score an image: target=lambda out: out[...]."
    )


def _rows(tensor: Tensor, images: int | None) -> Tensor | None:
    """A tensor as `[b, classes]`, if it can be one."""
    if tensor.ndim == 2:
        return tensor
    if images == 1 and tensor.ndim < 2 and tensor.numel():
        return tensor.reshape(1, -1)  # squeezed
    if tensor.ndim == 1 and images is not None and len(tensor) == images:
        return tensor.unsqueeze(1)
    if tensor.ndim > 2 and tensor.shape[2:].numel() == 1:
        return tensor.flatten(1)
    return None


def embedding_by(outputs: Any, rows: Tensor) -> str | None:
    """By what rows `[b, d]` are known to be an embedding; None where nothing says so.

    >>> from types import SimpleNamespace
    >>> pooled = torch.zeros(2, 8)
    >>> embedding_by(SimpleNamespace(pooler_output=pooled), pooled)
    'their name is pooler_output'
    """
    if not isinstance(outputs, Tensor) and not named_parts(outputs, "logits"):
        named = held(outputs)
        for name in NAMES["embedding"]:
            if named.get(name) is rows:
                return f"their name is {name}"
    values = rows.detach()
    if rows.shape[1] < _FEWEST_OF_UNIT or not bool(values.min() < 0):
        return None
    lengths = values.float().norm(dim=1)
    return "each row has the length 1" if bool(((lengths - 1).abs() < 1e-3).all()) else None


def _among(rows: list[Tensor], classes: Sized | None) -> tuple[Tensor, str | None]:
    """The scores of classes among several outputs with a row for each image, and why these."""
    shapes = ", ".join(str(list(one.shape)) for one in rows)
    fitting = [] if classes is None else [one for one in rows if one.shape[1] == len(classes)]
    made = [one for one in rows if any(_comes_from(one, other) for other in rows)]
    best = (fitting or made or rows)[0]
    if len(fitting) == 1:
        return best, None
    why = "they were made from the others" if made and not fitting else "they come first"
    return best, (
        f"the model returned several outputs with a row for each image ({shapes}); the classes are"
        f" taken to be in {list(best.shape)}, since {why}: classes=[names] or"
        " target=sightline.targets.Output(1, ...) says which are meant"
    )


def _comes_from(one: Tensor, other: Tensor) -> bool:
    """Whether one output was made from another; as far as the graph between them is short."""
    if one is other or other.grad_fn is None:
        return False
    stack, seen = [one.grad_fn], set[Any]()
    while stack and len(seen) < _MOST_NODES:
        node = stack.pop()
        if node is other.grad_fn:
            return True
        if node is not None and node not in seen:
            seen.add(node)
            stack.extend(before for before, _ in node.next_functions)
    return False


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
