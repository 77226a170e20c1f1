"""Masks that are drawn late: polygons, run lengths plain and packed, palette pictures."""

import pickle

import numpy as np
import pytest

from helpers.data import shared
from helpers.data_set_files import packed_runs, palette
from sightline.datasets import coco
from sightline.datasets.masks import PaletteIndex, Polygons, Rectangle, RunLengths, unpacked
from sightline.errors import DataError


def runs(mask: np.ndarray) -> list[int]:
    """Down the columns, first what is not in the mask."""
    flat, counts, value = mask.T.ravel(), [0], False
    for pixel in flat:
        if pixel != value:
            counts.append(0)
            value = not value
        counts[-1] += 1
    return counts


def test_run_lengths_by_hand():
    mask = RunLengths((2, 3, 1), (2, 3)).draw()  # columns of 3: [0 0 1] [1 1 0]
    assert mask.astype(int).tolist() == [[0, 1], [0, 1], [1, 0]]
    assert RunLengths((0, 6), (2, 3)).draw().all()


def test_packed_and_plain_run_lengths_are_twins():
    generator = np.random.default_rng(0)
    for height, width in [(1, 1), (7, 5), (40, 60), (200, 3), (333, 500)]:
        mask = generator.random((height, width)) < 0.5
        mask[height // 3 : height // 2] = True  # long runs, and differences of both signs
        counts = runs(mask)
        assert unpacked(packed_runs(counts)) == tuple(counts)
        for form in (tuple(counts), packed_runs(counts)):
            assert np.array_equal(RunLengths(form, (width, height)).draw(), mask)


def test_packed_by_hand():
    # 37 = 5 + 32 * 1: '5' with the flag for more (48 + 32 + 5 = 'U'), then '1'. The fourth, 3, is
    # written as 3 - 2 = 1.
    assert unpacked("U1261") == (37, 2, 6, 3)
    assert packed_runs([37, 2, 6, 3]) == "U1261"


@pytest.mark.parametrize("text", ["U", "5 2", "é"])
def test_packed_text_that_is_none(text):
    with pytest.raises(DataError, match="Expected COCO's packed run lengths"):
        unpacked(text)


def test_runs_of_another_size():
    with pytest.raises(
        DataError, match="Expected run lengths of 4 x 3 = 12 pixels together; these make 6"
    ):
        RunLengths((2, 3, 1), (4, 3)).draw()
    with pytest.raises(DataError, match="Expected run lengths"):
        RunLengths((2, -3, 7), (2, 3)).draw()


def test_polygons_by_pixel_centres():
    triangle = Polygons(((0, 0, 4, 0, 0, 4),), (5, 5)).draw()  # centres with x + y < 4
    assert triangle.astype(int).tolist() == [
        [1, 1, 1, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 0, 0, 0, 0],
        [0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0],
    ]
    two = Polygons(((0, 0, 1, 0, 1, 5, 0, 5), (3.6, 1, 9, 1, 9, 2, 3.6, 2)), (5, 5)).draw()
    assert two.sum(0).tolist() == [
        5,
        0,
        0,
        0,
        1,
    ]  # cut at the picture's edge; column 3's centre, 3.5, is outside
    assert two[1, 4]


def test_polygons_against_every_pixel_asked():
    """The slow twin: a ray to the left from each centre, and the edges that it crosses."""
    generator = np.random.default_rng(1)
    for _ in range(20):
        outline = (generator.random(14) * 24 - 2).tolist()
        corners = list(zip(outline[::2], outline[1::2], strict=True))
        expected = np.zeros((20, 18), bool)
        for row in range(20):
            for column in range(18):
                for (x, y), (to_x, to_y) in zip(corners, corners[1:] + corners[:1], strict=True):
                    if (y <= row + 0.5) != (to_y <= row + 0.5):
                        at = x + (row + 0.5 - y) * (to_x - x) / (to_y - y)
                        expected[row, column] ^= at <= column + 0.5
        assert np.array_equal(Polygons((tuple(outline),), (18, 20)).draw(), expected)


def test_a_traced_outline_is_told_by_its_area():
    outline = (2, 1, 5, 1, 5, 3, 2, 3)  # as corners 3 x 2 pixels, as outermost pixels 4 x 3
    assert Polygons((outline,), (8, 6)).draw().sum() == 6
    assert Polygons((outline,), (8, 6), area=6).draw().sum() == 6
    assert Polygons((outline,), (8, 6), area=12).draw().sum() == 12


def test_a_polygon_with_two_corners():
    with pytest.raises(DataError, match="at least three corners, x and y in turn; came 4 numbers"):
        Polygons(((0, 0, 4, 4),), (5, 5)).draw()


def test_real_polygons_have_the_areas_that_coco_states():
    ratios = [
        one.mask.draw().sum() / one.mask.area
        for record in coco(shared("coco-subset"), limit=60)
        for one in record.objects
        if isinstance(one.mask, Polygons)
    ]
    assert len(ratios) > 200
    assert np.median(ratios) == pytest.approx(1, abs=0.001)
    assert np.mean(np.abs(np.array(ratios) - 1) < 0.05) > 0.9


def test_a_palette_s_index(tmp_path):
    indices = np.zeros((4, 6), int)
    indices[1:3, 1:4] = 2
    indices[0] = 255
    palette(tmp_path / "a.png", indices)
    assert np.array_equal(PaletteIndex(tmp_path / "a.png", 2).draw(), indices == 2)
    assert not PaletteIndex(tmp_path / "a.png", 1).draw().any()
    assert PaletteIndex(tmp_path / "a.png", 2, box=(0, 0, 2, 4)).draw().sum() == 2


def test_a_palette_picture_that_is_none(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no")
    with pytest.raises(DataError, match=r"expected a palette picture .* cannot be read"):
        PaletteIndex(tmp_path / "a.png", 1).draw()
    with pytest.raises(DataError, match=r"expected a palette picture .* cannot be read"):
        PaletteIndex(tmp_path / "b.png", 1).draw()


def test_masks_are_small_and_can_be_sent():
    for mask in (
        RunLengths((2, 3, 1), (2, 3)),
        Polygons(((0, 0, 4, 0, 0, 4),), (5, 5)),
        Rectangle((0, 0, 1, 1), (2, 2)),
    ):
        assert np.array_equal(pickle.loads(pickle.dumps(mask)).draw(), mask.draw())
        assert len(pickle.dumps(mask)) < 300
