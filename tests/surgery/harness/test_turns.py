"""Other ways to read a grid: where each place comes to lie, and back."""

from itertools import product

import pytest
import torch

from sightline.surgery.harness.grids import Grid
from sightline.surgery.harness.turns import Turn, turns

SIZES = [(6,), (4, 4), (3, 5), (2, 3, 4)]


@pytest.mark.parametrize("size", SIZES)
def test_as_many_as_there_are_ways_and_none_twice(size):
    """Every order of the axes, mirrored along any of them, and moves by half along any."""
    axes = len(size)
    orders = {1: 1, 2: 2, 3: 6}[axes]
    found = list(turns(axes))
    assert len(found) == orders * 2**axes - 1 + 2**axes - 1
    assert len(set(found)) == len({str(one) + str(one.order) for one in found}) == len(found)


@pytest.mark.parametrize("size", SIZES)
def test_a_place_is_found_where_it_was_moved_to(size):
    maps = torch.rand(2, 3, *size)
    places = list(product(*map(range, size)))
    for turn in turns(len(size)):
        there = turn.moved(places, size)
        assert sorted(there) == sorted(places)
        read = turn(maps)
        assert read.shape == maps.shape
        for one, other in zip(places, there, strict=True):
            assert torch.equal(read[(..., *other)], maps[(..., *one)]), turn
        assert torch.equal(turn.undone(read), maps), turn


def test_what_each_word_means():
    rows = torch.arange(6).view(2, 3)
    assert Turn((0, 1), mirrored=(1,))(rows).tolist() == [[2, 1, 0], [5, 4, 3]]
    assert Turn((0, 1), mirrored=(0,))(rows).tolist() == [[3, 4, 5], [0, 1, 2]]
    assert Turn((0, 1), rolled=(1,))(rows).tolist() == [[2, 0, 1], [5, 3, 4]]
    # Column by column they were laid out, not row by row.
    assert Turn((1, 0))(rows).tolist() == [[0, 2, 4], [1, 3, 5]]
    square = torch.arange(4).view(2, 2)
    assert torch.equal(Turn((1, 0), mirrored=(1,))(square.mT), square.flip(1))


@pytest.mark.parametrize(
    ("grid", "shape"),
    [
        (Grid("channels first", (3, 5)), (2, 4, 3, 5)),
        (Grid("channels last", (3, 5)), (2, 3, 5, 4)),
        (Grid("tokens", (3, 5), prefix=2), (2, 18, 4)),
    ],
)
@pytest.mark.parametrize("turn", list(turns(2)), ids=str)
def test_a_grid_is_read_so_and_written_back(grid, shape, turn):
    output = torch.rand(shape)
    turned = Grid(grid.kind, grid.size, grid.prefix, turn=turn)
    maps = turned.read(output)
    assert torch.equal(maps, turn(grid.read(output)))
    assert torch.equal(turned.write(maps, output), output)
    assert torch.equal(turned.write(2 * maps, output), grid.write(2 * grid.read(output), output))
