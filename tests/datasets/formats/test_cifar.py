"""Arrays of small pictures as data sets: in all their forms, in parts, with and without names."""

import io
import pickle

import numpy as np
import pytest
from PIL import Image

from helpers.data import shared
from helpers.data_set_files import photo
from sightline.datasets.formats.cifar import cifar
from sightline.errors import DataError
from sightline.images import read

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
NAMES = ["cat", "dog"]


def same(data, pixels=PIXELS):
    for record, expected in zip(data, pixels, strict=True):
        colours = expected if expected.ndim == 3 else np.repeat(expected[..., None], 3, 2)
        assert np.array_equal(np.asarray(read(record.picture)), colours)


def batch(path, start, stop, protocol=2, **rest):
    """A batch as CIFAR is published: rows of 3072, the channels one after the other."""
    rows = PIXELS[start:stop].transpose(0, 3, 1, 2).reshape(stop - start, -1)
    path.parent.mkdir(exist_ok=True)
    content = {
        b"data": rows,
        b"labels": [number % 2 for number in range(start, stop)],
        b"batch_label": b"x",
        **rest,
    }
    path.write_bytes(pickle.dumps(content, protocol=protocol))


@pytest.mark.parametrize("keys", [("x", "y"), ("images", "labels"), ("data", "label")])
@pytest.mark.parametrize("channels_first", [False, True])
def test_arrays_with_names(tmp_path, keys, channels_first):
    pixels = PIXELS.transpose(0, 3, 1, 2) if channels_first else PIXELS
    np.savez(tmp_path / "a.npz", **{keys[0]: pixels, keys[1]: [0, 1, 1, 0, 1], "classes": NAMES})
    data = cifar(tmp_path / "a.npz")
    assert [record.labels[0] for record in data] == ["cat", "dog", "dog", "cat", "dog"]
    assert (data.classes, data[3].name, data.kind) == (("cat", "dog"), "a 3", "cifar")
    same(data)


def test_grey_pictures_and_numbers_as_classes(tmp_path):
    np.savez(tmp_path / "a.npz", x=PIXELS[..., 0], y=np.array([7, 3, 7, 10, 3], np.uint8))
    data = cifar(tmp_path / "a.npz")
    assert data.classes == ("3", "7", "10")
    assert data[0].labels == ("7",)
    same(data, PIXELS[..., 0])


def test_pictures_without_labels(tmp_path):
    np.savez(tmp_path / "a.npz", images=PIXELS)
    data = cifar(tmp_path / "a.npz")
    assert (data.classes, data[0].labels, data.errors) == (None, (), {})


def test_parts_within_a_file(tmp_path):
    np.savez(
        tmp_path / "a.npz", x_train=PIXELS[:3], y_train=[0, 1, 2], x_test=PIXELS[3:], y_test=[2, 2]
    )
    data = cifar(tmp_path / "a.npz", split="test")
    assert [record.labels for record in data] == [("2",), ("2",)]
    same(data, PIXELS[3:])
    with pytest.raises(
        DataError, match=r"found 'x_train'.*Name one of the parts test, train with split"
    ):
        cifar(tmp_path / "a.npz")
    with pytest.raises(DataError, match=r"called x, images or data \(_val\); found 'x_train'"):
        cifar(tmp_path / "a.npz", split="val")


def test_a_file_is_not_taken_for_another_part(tmp_path):
    np.savez(tmp_path / "train.npz", x=PIXELS, y=[0] * 5)
    assert len(cifar(tmp_path / "train.npz", split="train")) == 5
    with pytest.raises(DataError, match=r"found 'x', 'y'\. Leave split out"):
        cifar(tmp_path / "train.npz", split="test")


def test_parts_as_files(tmp_path):
    for name, part in (("train", PIXELS[:3]), ("test", PIXELS[3:])):
        np.savez(tmp_path / f"{name}.npz", x=part, y=[0] * len(part))
    same(cifar(tmp_path, split="test"), PIXELS[3:])
    with pytest.raises(DataError, match="found several: test, train"):
        cifar(tmp_path)


def test_a_lone_array(tmp_path):
    np.save(tmp_path / "pictures.npy", PIXELS)
    assert cifar(tmp_path / "pictures.npy")[0].labels == ()
    np.save(tmp_path / "labels.npy", np.array([1, 1, 0, 0, 1]))
    (tmp_path / "classes.json").write_text('["cat", "dog"]')
    data = cifar(tmp_path)
    assert [record.labels[0] for record in data] == ["dog", "dog", "cat", "cat", "dog"]
    same(data)


