"""Grad-CAM's pointing game: the five likeliest classes point too, and may say 'not there'."""

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.metrics.metric import metric
from sightline.metrics.pointing_game import pointing_game


@metric(
    title="Pointing game, top 5",
    group="localisation",
    higher_is_better=True,
    unit="%",
    scale=100,
    paper="Selvaraju et al., Grad-CAM, IJCV 2019, arXiv:1610.02391v4, section 4.3",
)
def pointing_game_top5(
    top_maps: Float[Tensor, "b k *s"],
    top_peaks: Float[Tensor, "b k"],
    top_boxes: list[list[Tensor] | None],
    *,
    reject_below: int | float = 0,
    tolerance: int | float = 15,
) -> Float[Tensor, "b k"]:
    r"""For each of the five likeliest classes: is it found where it is, or rightly said to be
    absent? 1 or 0.

    Takes the image maps `top_maps` of these classes, the maxima `top_peaks` of their signed coarse
    maps (an image map has lost its size), and for each image the boxes of each of them: an empty
    tensor for a class that the image does not have, None for an image that is not annotated. A map
    whose peak is `reject_below` or less rejects its class.

    | class | rejected | not rejected |
    |---|---|---|
    | in the image | miss | hit if it points there, as in `pointing_game` |
    | not in the image | hit | miss |

    The figure is hits / all, over all images and classes (Grad-CAM, section 4.3, which does not
    give its threshold: 0 means that no place speaks for the class). Coarse maps carry the scale of
    the scores: a threshold holds for one model and method. Contributes nan: an image that is not
    annotated, a class whose boxes cover no pixel of the view.

    >>> maps = torch.tensor([[[[1.0, 0.0]], [[0.0, 1.0]], [[1.0, 0.0]], [[0.0, 0.0]]]])
    >>> here, absent = torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.zeros(0, 4)
    >>> peaks, boxes = torch.tensor([[9.0, 8.0, 3.0, -1.0]]), [[here, here, absent, absent]]
    >>> pointing_game_top5(maps, peaks, boxes, tolerance=0).tolist()
    [[1.0, 0.0, 0.0, 1.0]]
    """
    rows = torch.full(top_peaks.shape, float("nan"), dtype=torch.float64, device=top_peaks.device)
    for row, maps, peaks, boxes in zip(rows, top_maps, top_peaks, top_boxes, strict=True):
        if boxes is not None:
            rejected = peaks <= reject_below
            absent = torch.tensor([own.numel() == 0 for own in boxes], device=peaks.device)
            found = pointing_game(maps, boxes, tolerance=tolerance).to(peaks.device)
            row[:] = torch.where(absent, rejected.double(), found * ~rejected)
            row[peaks.isnan()] = float("nan")
    return rows
