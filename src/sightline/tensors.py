"""What every room needs of tensors: dtypes, torch's modes, shapes, scales, regions, boxes."""

import logging
import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

logger = logging.getLogger(__name__)


def at_least_float32(tensor: Tensor) -> Tensor:
    """Map arithmetic is done in float32 or better, whatever the model's dtype.

    >>> (
    ...     at_least_float32(torch.ones(1, dtype=torch.float16)).dtype,
    ...     at_least_float32(torch.ones(1, dtype=torch.float64)).dtype,
    ... )
    (torch.float32, torch.float64)
    """
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor


def without_autocast(device: torch.device) -> AbstractContextManager[object]:
    """Products in the types of their factors, also when the caller runs under autocast."""
    if torch.is_autocast_enabled(device.type):
        return torch.autocast(device.type, enabled=False)
    return nullcontext()


def autocast_dtype(device: torch.device) -> torch.dtype | None:
    """The type in which the caller's autocast multiplies; None where there is none."""
    if torch.is_autocast_enabled(device.type):
        return torch.get_autocast_dtype(device.type)
    return None


def with_autocast(
    device: torch.device, dtype: torch.dtype | None
) -> AbstractContextManager[object]:
    """The autocast that `autocast_dtype` found, entered again; nothing where it found none."""
    return nullcontext() if dtype is None else torch.autocast(device.type, dtype=dtype)


def allow_grad() -> AbstractContextManager[object]:
    """What is made inside can be part of a graph, also when the caller is in inference mode."""
    return torch.inference_mode(False) if torch.is_inference_mode_enabled() else nullcontext()


def without_graph(outputs: Any) -> str | None:
    """In words, what a model returned that nothing leads back from; None for floats of PyTorch.

    >>> without_graph(torch.ones(2, 3).argmax(1))
    'whole numbers (int64 [2]), as argmax makes them'
    """
    parts = list(outputs.values()) if isinstance(outputs, Mapping) else outputs
    parts = list(parts) if isinstance(parts, tuple | list) else [parts]
    if any(isinstance(one, Tensor) and one.is_floating_point() for one in parts):
        return None
    for one in parts:
        if isinstance(one, np.ndarray):
            return f"a NumPy array ({one.dtype} {list(one.shape)})"
        if isinstance(one, Tensor) and not one.is_complex():
            kind = str(one.dtype).removeprefix("torch.")
            return f"whole numbers ({kind} {list(one.shape)}), as argmax makes them"
    return None


MADE_FROM = "sightline: made from"
"""Under this name a node of a graph keeps what went into the softmax or sigmoid that it is."""

VIEWS = (
    "View", "ReshapeAlias", "UnsafeView", "Squeeze", "Unsqueeze", "Clone", "Alias", "ToCopy",
)  # fmt: skip
"""Operators of autograd's graph that keep every number."""


def is_operator(node: Any, names: Sequence[str]) -> bool:
    """Whether a node of the graph is one of these operators, in any of its overloads.

    >>> is_operator(torch.ones(2, requires_grad=True).squeeze().grad_fn, VIEWS)
    True
    """
    return node.name().rstrip("0123456789").removesuffix("Backward") in names


def scores_before(rows: Tensor) -> Tensor | None:
    """What went into the softmax or sigmoid that outputs come from; None where it is not known.

    It is written down while a model runs to be looked back through, and only what holds as many
    numbers counts.
    """
    node: Any = rows.grad_fn
    while node is not None and is_operator(node, VIEWS):
        node = node.next_functions[0][0]
    before = None if node is None else node.metadata.get(MADE_FROM)
    if not isinstance(before, Tensor) or before.numel() != rows.numel():
        return None
    return before.reshape(rows.shape)


def unexpanded(values: Tensor) -> Tensor:
    """`[b, c, *s]` that was expanded from one value a channel as `[b, c, 1, ...]`, else as it is.

    What is worked out for one place holds for all of them; `.expand_as` spreads it again, where
    nothing is copied.

    >>> (
    ...     unexpanded(torch.ones(2, 3, 1, 1).expand(2, 3, 7, 7)).shape,
    ...     unexpanded(torch.ones(2, 3, 7, 7)).shape,
    ... )
    (torch.Size([2, 3, 1, 1]), torch.Size([2, 3, 7, 7]))
    """
    return values[tuple(slice(0, 1) if step == 0 else slice(None) for step in values.stride())]


def per_image(values: Tensor, ndim: int) -> Tensor:
    """One value an image, `[b]`, or an image's channel, `[b, c]`, to go with so many axes.

    >>> per_image(torch.ones(2), 4).shape, per_image(torch.ones(2, 3), 4).shape
    (torch.Size([2, 1, 1, 1]), torch.Size([2, 3, 1, 1]))
    """
    return values.reshape(-1, *values.shape[1:], *[1] * (ndim - values.ndim))


def per_channel(values: Tensor, ndim: int) -> Tensor:
    """One value a channel, `[c]`, to go with tensors `[b, c, ...]` of so many axes.

    >>> per_channel(torch.ones(3), 4).shape
    torch.Size([1, 3, 1, 1])
    """
    return values.reshape(1, -1, *[1] * (ndim - 2))


