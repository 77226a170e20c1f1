"""A segmentation network asked about a class, in a region or at a pixel (Seg-Grad-CAM)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from sightline.errors import TargetError
from sightline.targets.class_names import label
from sightline.targets.model_outputs import candidates, named_parts
from sightline.targets.target import Aim, Names, Size, class_in_words, class_numbers, reduced
from sightline.tensors import per_image

Where = Tensor | Sequence[int | float] | None

_MODES = {1: "linear", 2: "bilinear", 3: "trilinear"}


@dataclass(frozen=True, eq=False)
class Region(Aim):
    r"""The logits of a class over the pixels of a region (Seg-Grad-CAM, Vinogradova et al. 2020).

    $$y = \frac{1}{|M|} \sum_{(i,j) \in M} y^c_{ij}$$

    With `reduce="sum"` without the division, as it is printed there. The two give the same map
    wherever a method scales with its gradients, as Grad-CAM does. Grad-CAM++ does not: its alpha
    knows the size of a gradient, and a sum over thousands of pixels is no logit any more. So the
    mean is the default.

    - `klass`: a number, a name, or a tensor `[b]`. None: at each pixel the class that is predicted
      there.
    - `where`: a mask `[h, w]` or `[b, h, w]`, tensor or array (weights are allowed), a box `(left,
      top, right, bottom)` or a pixel `(x, y)`, counted in the picture's pixels. None: where the
      class is predicted.

    The outputs are `[b, k, h, w]`: a tensor, torchvision's mapping with `out`, transformers'
    `logits` at a lower resolution, or MaskFormer's queries (`dense`). They are enlarged linearly to
    the picture, or to the mask where one is given, before anything is predicted. Raises
    `TargetError` where nothing is predicted as the class.

    >>> logits = torch.tensor(
    ...     [[[[1.0, 5.0]], [[2.0, 3.0]]]]
    ... )  # one image, two classes, 1 x 2 pixels
    >>> Region(1)(logits), Region(0, where=(0, 0, 2, 1))(logits), Region(None, reduce="sum")(logits)
    (tensor([2.]), tensor([3.]), tensor([7.]))
    """

    klass: int | str | Tensor | None
    where: Where | Any = None
    reduce: Literal["mean", "sum"] = "mean"

    def __post_init__(self) -> None:
        if (
            self.where is not None
            and hasattr(self.where, "__array__")
            and not isinstance(self.where, Tensor)
        ):
            object.__setattr__(self, "where", torch.as_tensor(self.where, device="cpu"))

    def _scores(self, outputs: Any, classes: Names, size: Size) -> Tensor:
        logits = dense(outputs)
        if isinstance(self.where, Tensor):
            size = _of_the_picture(self.where, size or logits.shape[2:])
        logits = enlarged(logits, size)
        b, count, *grid = logits.shape
        if self.klass is None:
            wanted, of_class = None, logits.amax(1)
        else:
            wanted = class_numbers(self.klass, b, classes, count).to(logits.device)
            of_class = logits[torch.arange(b, device=logits.device), wanted]
        if self.where is not None:
            weights = region(self.where, b, grid).to(logits)
        elif wanted is None:
            weights = torch.ones_like(of_class)
        else:
            weights = _predicted(logits.detach(), wanted, classes).to(logits)
        total = reduced(of_class * weights, self.reduce)
        return total / reduced(weights, "mean") if self.reduce == "mean" else total

    def __str__(self) -> str:
        if self.where is None:
            return class_in_words(self.klass)
        if isinstance(self.where, Tensor):
            return f"{class_in_words(self.klass)} in a mask"
        kind = "at pixel" if len(self.where) == 2 else "in box"
        return f"{class_in_words(self.klass)} {kind} {', '.join(f'{x:g}' for x in self.where)}"


def _of_the_picture(mask: Tensor, picture: Sequence[int]) -> Sequence[int]:
    """A mask's size, `[*s]`: any with the picture's proportions.

    A mask that lies across would tell of other pixels.
    """
    size = mask.shape[-len(picture) :]
    if mask.ndim < len(picture) or any(
        abs(own * picture[0] - size[0] * side) > max(picture[0], side)
        for own, side in zip(size, picture, strict=True)
    ):
        raise TargetError(
            f"Expected a mask of the picture's proportions, {' x '.join(map(str, picture))} (height"
            f" first) or the same on another scale; got the shape {list(mask.shape)}. Transpose or"
            " resize it."
        )
    return size


def dense(outputs: Any) -> Tensor:
    """Scores of every class at every place, `[b, k, *s]`, in what a segmentation network returns.

    `out` or `logits` first, else the first float tensor with four axes or more. MaskFormer and its
    kind answer with queries: a query's class probabilities times its mask, summed over the queries,
    are the scores then.

    >>> dense({"aux": torch.zeros(1, 2, 4, 4), "out": torch.ones(1, 2, 4, 4)}).max()
    tensor(1.)
    """
    queries = [named_parts(outputs, kind) for kind in ("query classes", "query masks")]
    if all(queries):
        sure = queries[0][0].softmax(-1)[..., :-1]  # the last class is "nothing"
        return torch.einsum("bqk,bqhw->bkhw", sure, queries[1][0].sigmoid())
    found = candidates(outputs, "class maps")
    for one in found:
        if isinstance(one, Tensor) and one.is_floating_point() and one.ndim >= 4:
            return one
    seen = [tuple(one.shape) for one in found if isinstance(one, Tensor)] or type(outputs).__name__
    raise TargetError(
        "Expected a segmentation network's outputs, [images, classes, height, width]; the model"
        f" returned {seen}. A classifier is asked by class: target=3; anything else by a function"
        " of the outputs: target=lambda out: ..."
    )


def enlarged(logits: Tensor, size: Size) -> Tensor:
    """The logits on another grid, linearly between pixel centres.

    They stay as they are where no size is known.
    """
    if size is None or tuple(size) == tuple(logits.shape[2:]):
        return logits
    return F.interpolate(logits, size=tuple(size), mode=_MODES[len(size)], align_corners=False)


def region(where: Tensor | Sequence[int | float], b: int, grid: Sequence[int]) -> Tensor:
    """The weight of each pixel, `[b, *grid]`, of a mask, a box or a pixel.

    A box is `(left, top, right, bottom)`, a pixel `(x, y)`.

    A box holds the pixels whose centres lie in it.

    >>> region((1, 0, 3, 1), 1, (2, 3))
    tensor([[[0., 1., 1.],
             [0., 0., 0.]]])
    """
    if isinstance(where, Tensor):
        mask = where.float()
        if mask.ndim not in (len(grid), len(grid) + 1) or (
            mask.ndim > len(grid) and len(mask) not in (1, b)
        ):
            raise TargetError(
                f"Expected a mask {list(grid)}, or one for each of the {b} images; got the shape"
                f" {list(mask.shape)}."
            )
        mask = mask.expand(b, *grid)
        if not bool((mask.flatten(1).sum(1) > 0).all()):
            raise TargetError(
                "Expected a mask with a pixel in it for every image; one is empty. Leave that image"
                " out."
            )
        return mask
    numbers = [float(x) for x in where]
    if len(numbers) not in (2, 4) or len(grid) != 2:
        raise TargetError(
            "Expected a region of a picture as mask, box (left, top, right, bottom) or pixel (x,"
            f" y); got {where} for outputs over {list(grid)}. For clips and volumes pass a mask."
        )
    h, w = grid
    if len(numbers) == 2:
        x, y = (int(n // 1) for n in numbers)
        inside = 0 <= x < w and 0 <= y < h
        left, top, right, bottom = float(x), float(y), x + 1.0, y + 1.0
    else:
        left, top, right, bottom = numbers
        inside = 0 <= left < right <= w and 0 <= top < bottom <= h
    xs, ys = (torch.arange(n, dtype=torch.float32, device="cpu") + 0.5 for n in (w, h))
    mask = ((ys >= top) & (ys < bottom))[:, None] & ((xs >= left) & (xs < right))
    if not inside or not mask.any():
        raise TargetError(
            f"Expected a place within the picture, {w} pixels wide and {h} high, counted from its"
            f" left top corner; got {tuple(where)}. A box is (left, top, right, bottom), a pixel"
            " (x, y)."
        )
    return mask.float().expand(b, h, w)


def _predicted(logits: Tensor, wanted: Tensor, classes: Names) -> Tensor:
    """Where each image's class is predicted, `[b, *s]`; an error where that is nowhere."""
    answer = logits.argmax(1)
    mask = answer == per_image(wanted, answer.ndim)
    for i, one in enumerate(mask):
        if not one.any():
            counts = torch.bincount(answer[i].flatten(), minlength=logits.shape[1])
            best = counts.argsort(descending=True)[:3].tolist()
            told = ", ".join(
                f"{label(k, classes)} ({float(counts[k]) / one.numel():.0%})"
                for k in best
                if counts[k]
            )
            name = label(int(wanted[i]), classes)
            raise TargetError(
                f"Expected pixels predicted as {name!r}; image {i} has none, but {told}. Ask for"
                " one of these, or say where to look: Region(..., where=) a box, a pixel or a"
                " mask."
            )
    return mask
