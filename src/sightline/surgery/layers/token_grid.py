"""Which token is which position: measured, not only counted.

From a number of tokens a grid can be guessed, but not which of them stand before the grid and which
behind it (the detection tokens of YOLOS), nor that they are positions at all (the queries of DETR,
several scales in one row), nor which of its axes are counted first. So the picture is changed in
some of its corners, one after another. In a token sequence over the picture each change is felt
most by the token of that corner: the first of the grid, the last of its first row, the last of all.
From how far these are apart follow the sizes of the grid and the order of its axes. What feels no
change at all, as position embeddings do, is no map of the picture.
"""

from collections import Counter
from dataclasses import replace
from typing import Any

from sightline.surgery.harness.given import Given
from sightline.surgery.harness.grids import Grid, Shape, token_grid
from sightline.surgery.layers.candidates import Candidate, candidates
from sightline.surgery.layers.corner_response import Corners, Response, responses

Measured = list[tuple[Candidate, Response]]
"""Layers, and how they answered to the corners of the picture."""


def survey_layers(given: Given) -> tuple[list[Candidate], Any]:
    """The layers with a grid and the outputs, as `candidates`, with tokens in their positions.

    Networks without tokens run once, others four times, of clips and volumes five times.
    """
    rows, outputs = candidates(given)
    if not any(row.grid.kind == "tokens" for row in rows):
        return rows, outputs
    measured = list(zip(rows, responses(rows, given), strict=True))
    still = [row for row, response in measured if response.still]
    queries = {row.shape[1] for row in still if row.grid.kind == "tokens"}
    moved = [(row, response) for row, response in measured if not response.still]
    _doubt_maps_without_corners(moved)
    return _with_agreed_grids(moved, queries, given.frame.images[2:]), outputs


def _with_agreed_grids(moved: Measured, queries: set[int], image: Shape) -> list[Candidate]:
    """The rows that are maps of the picture; tokens with the grid on which most agree.

    As many tokens as there are `queries` may be these as well: then only what feels two corners is
    certain. Where no grid was agreed on, the one that follows from the number stays, if the network
    has it elsewhere, too.
    """
    tokens = [(row, response) for row, response in moved if row.grid.kind == "tokens"]
    grids = _agreed(tokens, image)
    known = {row.grid.size for row, _ in moved if row.grid.kind != "tokens" and row.grid.certain}
    known |= {grid.size for grid, _ in grids.values()}
    guess = _Guess(tokens, grids, queries, known)
    kept = []
    for row, response in moved:
        count = row.shape[1]
        if row.grid.kind == "tokens" and count in grids:
            grid, corners = grids[count]
            agreed = sum(a == b for a, b in zip(response.peaks or (), corners, strict=False))
            row.grid = replace(grid, certain=agreed >= 2 or count not in queries)
            row.stride = tuple(i / s for i, s in zip(image, grid.size, strict=True))
        elif row.grid.kind == "tokens" and not guess.stands(row):
            continue
        kept.append(row)
    return kept


def _agreed(tokens: Measured, image: Shape) -> dict[int, tuple[Grid, Corners]]:
    """For each number of tokens the grid that most rows take it for, and its corners.

    Sharp answers have a vote; the others only where a number of tokens has no sharp one.
    """
    sharp_counts = {row.shape[1] for row, response in tokens if response.sharp}
    votes: dict[int, Counter[Corners]] = {}
    for row, response in tokens:
        count = row.shape[1]
        if response.peaks is not None and (response.sharp or count not in sharp_counts):
            votes.setdefault(count, Counter())[response.peaks] += 1
    found = {count: _most_voted(counter, image) for count, counter in votes.items()}
    return {count: grid for count, grid in found.items() if grid is not None}


class _Guess:
    """Which tokens without an agreed grid keep the one that follows from their number.

    Not those of a number, or on a grid, that was measured to be none; and if the network has grids
    that are known, only those on one of them or on one half as fine. What stands is known itself to
    the rows behind it.
    """

    def __init__(
        self,
        tokens: Measured,
        grids: dict[int, tuple[Grid, Corners]],
        queries: set[int],
        known: set[Shape],
    ) -> None:
        misread = [row for row, response in tokens if response.sharp and row.shape[1] not in grids]
        self.jumbled = {row.shape[1] for row in misread} | queries
        self.unread = {row.grid.size for row in misread}
        self.prefixes = {0, *(grid.prefix for grid, _ in grids.values())}
        self.known, self.nothing_known = known, not known

    def stands(self, row: Candidate) -> bool:
        size = row.grid.size
        if row.shape[1] in self.jumbled or size in self.unread:
            return False
        halved = row.grid.prefix in self.prefixes and _is_half_of_one(size, self.known)
        if not (self.nothing_known or size in self.known or halved):
            return False
        self.known.add(size)
        return True