def min_max(values: Tensor) -> Tensor:
    """Each `[b, ...]` from 0 at its minimum to 1 at its maximum; what is constant is 0 everywhere.

    One that holds nan, or is infinite everywhere, is nan. Derivatives pass through both ends.

    >>> min_max(torch.tensor([[2.0, 3.0, 6.0], [5.0, 5.0, 5.0]]))
    tensor([[0.0000, 0.2500, 1.0000],
            [0.0000, 0.0000, 0.0000]])
    """
    flat = values.flatten(1)
    # two passes: before torch 2.7 the one pass of aminmax has no derivative
    low, high = flat.amin(1, keepdim=True), flat.amax(1, keepdim=True)
    constant = (high == low) & high.isfinite()
    # the divisor is 1 there, and the result 0 by itself: 0 / 0 would make the derivative nan
    scaled = (flat - low) / (high - low).masked_fill(constant, 1)
    return scaled.masked_fill(constant, 0).view(values.shape)


def over_maximum(values: Tensor) -> Tensor:
    """Each `[b, ...]`, never negative, divided by its maximum.

    One that is zero everywhere, or not finite somewhere, is zero everywhere.

    >>> over_maximum(torch.tensor([[1.0, 4.0], [0.0, 0.0], [1.0, torch.nan]]))
    tensor([[0.2500, 1.0000],
            [0.0000, 0.0000],
            [0.0000, 0.0000]])
    """
    peak = values.flatten(1).amax(1)  # inf or nan where any value is
    sound = (peak > 0) & peak.isfinite()
    divided = values / per_image(peak.where(sound, 1), values.ndim)
    return divided.where(per_image(sound, values.ndim), 0)


def first_weight(model: nn.Module) -> Tensor | None:
    """The first parameter of a floating type: its dtype and device are those the model wants.

    >>> first_weight(nn.Linear(2, 1, dtype=torch.float64)).dtype, first_weight(nn.ReLU())
    (torch.float64, None)
    """
    return next((weight for weight in model.parameters() if weight.is_floating_point()), None)


def label_regions(mask: Bool[Tensor, "*s"]) -> Int[Tensor, "*s"]:
    """A number for each connected region of a mask, from 1 in the order of their first places.

    Places that touch at a corner belong together; 0 is outside. On the CPU, by SciPy where it is
    installed, which is the faster one.

    >>> label_regions(torch.eye(3, dtype=torch.bool)).tolist()
    [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    >>> label_regions(torch.tensor([[True, False, True]])).tolist()
    [[1, 0, 2]]
    """
    try:
        from scipy import ndimage
    except ImportError as error:  # it comes with the extra `evaluate`
        logger.debug("regions are labelled without SciPy: %s", error)
        return _label_by_pointers(mask.cpu())
    touching = np.ones((3,) * mask.ndim)
    labels, _ = ndimage.label(mask.cpu().numpy(), structure=touching)
    return torch.from_numpy(labels).long()


def _label_by_pointers(mask: Bool[Tensor, "*s"]) -> Int[Tensor, "*s"]:
    """The same in torch alone, in a few passes over the places however winding a region is.

    Every place begins as a root; earlier ones have larger numbers. In each round a root points to
    the largest one that any of its places touches, and pointers are followed to their ends. To pass
    on the largest neighbour alone takes as many passes as the longest way through a region has
    places.
    """
    numbers = torch.arange(mask.numel() + 1, device=mask.device)
    roots = numbers[1:].flip(0).view(mask.shape) * mask
    while True:
        largest = _largest_beside(roots)
        pointers = numbers.clone()
        pointers.scatter_reduce_(0, roots.flatten(), (largest * mask).flatten(), "amax")
        while not torch.equal(further := pointers[pointers], pointers):
            pointers = further
        if torch.equal(joined := pointers[roots], roots):
            break
        roots = joined
    found = roots[mask].unique()
    return (len(found) - torch.searchsorted(found, roots)) * mask


def _largest_beside(numbers: Int[Tensor, "*s"]) -> Int[Tensor, "*s"]:
    """The largest number of each place and of those that touch it, along one axis after another."""
    found = numbers.double()  # max_pool2d knows no integers; float64 holds them exactly
    for axis, side in enumerate(numbers.shape):
        lines = found.reshape(1, -1, side, math.prod(numbers.shape[axis + 1 :]))
        found = F.max_pool2d(lines, (3, 1), stride=1, padding=(1, 0))
    return found.view(numbers.shape).long()


def iou(boxes: Float[Tensor, "n k"], others: Float[Tensor, "m k"]) -> Float[Tensor, "n m"]:
    """Intersection over union of each box with each other one; 0 where neither has an area.

    The first half of a box says where it begins along each axis, the second where it ends.

    >>> two, one = torch.tensor([[0.0, 0, 2, 2], [1, 1, 3, 3]]), torch.tensor([[0.0, 0, 2, 2]])
    >>> iou(two, one)
    tensor([[1.0000],
            [0.1429]])
    """
    axes = boxes.shape[1] // 2
    low = torch.maximum(boxes[:, None, :axes], others[None, :, :axes])
    high = torch.minimum(boxes[:, None, axes:], others[None, :, axes:])
    common = (high - low).clamp(min=0).prod(2)
    own, theirs = (
        (some[:, axes:] - some[:, :axes]).clamp(min=0).prod(1) for some in (boxes, others)
    )
    union = own[:, None] + theirs[None] - common
    return torch.where(union > 0, common / union, 0)
