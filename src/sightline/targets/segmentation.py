"""A segmentation network asked about a class, in a region or at a pixel (Seg-Grad-CAM)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from sightline.errors import TargetError
from sightline.targets.class_maps import class_maps, dense, enlarged
from sightline.targets.class_names import label, two_names
from sightline.targets.target import Aim, Names, Size, class_in_words, class_numbers, reduced
from sightline.tensors import per_image

Where = Tensor | Sequence[int | float] | None


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
    - `outputs`: `"value"` where they are quantities, such as depths, and no scores of classes:
      nothing is predicted, and without `where` the whole picture is meant. `explain(...,
      outputs="value")` says it for all.

    The outputs are `[b, k, h, w]`: a tensor, torchvision's mapping with `out`, transformers'
    `logits` at a lower resolution, or MaskFormer's queries (`dense`). They are enlarged linearly to
    the picture, or to the mask where one is given, before anything is predicted. A single channel
    has the classes 0 and 1, as a classifier with one logit: 1 is predicted where it is above 0 (or
    where a probability is above a half), and the score of 0 is its negative. Raises `TargetError`
    where nothing is predicted as the class.

    Where pictures are changed and the model is asked again (`rise`, `score_cam`), the region stays
    the one that was found in the picture itself.

    >>> logits = torch.tensor(
    ...     [[[[1.0, 5.0]], [[2.0, 3.0]]]]
    ... )  # one image, two classes, 1 x 2 pixels
    >>> Region(1)(logits), Region(0, where=(0, 0, 2, 1))(logits), Region(None, reduce="sum")(logits)
    (tensor([2.]), tensor([3.]), tensor([7.]))
    >>> Region(1)(torch.tensor([[[[3.0, -1.0]]]])), Region(0)(torch.tensor([[[[3.0, -1.0]]]]))
    (tensor([3.]), tensor([1.]))
    """

    klass: int | str | Tensor | None
    where: Where | Any = None
    reduce: Literal["mean", "sum"] = "mean"
    outputs: Literal["class", "value"] = "class"

    def __post_init__(self) -> None:
        if (
            self.where is not None
            and hasattr(self.where, "__array__")
            and not isinstance(self.where, Tensor)
        ):
            object.__setattr__(self, "where", torch.as_tensor(self.where, device="cpu"))

    def _scores(self, outputs: Any, classes: Names, size: Size) -> Tensor:
        maps, wanted, weights = self._read(outputs, classes, size)
        if wanted is None:
            of_class = maps.amax(1)
        else:
            of_class = maps[torch.arange(len(maps), device=maps.device), wanted]
        total = reduced(of_class * weights, self.reduce)
        return total / reduced(weights, "mean") if self.reduce == "mean" else total

    def settled(self, outputs: Any, classes: Names, size: Size) -> "Region":
        """The same class in the same region, whatever other outputs predict."""
        _, wanted, weights = self._read(outputs, classes, size)
        return replace(self, klass=wanted, where=weights.float())

    def _read(
        self, outputs: Any, classes: Names, size: Size
    ) -> tuple[Tensor, Tensor | None, Tensor]:
        """The classes' maps, the class of each image, if any, and the weight of each place."""
        maps, classes = self._maps(outputs, classes)
        if isinstance(self.where, Tensor):
            size = _of_the_picture(self.where, size or maps.shape[2:])
        maps = enlarged(maps, size)
        b, count, *grid = maps.shape
        wanted = None
        if self.klass is not None:
            wanted = class_numbers(self.klass, b, classes, count).to(maps.device)
        if self.where is not None:
            weights = region(self.where, b, grid).to(maps)
        elif wanted is None or self.outputs == "value":
            weights = torch.ones_like(maps[:, 0])
        else:
            weights = _predicted(maps.detach(), wanted, classes).to(maps)
        return maps, wanted, weights

    def _maps(self, outputs: Any, classes: Names) -> tuple[Tensor, Names]:
        """The maps, and what they are called."""
        maps = dense(outputs)
        if self.outputs != "value":
            both = class_maps(outputs)
            return both, classes if both.shape == maps.shape else two_names(classes)
        if self.klass is None and maps.shape[1] > 1:
            raise TargetError(
                f"Expected one of {maps.shape[1]} quantities, of which none is predicted; got none."
                " Say which: Region(0, outputs='value')."
            )
        return maps, classes

    def __str__(self) -> str:
        asked = class_in_words(self.klass)
        if self.outputs == "value":
            asked = "value" if self.klass is None else asked.replace("class", "value")
        if self.where is None:
            return asked
        if isinstance(self.where, Tensor):
            return f"{asked} in a mask"
        kind = "at pixel" if len(self.where) == 2 else "in box"
        return f"{asked} {kind} {', '.join(f'{x:g}' for x in self.where)}"


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
