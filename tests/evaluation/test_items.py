"""The items of a data set: one an image, or one an image and class; some with an error."""

import io
from pathlib import Path

import pytest
import torch
from PIL import Image

from helpers.small_runs import PREPROCESS
from sightline.datasets import Data, Object, Record, open_data
from sightline.evaluation.items import DatasetItems, Item, ItemBatch, thumbnail
from sightline.types import Preprocess


def photo(path, size=(20, 16)):
    Image.new("RGB", size, (200, 100, 0)).save(path)
    return path


def test_each_is_read_and_prepared_and_a_broken_one_keeps_its_error(folder):
    items = DatasetItems(open_data(folder), PREPROCESS, views=8)
    items.class_numbers = {"cat": 0, "dog": 1, "emu": 2}
    read = {item.name: item for item in items}
    assert len(items) == len(read) == 12
    broken = read["dog/04.png"]
    assert broken.inputs is None
    assert "04.png" in broken.error
    whole = read["emu/02.png"]
    assert (whole.label, whole.label_name, whole.error) == (2, "emu", None)
    assert whole.inputs.shape == (3, 16, 16)
    assert Image.open(io.BytesIO(whole.view)).size == (8, 8)


def test_given_classes_make_an_item_each_and_boxes_of_one_class_are_put_together(tmp_path):
    boxes = [
        Object("cat", (0, 0, 8, 8)),
        Object("tom", (8, 8, 16, 16)),
        Object("dog", (2, 2, 6, 6)),
    ]
    record = Record("a", photo(tmp_path / "a.png"), objects=tuple(boxes), labels=("cat", "dog"))
    data = Data("one", "voc", Path(tmp_path), (record,), ("cat", "tom", "dog"))
    keep = Preprocess(resize=None, crop=None)
    items = DatasetItems(data, keep, explained="given")
    items.class_numbers = {"cat": 5, "tom": 5, "dog": None}
    first, second = items
    assert (first.label, first.label_name, second.label, second.label_name) == (
        5,
        "cat",
        None,
        "dog",
    )
    assert first.boxes[5].tolist() == [[0, 0, 8, 8], [8, 8, 16, 16]]
    assert set(first.boxes) == {5}


def test_a_batch_has_the_thumbnails_of_those_that_have_one():
    batch = ItemBatch(0, [Item(3, "a", view=b"x"), Item(4, "b"), Item(5, "c", view=b"y")], True)
    assert batch.thumbnails() == [{"item": 3, "jpeg": b"x"}, {"item": 5, "jpeg": b"y"}]


@pytest.mark.parametrize(("shape", "size"), [((3, 40, 20), (5, 10)), ((1, 9, 9), (9, 9))])
def test_a_thumbnail_is_what_the_model_saw_made_small(shape, size):
    grey = Preprocess(mean=(0.5,) * shape[0], std=(0.25,) * shape[0])
    picture = Image.open(io.BytesIO(thumbnail(torch.zeros(shape), grey, 10)))
    assert picture.size == size
    assert abs(picture.convert("L").getpixel((2, 2)) - 128) <= 2
    assert thumbnail(torch.zeros(8, 4, 4), grey, 10) is None
    assert thumbnail(torch.zeros(3, 4, 4, 4), grey, 10) is None
