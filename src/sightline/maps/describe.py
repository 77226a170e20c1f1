"""A map put into one sentence: where the evidence lies, on how much of the picture."""

from torch import Tensor

from sightline.maps.regions import boxes_above

_ROWS, _COLUMNS = ("upper", "middle", "lower"), ("left", "centre", "right")
HALF = 0.5
"""What counts as strong evidence: more than this share of the map's maximum."""


def sentence(one: Tensor) -> str:
    """What one sees on a map `[h, w]`, measured: its peak, the share above half of it, the spots.

    >>> import torch
    >>> map = torch.zeros(9, 9)
    >>> map[1, 4] = 1.0
    >>> sentence(map)
    'Strongest at the upper centre; strong evidence on 1 % of the picture, in one spot.'
    """
    peak = float(one.max())
    if not peak > 0:
        return "No place speaks for this class on balance; the map is zero."
    height, width = one.shape[-2:]
    row, column = divmod(int(one.flatten().argmax()), width)
    share = float((one > HALF * peak).float().mean())
    regions = len(boxes_above(one, HALF, largest=False))
    return (
        f"Strongest at the {place(row, column, height, width)}; strong evidence on"
        f" {100 * share:.0f} % of the picture, in"
        f" {'one spot' if regions == 1 else f'{regions} spots'}."
    )


def place(row: int, column: int, height: int, width: int) -> str:
    """A pixel's place in words, on a grid of nine.

    >>> place(5, 5, 10, 10), place(0, 9, 10, 10), place(5, 0, 10, 10)
    ('centre', 'upper right', 'middle left')
    """
    vertical = _ROWS[min(2, 3 * row // height)]
    horizontal = _COLUMNS[min(2, 3 * column // width)]
    return (
        "centre" if (vertical, horizontal) == ("middle", "centre") else f"{vertical} {horizontal}"
    )
