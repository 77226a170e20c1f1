"""Boxes and masks follow the picture through resize and crop, and maps find the way back.

Everything is in continuous pixel coordinates: pixel `i` covers `[i, i + 1)`, its centre is `i +
0.5`. A photograph's place `x` lies at `x * resized / photo - offset` in the view. Pillow resizes by
the same rule, so that a box painted white in the photograph and the box that `to_view` returns end
on the same pixels.
"""

import torch
from jaxtyping import Bool, Float, Num
from torch import Tensor

from sightline.datasets.record import Placement
from sightline.errors import DataError
from sightline.images.prepare import check_sides, crop_begins, resized
from sightline.types import Preprocess


def placement(photo: tuple[int, int], preprocess: Preprocess) -> Placement:
    """Where `images.prepare` puts a photograph of this `(width, height)`, by arithmetic alone.

    Raises `ImageError` for a `preprocess` that leaves no pixels.

    >>> placement((500, 375), Preprocess(resize=256, crop=(224, 224)))
    Placement(photo=(500, 375), resized=(341, 256), offset=(58, 16), view=(224, 224))
    >>> placement(
    ...     (32, 32), Preprocess(resize=None, crop=(40, 36))
    ... ).offset  # 2 columns and 4 rows of black before it
    (-2, -4)
    """
    check_sides(preprocess)
    size = resized(photo, preprocess.resize)
    if preprocess.crop is None:
        return Placement(photo, size, (0, 0), size)
    height, width = preprocess.crop
    return Placement(
        photo, size, (crop_begins(size[0], width), crop_begins(size[1], height)), (width, height)
    )


def to_view(
    boxes: Num[Tensor, "n 4"], place: Placement
) -> tuple[Float[Tensor, "n 4"], Bool[Tensor, " n"]]:
    """Boxes of the photograph as boxes of the view, and which of them are still there.

    `boxes` are left, top, right, bottom in pixels of the photograph, right and bottom exclusive.
    The result is cut at the view's edges, in pixels of the view, not rounded, float32. The second
    tensor is false for boxes of which nothing is left: they fell outside the crop (or had no area).

    >>> place = placement(
    ...     (100, 50), Preprocess(resize=100, crop=(100, 100))
    ... )  # twice as large, then x from 50
    >>> to_view(torch.tensor([[30, 10, 60, 20], [0, 0, 20, 50]]), place)
    (tensor([[ 10.,  20.,  70.,  40.],
            [  0.,   0.,   0., 100.]]), tensor([ True, False]))
    """
    return _moved(boxes, _scale(place), _pair(place.offset), place.view)


def mask_to_view(mask: Bool[Tensor, "h w"], place: Placement) -> Bool[Tensor, "new_h new_w"]:
    """A mask of the photograph as a mask of the view.

    Each pixel takes the photograph's pixel under its centre.

    Beyond the photograph it is False. Raises `DataError` when the mask is not of the photograph's
    size.

    >>> mask = torch.tensor([[False, True], [True, True]])
    >>> mask_to_view(mask, placement((2, 2), Preprocess(resize=None, crop=(3, 3)))).int()
    tensor([[0, 1, 0],
            [1, 1, 0],
            [0, 0, 0]], dtype=torch.int32)
    """
    _check(tuple(mask.shape), place.photo, "the photograph")
    columns, rows = (_nearest_to_view(place, axis) for axis in (0, 1))
    return _picked(mask, rows, columns)


def to_photo(seen: Num[Tensor, "*b h w"] | Bool[Tensor, "*b h w"], place: Placement) -> Tensor:
    """A map or a mask of the view on the photograph's own pixels, `[*b, height, width]`.

    Maps (floats) are interpolated linearly between pixel centres; where the photograph has fewer
    pixels than the view the filter widens, so that nothing is passed over. Masks (bools, and whole
    numbers) take the pixel under the centre. Outside the crop they are zero. Raises `DataError`
    when the map is not of the view's size.

    >>> place = placement((4, 1), Preprocess(resize=None, crop=(1, 2)))
    >>> to_photo(torch.tensor([[0.5, 1.0]]), place)
    tensor([[0.0000, 0.5000, 1.0000, 0.0000]])
    """
    _check(tuple(seen.shape[-2:]), place.view, "the view")
    if not seen.is_floating_point():
        return _picked(seen, _nearest_to_photo(place, 1), _nearest_to_photo(place, 0))
    columns, rows = (_linear_to_photo(place, axis).to(seen) for axis in (0, 1))
    return rows @ seen @ columns.T


def _moved(
    boxes: Tensor, scale: Tensor, offset: Tensor, size: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    corners = boxes.to(torch.float64).view(-1, 2, 2) * scale - offset
    corners = corners.clamp(min=torch.zeros_like(scale), max=_pair(size)).to(torch.float32)
    return corners.view(-1, 4), (corners[:, 1] > corners[:, 0]).all(1)


def _pair(values: tuple[int, int]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64, device="cpu")


def _scale(place: Placement) -> Tensor:
    return _pair(place.resized) / _pair(place.photo)


def _centres(count: int) -> Tensor:
    return torch.arange(count, dtype=torch.float64, device="cpu") + 0.5


def _nearest_to_view(place: Placement, axis: int) -> Tensor:
    """For each column (or row) of the view the photograph's under its centre, -1 beyond it."""
    wide, resized_wide = place.photo[axis], place.resized[axis]
    found = (
        ((_centres(place.view[axis]) + place.offset[axis]) * (wide / resized_wide)).floor().long()
    )
    return found.where((found >= 0) & (found < wide), -1)


def _nearest_to_photo(place: Placement, axis: int) -> Tensor:
    """For each column (or row) of the photograph the view's at its centre, -1 outside the crop."""
    found = _places(place, axis).floor().long()
    return found.where((found >= 0) & (found < place.view[axis]), -1)


def _linear_to_photo(place: Placement, axis: int) -> Tensor:
    """`[photo, view]`: how much each pixel of the view counts in each of the photograph.

    Rows sum to 1, or to 0.
    """
    places = _places(place, axis)
    distance = (places[:, None] - _centres(place.view[axis])).abs() / max(
        1.0, place.resized[axis] / place.photo[axis]
    )
    inside = ((places >= 0) & (places < place.view[axis]))[:, None]
    triangle = (1 - distance).relu() * inside
    return triangle / triangle.sum(1, keepdim=True).where(inside, 1)


def _places(place: Placement, axis: int) -> Tensor:
    """Where the centres of the photograph's pixels lie in the view."""
    return (
        _centres(place.photo[axis]) * (place.resized[axis] / place.photo[axis]) - place.offset[axis]
    )


def _picked(values: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """The rows and columns of these numbers; zero where a number is -1."""
    rows, columns = rows.to(values.device), columns.to(values.device)
    picked = values.index_select(-2, rows.clamp(min=0)).index_select(-1, columns.clamp(min=0))
    picked[..., rows < 0, :] = 0
    picked[..., columns < 0] = 0
    return picked


def _check(shape: tuple[int, ...], size: tuple[int, int], whose: str) -> None:
    if shape != size[::-1]:
        raise DataError(
            f"Expected a map or mask of {whose}'s size, {size[1]} x {size[0]} (height x width);"
            f" came {' x '.join(map(str, shape))}. Give it together with the placement of its own"
            " picture."
        )
