"""Which token is which place: measured, not only counted.

From a number of tokens a grid can be guessed, but not which of them stand before the grid and which
behind it (the detection tokens of YOLOS), nor that they are places at all (the queries of DETR,
several scales in one row). So the picture is changed in three of its corners, one after another. In
a token sequence over the picture each change is felt most by the token of that corner: the first of
the grid, the last of its first row, the last of all. What feels no change at all, as position
embeddings do, is no map of the picture.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from sightline.surgery.harness.given import Given
from sightline.surgery.harness.grids import Grid, Shape, token_grid
from sightline.surgery.layers.candidates import Candidate, candidates

Felt = tuple[Tensor | None, ...]
"""How much each place of a layer changed, for each of the changes; None where the layer did not run
as before.
"""
Corners = tuple[int, int, int]
"""The tokens that feel a change most: top left, top right, bottom right."""
_PATCH = 32
"""A change is this part of the picture's sides: smaller than a patch, so that one token feels it
first.
"""


def surveyed(given: Given) -> tuple[list[Candidate], Any]:
    """The layers with a grid, in the order of running, and the outputs: as `candidates`, with
    tokens in their places.

    Networks without tokens run once, others four times.
    """
    rows, outputs = candidates(given)
    if not any(row.grid.kind == "tokens" for row in rows):
        return rows, outputs
    image = given.frame.images[2:]
    changes = [_felt(rows, candidates(changed)[0]) for changed in _in_corners(given)]
    felt = dict(zip(map(id, rows), zip(*changes, strict=True), strict=True))
    still = {
        id(row) for row in rows if all(one is not None and not one.any() for one in felt[id(row)])
    }
    queries = {row.shape[1] for row in rows if id(row) in still and row.grid.kind == "tokens"}
    moved = [row for row in rows if id(row) not in still]
    _confirm(moved, felt)
    return _placed(moved, felt, queries, image), outputs


def _placed(
    rows: list[Candidate], felt: Mapping[int, Felt], queries: set[int], image: Shape
) -> list[Candidate]:
    """The rows that are maps of the picture; tokens with the grid on which most agree.

    As many tokens as there are `queries` may be these as well: then only what feels two corners is
    certain. Where no grid was agreed on, the one that follows from the number stays, if the network
    has it elsewhere, too.
    """
    sharp = {id(row) for row in rows if row.grid.kind == "tokens" and _sharp(felt[id(row)])}
    votes = _votes(rows, felt, sharp)
    grids = {
        count: found
        for count, counter in votes.items()
        if (found := _grid(counter, image)) is not None
    }
    misread = [row for row in rows if id(row) in sharp and row.shape[1] not in grids]
    jumbled, unread = (
        {row.shape[1] for row in misread} | queries,
        {row.grid.size for row in misread},
    )
    known = {row.grid.size for row in rows if row.grid.kind != "tokens" and row.grid.certain}
    known |= {grid.size for grid, _ in grids.values()}
    prefixes, guessing = {0, *(grid.prefix for grid, _ in grids.values())}, not known
    kept = []
    for row in rows:
        count, size = row.shape[1], row.grid.size
        if row.grid.kind == "tokens" and count in grids:
            grid, ends = grids[count]
            agreed = sum(a == b for a, b in zip(_corners(felt[id(row)]) or (), ends, strict=False))
            row.grid = replace(grid, certain=agreed >= 2 or count not in queries)
            row.stride = tuple(i / s for i, s in zip(image, grid.size, strict=True))
        elif row.grid.kind == "tokens":
            halved = row.grid.prefix in prefixes and _halved(size, known)
            if count in jumbled or size in unread or not (guessing or size in known or halved):
                continue
            known.add(size)
        kept.append(row)
    return kept


def _confirm(rows: list[Candidate], felt: Mapping[int, Felt]) -> None:
    """Shapes may have the picture's proportions by chance, as `[b, heads, n, c]`: then none has
    corners.

    A size that does have them vouches for its half and its double: deep in a decoder everything is
    felt everywhere.
    """
    maps = [row for row in rows if row.grid.kind != "tokens"]
    seen = {row.grid.size for row in maps if _cornered(row.grid, felt[id(row)])}
    for size in sorted({row.grid.size for row in maps}):
        if _halved(size, seen) or any(_halved(one, {size}) for one in seen):
            seen.add(size)
    for row in maps:
        if row.grid.size not in seen:
            row.grid = replace(row.grid, certain=False)


def _cornered(grid: Grid, felt: Felt) -> bool:
    """Whether one of the changes was felt most at its very corner, or two of them near theirs."""
    ends = _corners(felt)
    if ends is None:
        return False
    height, width = grid.size[-2:]
    aims = (0, 0), (0, width - 1), (height - 1, width - 1)
    away = [
        (abs(end // width % height - row), abs(end % width - column))
        for end, (row, column) in zip(ends, aims, strict=True)
    ]
    near = sum(down <= height // 8 and along <= width // 8 for down, along in away)
    return (0, 0) in away or near >= 2


def _halved(size: Shape, known: set[Shape]) -> bool:
    """Whether this is a known grid with every second row and column."""
    return any(size == (*one[:-2], -(-one[-2] // 2), -(-one[-1] // 2)) for one in known)


def _in_corners(given: Given) -> Iterable[Given]:
    """The same with a changed image, once for each corner."""
    plain, (*_, rows, columns) = given.image, given.size
    patches = plain.shape[-2:] != (rows, columns)
    for top, left in ((True, True), (True, False), (False, False)):
        changed = plain.clone()
        if patches:
            place: Any = (
                slice(None),
                (0 if top else (rows - 1) * columns) + (0 if left else columns - 1),
            )
        else:
            time: Any = (slice(0, 1) if top else slice(-1, None),) if plain.ndim == 5 else ()
            time = (*time, slice(None)) if time and given.shape[1] != plain.shape[1] else time
            place = (..., *time, _end(rows, top), _end(columns, left))
        changed[place] = -2 * changed[place] - 1
        yield given.with_image(changed)


def _end(side: int, first: bool) -> slice:
    size = max(1, side // _PATCH)
    return slice(0, size) if first else slice(side - size, None)


def _felt(rows: list[Candidate], others: list[Candidate]) -> list[Tensor | None]:
    """For each row how much each position changed; None where the other run has no such row."""
    by_name = {row.names[0]: row for row in others}
    found: list[Tensor | None] = []
    for row in rows:
        other = by_name.get(row.names[0])
        if (
            other is None
            or row.sketch is None
            or other.sketch is None
            or row.sketch.shape != other.sketch.shape
        ):
            found.append(None)
        else:
            found.append((row.sketch - other.sketch).abs().sum(1).nan_to_num(torch.inf))
    return found


def _corners(felt: Felt) -> Corners | None:
    """The token that felt each change most; None where one was not felt at all."""
    if any(one is None or not one.any() for one in felt):
        return None
    a, b, c = (int(one.argmax()) for one in felt if one is not None)
    return a, b, c


def _sharp(felt: Felt) -> bool:
    """Whether each change was felt by one token more than by all others together: then it tells the
    order for sure.
    """
    return all(one is not None and bool(one.max() * 2 > one.sum()) for one in felt)


def _votes(
    rows: list[Candidate], felt: Mapping[int, Felt], sharp: set[int]
) -> dict[int, Counter[Corners]]:
    """For each number of tokens, which tokens the rows take for the corners: the sharp ones, where
    there are such.
    """
    clear = {row.shape[1] for row in rows if id(row) in sharp}
    votes: dict[int, Counter[Corners]] = {}
    for row in rows:
        if row.grid.kind == "tokens" and (id(row) in sharp or row.shape[1] not in clear):
            ends = _corners(felt[id(row)])
            if ends is not None:
                votes.setdefault(row.shape[1], Counter())[ends] += 1
    return votes


def _grid(votes: Counter[Corners], image: Shape) -> tuple[Grid, Corners] | None:
    """The grid that most rows agree on, among those that are one: its rows of places one after
    another.

    >>> _grid(Counter({(1, 8, 64): 5, (1, 1, 3): 1}), (64, 64))
    (Grid(kind='tokens', size=(8, 8), prefix=1, certain=True, reader=None), (1, 8, 64))
    """
    for ends, _ in votes.most_common(3):
        first, right, last = ends
        grid = token_grid(last - first + 1, image) if last > first else None
        if grid is not None and not grid.prefix and right == first + grid.size[-1] - 1:
            return replace(grid, prefix=first), ends
    return None
