"""Parts of a data set by their names, and limits that take evenly."""

import numpy as np
import pytest

from sightline.datasets.data import evenly, files_of_split, split_of
from sightline.errors import DataError


@pytest.mark.parametrize(
    ("stem", "part"),
    [
        ("train", "train"),
        ("Validation", "val"),
        ("test-00000-of-00001", "test"),
        ("instances_val2017", None),
        ("x_test", "test"),
        ("latest", None),
        ("trainval", "trainval"),
        ("test_batch", "test"),
    ],
)
def test_parts_are_told_by_whole_words(stem, part):
    assert split_of(stem) == part


def test_one_part_needs_no_choice(tmp_path):
    files = [tmp_path / "val-0.parquet", tmp_path / "val-1.parquet"]
    assert files_of_split(files, None, tmp_path) == (files, "val")
    assert files_of_split(files, "val-1", tmp_path) == (files[1:], "val-1")
    with pytest.raises(
        DataError,
        match=r"expected a part called 'test'; found val \(val-0\.parquet, val-1\.parquet\)",
    ):
        files_of_split(files, "test", tmp_path)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 10])
def test_limits_are_even_and_exact(count):
    taken = evenly(range(10), count)
    assert len(taken) == len(set(taken)) == count
    gaps = np.diff([*taken, 10])
    assert gaps.max() - gaps.min() <= 1
