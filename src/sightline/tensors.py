"""What every room needs of tensors: dtypes, torch's modes, shapes, scales, regions, boxes."""

import logging
from contextlib import AbstractContextManager, nullcontext

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


def label_regions(mask: Bool[Tensor, "h w"]) -> Int[Tensor, "h w"]:
    """A number for each connected region of a mask, from 1 in the order of their first pixels.

    Pixels that touch at a corner belong together; 0 is outside. On the CPU, by SciPy where it is
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
    labels, _ = ndimage.label(mask.cpu().numpy(), structure=np.ones((3, 3)))
    return torch.from_numpy(labels).long()


def _label_by_pointers(mask: Bool[Tensor, "h w"]) -> Int[Tensor, "h w"]:
    """The same in torch alone, in a few passes over the pixels however winding a region is.

    Every pixel begins as a root; earlier ones have larger numbers. In each round a root points to
    the largest one that any of its pixels touches, and pointers are followed to their ends. To pass
    on the largest neighbour alone takes as many passes as the longest way through a region has
    pixels.
    """
    numbers = torch.arange(mask.numel() + 1, device=mask.device)
    roots = numbers[1:].flip(0).view(mask.shape) * mask
    while True:
        # max_pool2d knows no integers; float64 holds them exactly
        largest = F.max_pool2d(roots.double()[None, None], 3, stride=1, padding=1)[0, 0].long()
        pointers = numbers.clone()
        pointers.scatter_reduce_(0, roots.flatten(), (largest * mask).flatten(), "amax")
        while not torch.equal(further := pointers[pointers], pointers):
            pointers = further
        if torch.equal(joined := pointers[roots], roots):
            break
        roots = joined
    found = roots[mask].unique()
    return (len(found) - torch.searchsorted(found, roots)) * mask


def iou(boxes: Float[Tensor, "n 4"], others: Float[Tensor, "m 4"]) -> Float[Tensor, "n m"]:
    """Intersection over union of each box with each other one; 0 where neither has an area.

    >>> two, one = torch.tensor([[0.0, 0, 2, 2], [1, 1, 3, 3]]), torch.tensor([[0.0, 0, 2, 2]])
    >>> iou(two, one)
    tensor([[1.0000],
            [0.1429]])
    """
    low = torch.maximum(boxes[:, None, :2], others[None, :, :2])
    high = torch.minimum(boxes[:, None, 2:], others[None, :, 2:])
    common = (high - low).clamp(min=0).prod(2)
    own, theirs = ((some[:, 2:] - some[:, :2]).clamp(min=0).prod(1) for some in (boxes, others))
    union = own[:, None] + theirs[None] - common
    return torch.where(union > 0, common / union, 0)