def _doubt_maps_without_corners(measured: Measured) -> None:
    """Maps on a size of which none has corners are not certain.

    Shapes may have the picture's proportions by chance, as `[b, heads, n, c]`. A size that does
    have corners vouches for its half and its double: deep in a decoder everything is felt
    everywhere.
    """
    maps = [(row, response) for row, response in measured if row.grid.kind != "tokens"]
    vouched = {row.grid.size for row, response in maps if _has_corners(row.grid, response.peaks)}
    for size in sorted({row.grid.size for row, _ in maps}):  # small ones first: doubles may chain
        if _is_half_of_one(size, vouched) or any(_is_half_of_one(one, {size}) for one in vouched):
            vouched.add(size)
    for row, _ in maps:
        if row.grid.size not in vouched:
            row.grid = replace(row.grid, certain=False)


def _has_corners(grid: Grid, peaks: Corners | None) -> bool:
    """Whether one of the changes was felt most at its very corner, or two of them near theirs."""
    if peaks is None:
        return False
    height, width = grid.size[-2:]
    corners = (0, 0), (0, width - 1), (height - 1, width - 1)
    away = [
        (abs(peak // width % height - row), abs(peak % width - column))
        for peak, (row, column) in zip((*peaks[:2], peaks[-1]), corners, strict=True)
    ]
    near = sum(rows <= height // 8 and columns <= width // 8 for rows, columns in away)
    return (0, 0) in away or near >= 2


def _is_half_of_one(size: Shape, known: set[Shape]) -> bool:
    """Whether this is a known grid with every second row and column."""
    return any(size == (*one[:-2], -(-one[-2] // 2), -(-one[-1] // 2)) for one in known)


def _most_voted(votes: Counter[Corners], image: Shape) -> tuple[Grid, Corners] | None:
    """The grid with the most votes among those that are one.

    >>> _most_voted(Counter({(1, 8, 64): 5, (1, 1, 3): 1}), (64, 64))
    (Grid(kind='tokens', size=(8, 8), prefix=1, certain=True, reader=None, order=None), (1, 8, 64))
    """
    for corners, _ in votes.most_common(3):
        if (grid := _between(corners, image)) is not None:
            return grid, corners
    return None


def _between(corners: Corners, image: Shape) -> Grid | None:
    """The grid whose corners these are; None where they are not those of one.

    From one end of an axis to the other it is (n - 1) s tokens, with s as many as lie on the axes
    that are counted faster. So the axis with the shortest way is the fastest, and one after another
    gives its size; that the corners are those of a grid is proved where nothing is left over.

    >>> _between((1, 2, 5, 12), (12, 8, 8))
    Grid(kind='tokens', size=(2, 3, 2), prefix=1, certain=True, reader=None, order=None)
    >>> _between((0, 8, 2, 11), (8, 6, 8)).order
    (2, 1, 0)
    """
    first, *others, last = corners
    far = last - first
    ways = [one - first for one in reversed(others)]  # along the width last, as axes are counted
    ways.insert(0, far - sum(ways))
    if far <= 0 or min(ways) < 0:
        return None
    sizes, faster = [1] * len(image), 1
    order: list[int] = []
    for axis in sorted(range(len(image)), key=lambda axis: (ways[axis], -axis)):
        if ways[axis] % faster:
            return None
        sizes[axis] = ways[axis] // faster + 1
        if sizes[axis] > 1:
            faster *= sizes[axis]
        order.insert(0, axis)
    size = tuple(sizes)
    if any(n > side for n, side in zip(size, image, strict=True)) or faster != far + 1:
        return None
    grid = token_grid(far + 1, image)
    if len(size) == 2 and (grid is None or grid.prefix or grid.size != size):
        return None  # the proportions of the picture, too
    if len(size) == 3 and sum(n > 1 for n in size) < 2:
        return None
    return Grid("tokens", size, first, order=_unless_usual(order, size))


def _unless_usual(order: list[int], size: Shape) -> Shape | None:
    """None where the axes of more than one place are counted as a picture is written."""
    long = [axis for axis in order if size[axis] > 1]
    return None if long == sorted(long) else tuple(order)
