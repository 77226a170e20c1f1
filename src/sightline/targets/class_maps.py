"""What a segmentation network returned: scores of every class at every place."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from sightline.errors import TargetError
from sightline.targets.model_outputs import candidates, held, named_parts
from sightline.tensors import at_least_float32

_MODES = {1: "linear", 2: "bilinear", 3: "trilinear"}
_COARSEST = 8
"""Segmenters answer at an eighth of the picture's resolution or better, feature maps mostly not."""
_FEATURES = 32
"""Layers have a multiple of so many channels; of two times as many and more they are no classes."""


def dense(outputs: Any) -> Tensor:
    """Scores of every class at every place, `[b, k, *s]`, in what a segmentation network returns.

    `out` or `logits` first, else the first float tensor with four axes or more. MaskFormer and its
    kind answer with queries: a query's class probabilities times its mask, summed over the queries,
    are the scores then.

    >>> dense({"aux": torch.zeros(1, 2, 4, 4), "out": torch.ones(1, 2, 4, 4)}).max()
    tensor(1.)
    """
    if (queries := _of_queries(outputs)) is not None:
        return queries
    for one in _parts(outputs):
        if isinstance(one, Tensor) and _is_dense(one):
            return one
    seen = [tuple(one.shape) for one in _parts(outputs) if isinstance(one, Tensor)]
    raise TargetError(
        "Expected a segmentation network's outputs, [images, classes, height, width]; the model"
        f" returned {seen or type(outputs).__name__}. A classifier is asked by class: target=3;"
        " anything else by a function of the outputs: target=lambda out: ..."
    )


def class_maps(outputs: Any) -> Tensor:
    """The same, where a single channel stands for two classes, as one logit of a classifier does.

    Class 1 is the channel, class 0 its negative. Of probabilities that is their logit, so that a
    half divides the classes.

    >>> class_maps(torch.tensor([[[[2.0, -1.0]]]])).tolist()
    [[[[-2.0, 1.0]], [[2.0, -1.0]]]]
    >>> class_maps(torch.tensor([[[[0.5, 0.5]]]])).abs().max()
    tensor(0.)
    """
    maps = dense(outputs)
    if maps.shape[1] != 1 or _of_queries(outputs) is not None:
        return maps
    if are_probabilities(maps):
        maps = at_least_float32(maps)
        ends = torch.finfo(maps.dtype)
        maps = torch.logit(maps.clamp(ends.tiny, 1 - ends.eps / 2))
    return torch.cat([-maps, maps], 1)


def enlarged(maps: Tensor, size: Sequence[int] | None) -> Tensor:
    """The scores on another grid, linearly between pixel centres.

    They stay as they are where no size is known.
    """
    if size is None or tuple(size) == tuple(maps.shape[2:]):
        return maps
    return F.interpolate(maps, size=tuple(size), mode=_MODES[len(size)], align_corners=False)


def is_segmentation(
    outputs: Any, size: Sequence[int] | None = None, classes: Sequence[str] | None = None
) -> bool:
    """Whether outputs are plainly a segmentation network's, so that a class of them means a region.

    Where there are rows of a classifier, too, they are not. What is called `out` or `logits` is
    one; a tensor without a name if it can be: feature maps lie on a coarser grid, or have the
    channels of a layer, and what comes out of a ReLU, as depths do, is no score of a class. So many
    names as there are channels settle it.

    >>> is_segmentation(torch.randn(1, 3, 32, 32), (32, 32))
    True
    >>> is_segmentation(torch.randn(1, 512, 7, 7), (224, 224))
    False
    """
    if _of_queries(outputs) is not None:
        return True
    if any(isinstance(one, Tensor) and one.ndim == 2 for one in candidates(outputs, "logits")):
        return False
    if any(_is_dense(one) for one in named_parts(outputs, "class maps")):
        return True
    found = next((one for one in _parts(outputs) if _is_dense(one)), None)
    if found is None or "last_hidden_state" in held(outputs) or math.prod(found.shape[2:]) == 1:
        return False
    channels, grid = found.shape[1], found.shape[2:]
    if classes is not None and len(classes) == max(2, channels):
        return True
    coarse = size is not None and any(
        _COARSEST * own < side for own, side in zip(grid, size, strict=False)
    )
    features = channels >= 2 * _FEATURES and channels % _FEATURES == 0
    return not (coarse or features or _rectified(found))


def _rectified(maps: Tensor) -> bool:
    """Whether maps come out of a ReLU, or are a single one that is positive everywhere."""
    if (end := _made_by(maps)) is not None and end.startswith(_RECTIFIERS):
        return True
    values = maps.detach()
    return maps.shape[1] == 1 and bool(values.min() >= 0) and bool(values.max() > 1)


def maps_beside(outputs: Any, size: Sequence[int] | None = None) -> list[int] | None:
    """The shape of class maps that a model returned beside a classifier's rows, if there are any.

    >>> maps_beside((torch.randn(1, 3, 32, 32), torch.zeros(1, 4)))
    [1, 3, 32, 32]
    """
    if isinstance(outputs, Tensor):
        return None
    found = (one for one in _parts(outputs) if _is_dense(one) and is_segmentation(one, size))
    return next((list(one.shape) for one in found), None)


def are_probabilities(maps: Tensor) -> bool:
    """Whether a channel holds probabilities: all in [0, 1], and no layer's own numbers.

    Those can lie there by chance, and the graph, where there is one, says whose they are.

    >>> are_probabilities(torch.tensor([[[[0.0, 0.75]]]]))
    True
    >>> are_probabilities(torch.nn.Conv2d(1, 1, 1)(torch.zeros(1, 1, 2, 2)))
    False
    """
    values = maps.detach()
    if not values.numel() or not bool(values.min() >= 0) or not bool(values.max() <= 1):
        return False
    end = _made_by(maps)
    return end is None or not end.startswith(_LAYERS)


def _made_by(maps: Tensor) -> str | None:
    """The operator that made these numbers, behind any that hand them on; None: no graph."""
    node = maps.grad_fn
    while node is not None and node.name().startswith(_HAND_ON):
        node = node.next_functions[0][0]
    return None if node is None else node.name()


_HAND_ON = (
    "View", "ReshapeAlias", "UnsafeView", "Squeeze", "Unsqueeze", "Clone", "Alias", "ToCopy",
    "Upsample", "Slice", "Select", "Index", "Expand", "Permute", "Transpose",
)  # fmt: skip
"""Operators behind which the numbers are the same, or means of them."""
_LAYERS = (
    "Convolution", "SlowConv", "Mkldnn", "Addmm", "Mm", "Bmm", "NativeBatchNorm", "CudnnBatchNorm",
)  # fmt: skip
"""Operators that make scores."""
_RECTIFIERS = ("Relu", "Threshold", "Hardtanh")
"""Operators that end layers, and depths, and no scores of classes."""


def _parts(outputs: Any) -> Iterator[Any]:
    """What may be meant by class maps: what is called so, then everything."""
    yield from candidates(outputs, "class maps")
    if not isinstance(outputs, Tensor | tuple | list):
        yield from held(outputs).values()


def _is_dense(one: Any) -> bool:
    return isinstance(one, Tensor) and one.is_floating_point() and one.ndim >= 4


def _of_queries(outputs: Any) -> Tensor | None:
    queries = [named_parts(outputs, kind) for kind in ("query classes", "query masks")]
    if not all(queries):
        return None
    sure: Tensor = queries[0][0].softmax(-1)[..., :-1]  # the last class is "nothing"
    return torch.einsum("bqk,bqhw->bkhw", sure, queries[1][0].sigmoid())
