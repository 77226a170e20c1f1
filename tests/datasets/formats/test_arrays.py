"""Files of many small pictures: their shapes by hand, one row of them, when they are read again."""

import os
import pickle

import numpy as np
import pytest

from sightline.datasets.formats.arrays import Arrays, InArray, opened
from sightline.datasets.formats.cifar import cifar
from sightline.errors import DataError, ImageError
from sightline.images import read

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)


def test_a_row_of_cifar_is_three_squares_one_after_the_other(tmp_path):
    """0 to 11: red is 0 to 3, green 4 to 7, blue 8 to 11, each in the order of reading."""
    np.savez(tmp_path / "a.npz", data=np.arange(12, dtype=np.uint8)[None])
    assert opened(tmp_path / "a.npz").pictures.tolist() == [
        [[[0, 4, 8], [1, 5, 9]], [[2, 6, 10], [3, 7, 11]]]
    ]


@pytest.mark.parametrize(
    ("shape", "want"),
    [
        ((2, 3, 4, 5), (2, 4, 5, 3)),
        ((2, 4, 5, 3), (2, 4, 5, 3)),
        ((2, 3, 4, 3), (2, 3, 4, 3)),
        ((2, 4, 5, 1), (2, 4, 5)),
        ((2, 4, 5), (2, 4, 5)),
    ],
)
def test_channels_come_last_and_grey_has_none(tmp_path, shape, want):
    np.savez(tmp_path / "a.npz", x=np.zeros(shape, np.uint8))
    assert opened(tmp_path / "a.npz").pictures.shape == want


@pytest.mark.parametrize("shape", [(2, 5), (2, 4, 5, 4), (7,)])
def test_other_shapes_are_refused_with_what_came(tmp_path, shape):
    np.savez(tmp_path / "a.npz", x=np.zeros(shape, np.uint8))
    with pytest.raises(DataError) as told:
        opened(tmp_path / "a.npz")
    assert f"in uint8; came uint8 {list(shape)}. Convert them" in str(told.value)


def test_files_one_after_the_other_are_counted_by_their_offsets():
    joined = np.arange(5, dtype=np.uint8)
    count = lambda *offsets: len(Arrays(joined, np.array(offsets), None, None))  # noqa: E731
    assert (count(0, 3, 5), count(0), count()) == (2, 0, 0)
    assert len(Arrays(joined, None, None, None)) == 5


def test_one_row_is_the_file_between_two_offsets(tmp_path):
    np.savez(tmp_path / "a.npz", jpeg=np.frombuffer(b"onetwo3", np.uint8), offset=[0, 3, 6, 7])
    path = str(tmp_path / "a.npz")
    assert [InArray(path, row).read() for row in range(3)] == [b"one", b"two", b"3"]
    with pytest.raises(ImageError, match=r"a\.npz\[3\]: expected a picture in this file"):
        InArray(path, 3).read()


def test_a_file_is_opened_once_until_it_changes(tmp_path):
    path = tmp_path / "pictures.npy"
    np.save(path, PIXELS)
    first = opened(path)
    assert opened(path) is first
    assert first.labels is None
    np.save(tmp_path / "labels.npy", np.array([4, 3, 2, 1, 0]))
    labelled = opened(path)
    assert labelled.labels.tolist() == [4, 3, 2, 1, 0]
    np.save(tmp_path / "labels.npy", np.zeros(5, int))
    os.utime(tmp_path / "labels.npy", ns=(1, 1))
    assert opened(path).labels.tolist() == [0, 0, 0, 0, 0]
    with pytest.raises(
        DataError, match=r"gone\.npy: expected a file of arrays; it cannot be opened"
    ):
        opened(tmp_path / "gone.npy")


def test_broken_files(tmp_path):
    np.savez(tmp_path / "a.npz", x=PIXELS)
    whole = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(whole[:200])
    with pytest.raises(DataError, match=r"is broken|cannot be read"):
        opened(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", x=np.array([{"a": 1}], dtype=object))
    with pytest.raises(
        DataError, match="expected numpy's arrays of numbers or text; it cannot be read"
    ):
        opened(tmp_path / "b.npz")


def test_a_file_that_went_away(tmp_path):
    np.savez(tmp_path / "a.npz", x=PIXELS)
    record = cifar(tmp_path / "a.npz")[1]
    (tmp_path / "a.npz").unlink()
    with pytest.raises(
        ImageError, match=r"a\.npz\[1\]: expected a picture in this file; it cannot be read"
    ):
        record.picture.read()


def test_records_are_light(tmp_path):
    np.savez(tmp_path / "a.npz", x=PIXELS, y=[0] * 5)
    record = cifar(tmp_path / "a.npz")[1]
    sent = pickle.dumps(record)
    assert len(sent) < 600
    assert np.array_equal(np.asarray(read(pickle.loads(sent).picture)), PIXELS[1])


def test_a_pickle_of_something_else(tmp_path):
    (tmp_path / "data_batch_1").write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(
        DataError, match="expected a dict of arrays, as CIFAR is published; came list"
    ):
        opened(tmp_path / "data_batch_1")
