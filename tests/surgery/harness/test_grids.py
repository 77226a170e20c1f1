"""Any layer's output read as `[b, c, *s]`: what is inferred, what is stated, and the way back."""

import itertools

import pytest
import torch

from sightline.errors import LayerError
from sightline.surgery import Grid
from sightline.surgery.harness.grids import MOST_PREFIX, fits, infer, stated_grid, unreadable_output

PHOTO, WIDE, CLIP, SIGNAL = (224, 224), (224, 320), (16, 224, 224), (24,)


@pytest.mark.parametrize(
    ("shape", "image", "expected"),
    [
        ((8, 2048, 7, 7), PHOTO, Grid("channels first", (7, 7))),
        ((8, 7, 7, 768), PHOTO, Grid("channels last", (7, 7))),
        (
            (8, 56, 56, 56),
            PHOTO,
            Grid("channels first", (56, 56)),
        ),  # could be either: first is the custom
        ((8, 49, 7, 7), PHOTO, Grid("channels first", (7, 7))),
        ((8, 56, 56, 64), PHOTO, Grid("channels last", (56, 56))),
        ((8, 512, 7, 10), WIDE, Grid("channels first", (7, 10))),
        ((8, 7, 10, 512), WIDE, Grid("channels last", (7, 10))),
        ((8, 7, 10, 7), WIDE, Grid("channels last", (7, 10))),
        ((8, 512, 10, 7), WIDE, Grid("channels first", (10, 7), certain=False)),
        ((8, 1000, 1, 1), PHOTO, Grid("channels first", (1, 1))),
        ((1, 512, 8, 14, 14), CLIP, Grid("channels first", (8, 14, 14))),
        ((1, 8, 14, 14, 512), CLIP, Grid("channels last", (8, 14, 14))),
        ((3, 32, 12), SIGNAL, Grid("channels first", (12,))),
        ((3, 32, 24), SIGNAL, Grid("channels first", (24,))),
        ((3, 197, 768), PHOTO, Grid("tokens", (14, 14), prefix=1)),
        ((3, 196, 768), PHOTO, Grid("tokens", (14, 14))),
        ((3, 198, 768), PHOTO, Grid("tokens", (14, 14), prefix=2)),
        ((3, 201, 384), PHOTO, Grid("tokens", (14, 14), prefix=5)),
        ((3, 50, 768), PHOTO, Grid("tokens", (7, 7), prefix=1)),
        ((3, 3136, 96), PHOTO, Grid("tokens", (56, 56))),
        ((3, 281, 768), WIDE, Grid("tokens", (14, 20), prefix=1)),
        ((1, 1568, 768), CLIP, Grid("tokens", (8, 14, 14))),  # not 2 x 28 x 28, of as many places
        ((1, 1569, 768), CLIP, Grid("tokens", (8, 14, 14), prefix=1)),
        ((1, 8 * 56 * 56 + 1, 96), CLIP, Grid("tokens", (8, 56, 56), prefix=1)),
        ((3, 768), PHOTO, None),
        ((3, 768, 196), PHOTO, None),
        ((3,), PHOTO, None),
        ((3, 8, 4, 7, 7), PHOTO, None),
        ((3, 77, 512), SIGNAL, Grid("channels first", (512,), certain=False)),
        ((3, 512, 7, 7), CLIP, None),
    ],
)
def test_the_grid_follows_from_the_shape_and_the_input(shape, image, expected):
    assert infer(shape, image) == expected


@pytest.mark.slow
def test_every_vision_transformer_grid_with_a_class_and_a_distillation_token_is_found():
    """Any patch, any number of rows and columns, no token before the grid or one: the smallest
    remainder is right.
    """
    wrong = [
        (patch, rows, columns, prefix)
        for patch, rows, columns, prefix in itertools.product(
            (8, 14, 16, 32), range(2, 31), range(2, 31), (0, 1)
        )
        if infer((1, rows * columns + prefix, 64), (rows * patch, columns * patch))
        != Grid("tokens", (rows, columns), prefix=prefix)
    ]
    assert wrong == []


@pytest.mark.parametrize("registers", [0, 1, 4, 8, 16])
@pytest.mark.parametrize("size", [224, 256, 336, 384, 448, 518])
def test_registers_stand_before_the_grid(size, registers):
    side = size // 14
    shape = (1, side * side + 1 + registers, 384)
    assert infer(shape, (size, size)) == Grid("tokens", (side, side), prefix=1 + registers)


def test_more_leading_tokens_than_anybody_uses_are_not_explained_away():
    assert infer((1, 196 + MOST_PREFIX, 64), PHOTO) == Grid("tokens", (14, 14), prefix=MOST_PREFIX)
    assert infer((1, 9, 64), PHOTO) == Grid("tokens", (3, 3))
    assert infer((1, 7, 64), PHOTO) == Grid("tokens", (2, 2), prefix=3)
    assert infer((1, 2, 64), WIDE) == Grid("tokens", (1, 2))
    assert infer((1, 3, 64), (12, 4)) == Grid("tokens", (3, 1))
    assert infer((1, 500, 64), (32, 32)) is None