def test_jpegs_one_after_the_other(tmp_path):
    files = [photo(tmp_path / f"{i}.jpg", colour=(i * 60, 0, 0)).read_bytes() for i in range(3)]
    joined = np.frombuffer(b"".join(files), np.uint8)
    offset = np.cumsum([0, *map(len, files)])
    np.savez(tmp_path / "a.npz", jpeg=joined, offset=offset, label=[1, 0, 1], classes=NAMES)
    data = cifar(tmp_path / "a.npz")
    assert [record.picture.read() for record in data] == files
    assert [record.labels[0] for record in data] == ["dog", "cat", "dog"]


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_batches_as_published(tmp_path, protocol):
    root = tmp_path / "cifar-10-batches-py"
    files = {"filenames": [f"f{i}.png".encode() for i in range(5)]}
    batch(root / "data_batch_1", 0, 2, protocol)
    batch(root / "data_batch_2", 2, 4, protocol)
    batch(root / "test_batch", 4, 5, protocol, **{"filenames": [b"t.png"]})
    (root / "batches.meta").write_bytes(
        pickle.dumps({b"label_names": [b"cat", b"dog"]}, protocol=protocol)
    )
    data = cifar(root, split="train")
    assert [record.labels[0] for record in data] == ["cat", "dog", "cat", "dog"]
    assert data.classes == ("cat", "dog")
    assert data[3].name == "data_batch_2 1"
    same(data, PIXELS[:4])
    (test,) = cifar(root, split="test")
    assert test.name == "t.png"
    assert np.array_equal(np.asarray(read(cifar(root / "test_batch")[0].picture)), PIXELS[4])
    batch(root / "data_batch_1", 0, 5, protocol, **files)
    assert [record.name for record in cifar(root / "data_batch_1")] == [
        f"f{i}.png" for i in range(5)
    ]


def test_batches_that_python_2_wrote(tmp_path):
    """Keys and arrays as Python 2's text: opcode U, which Python 3 never writes."""
    rows = b"\x01" * 3072
    text = (
        b"\x80\x02}(U\x04datacnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x01M\x00\x0c\x86cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xff"
        b"K\x00tb\x89T" + len(rows).to_bytes(4, "little") + rows + b"tbU\x06labels](K\x01eu."
    )
    (tmp_path / "data_batch_1").write_bytes(text)
    (record,) = cifar(tmp_path / "data_batch_1")
    assert record.labels == ("1",)
    assert np.asarray(read(record.picture)).tolist() == np.ones((32, 32, 3)).tolist()


def test_a_hundred_classes_are_named_by_the_fine_ones(tmp_path):
    batch(tmp_path / "train", 0, 2, fine_labels=[1, 0], coarse_labels=[0, 0])
    content = pickle.loads((tmp_path / "train").read_bytes())
    del content[b"labels"]
    (tmp_path / "train").write_bytes(pickle.dumps(content))
    names = {"fine_label_names": ["apple", "bear"], "coarse_label_names": ["all"]}
    (tmp_path / "meta").write_bytes(pickle.dumps(names))
    data = cifar(tmp_path)
    assert [record.labels for record in data] == [("bear",), ("apple",)]


def test_a_label_beyond_the_names_is_its_records_error(tmp_path):
    np.savez(tmp_path / "a.npz", x=PIXELS, y=[0, 1, 2, -1, 0], classes=NAMES)
    data = cifar(tmp_path / "a.npz")
    assert data.errors == {
        "a 2": "Expected a label from 0 to 1; row 2 of a.npz has 2. Mend it.",
        "a 3": "Expected a label from 0 to 1; row 3 of a.npz has -1. Mend it.",
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"z": PIXELS}, "expected an array of pictures called x, images or data; found 'z'"),
        ({"x": PIXELS.astype(np.float32)}, r"in uint8; came float32 \[5, 32, 32, 3\]"),
        ({"x": PIXELS, "y": [1, 2]}, "expected a label for each of its 5 pictures; found 2"),
        ({"x": PIXELS[:0]}, "expected at least one picture; found none"),
    ],
)
def test_arrays_that_do_not_fit(tmp_path, content, message):
    np.savez(tmp_path / "a.npz", **content)
    with pytest.raises(DataError, match=message):
        cifar(tmp_path / "a.npz")


def test_a_folder_without_arrays(tmp_path):
    with pytest.raises(DataError, match="found none"):
        cifar(tmp_path)


@pytest.mark.slow
def test_the_real_thing():
    data = cifar(shared("cifar10"), split="test")
    assert (len(data), data.split, data.classes[3]) == (5000, "test", "cat")
    with np.load(shared("cifar10", "test.npz")) as file:
        jpeg, offset, label = file["jpeg"], file["offset"], file["label"]
    for row in (0, 17, 4999):
        expected = np.asarray(Image.open(io.BytesIO(jpeg[offset[row] : offset[row + 1]].tobytes())))
        assert np.array_equal(np.asarray(read(data[row].picture)), expected)
        assert data[row].labels == (data.classes[label[row]],)