@pytest.mark.parametrize(
    ("size", "image", "fitting"),
    [
        ((7, 7), (224, 224), True),
        ((8, 8), (225, 225), True),
        ((7, 10), (224, 320), True),
        ((10, 7), (224, 320), False),
        ((14, 14), (224, 320), False),
        ((225, 225), (224, 224), True),
        ((226, 226), (224, 224), False),
        ((1, 1), (224, 224), True),
        ((1, 1), (5, 500), True),
        ((12, 197), (224, 224), False),
        ((2, 7, 7), (16, 224, 224), True),  # time has its own stride
        ((16, 7, 7), (16, 224, 224), True),
        ((18, 7, 7), (16, 224, 224), False),
        ((7, 7), (16, 224, 224), False),
        ((0, 7), (224, 224), False),
        ((13,), (24,), True),
        ((26,), (24,), False),
    ],
)
def test_a_map_has_the_proportions_of_the_input(size, image, fitting):
    assert fits(size, image) is fitting


def numbered(*shape):
    return torch.arange(float(torch.tensor(shape).prod())).reshape(shape)


@pytest.mark.parametrize(
    ("grid", "shape", "at"),
    [
        (Grid("channels first", (2, 3)), (5, 4, 2, 3), lambda t, c, y, x: t[:, c, y, x]),
        (Grid("channels last", (2, 3)), (5, 2, 3, 4), lambda t, c, y, x: t[:, y, x, c]),
        (Grid("tokens", (2, 3)), (5, 6, 4), lambda t, c, y, x: t[:, 3 * y + x, c]),
        (Grid("tokens", (2, 3), prefix=2), (5, 8, 4), lambda t, c, y, x: t[:, 2 + 3 * y + x, c]),
    ],
)
def test_reading_puts_every_number_in_its_place_and_writing_puts_it_back(grid, shape, at):
    tensor = numbered(*shape)
    read = grid.read(tensor)
    assert read.shape == (5, 4, 2, 3)
    for c, y, x in itertools.product(range(4), range(2), range(3)):
        assert torch.equal(read[:, c, y, x], at(tensor, c, y, x))
    assert torch.equal(grid.write(read, tensor), tensor)
    changed = grid.write(read + 100, tensor)
    assert torch.equal(grid.read(changed), read + 100)
    if grid.prefix:
        assert torch.equal(changed[:, : grid.prefix], tensor[:, : grid.prefix])


def test_reading_makes_no_copy():
    tensor = numbered(5, 8, 4)
    assert (
        Grid("tokens", (2, 3), prefix=2).read(tensor).untyped_storage().data_ptr()
        == tensor.data_ptr()
    )


@pytest.mark.parametrize(
    ("grid", "shape", "expected"),
    [
        ((6, 5), (3, 4, 6, 5), Grid("channels first", (6, 5))),
        ((6, 5), (3, 6, 5, 4), Grid("channels last", (6, 5))),
        ((6, 6), (3, 6, 6, 6), Grid("channels first", (6, 6))),
        ((6, 5), (3, 30, 4), Grid("tokens", (6, 5))),
        ((6, 5), (3, 90, 4), Grid("tokens", (6, 5), prefix=60)),
        ((24,), (3, 32, 24), Grid("channels first", (24,))),  # a signal's channels are not tokens
        ((24,), (3, 24, 16), Grid("channels last", (24,))),
        ((24,), (3, 25, 16), Grid("tokens", (24,), prefix=1)),
        ((2, 3, 4), (1, 25, 8), Grid("tokens", (2, 3, 4), prefix=1)),
        ([6, 5], (3, 30, 4), Grid("tokens", (6, 5))),
    ],
)
def test_stated_sizes_say_how_an_output_is_laid_out(grid, shape, expected):
    assert stated_grid(tuple(grid), shape) == expected


@pytest.mark.parametrize("shape", [(3, 4, 7, 7), (3, 29, 4), (3, 30)])
def test_stated_sizes_that_do_not_match_are_refused(shape):
    with pytest.raises(
        LayerError, match=r"the grid \(6, 5\) that you named; it has the shape .* Give sizes"
    ):
        stated_grid((6, 5), shape)


def test_a_function_reads_but_cannot_write():
    grid = stated_grid(lambda out: out[:, 1:].unflatten(1, (2, 3)).movedim(-1, 1), (5, 7, 4))
    assert grid.read(numbered(5, 7, 4)).shape == (5, 4, 2, 3)
    with pytest.raises(LayerError, match=r"no inverse.*grid=\(height, width\)"):
        grid.write(numbered(5, 4, 2, 3), numbered(5, 7, 4))


def test_the_error_names_what_came_and_what_to_do():
    text = str(unreadable_output("head", [(3, 8)], (3, 3, 12, 10)))
    assert "'head'" in text
    assert "it returned (3, 8)" in text
    assert "(12, 10), one for each of the 3 images" in text
    assert "grid=lambda out: out[:, 1:].unflatten(1, (height, width)).movedim(-1, 1)" in text
    assert "it returned no tensor at all" in str(unreadable_output("head", [], (3, 3, 12, 10)))
