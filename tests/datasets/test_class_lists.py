"""Lists of classes: ImageNet's own, text, JSON, and what is none."""

import pytest

from helpers.data_set_files import photo
from sightline.datasets.class_lists import Names, imagenet
from sightline.errors import DataError


def classes(root):
    photo(root / "cat" / "a.jpg")
    return photo(root / "dog" / "a.jpg").parents[1]


def test_imagenet_is_in_the_order_of_its_wnids():
    wnids = [wnid for wnid, _ in imagenet()]
    assert wnids == sorted(wnids)
    assert len(set(wnids)) == 1000
    assert dict(imagenet())["n01622779"] == "great grey owl"


@pytest.mark.parametrize(
    "entries",
    [
        7,
        "cat",
        {"a": "cat"},
        [{"label": 1, "name": "cat"}],
        [{"wnid": ""}],
        [3],
        {"0": "a", "2": "b"},
    ],
)
def test_lists_of_classes_that_are_none(entries):
    with pytest.raises(DataError, match="Expected a list of class names"):
        Names.of(entries)


def test_a_list_of_classes_as_text(tmp_path):
    (tmp_path / "c.txt").write_text("n01440764 tench\nn01443537 goldfish\n\n")
    assert Names.read(tmp_path / "c.txt").names == ("tench", "goldfish")
    assert Names.read(tmp_path / "c.txt").aliases == {
        "tench": ("n01440764",),
        "goldfish": ("n01443537",),
    }
    (tmp_path / "c.json").write_text("[")
    with pytest.raises(DataError, match=r"c\.json: expected a list of classes; it cannot be read"):
        Names.read(tmp_path / "c.json")
    (tmp_path / "c.json").write_text("7")
    with pytest.raises(DataError, match=r"c\.json: Expected a list of class names"):
        Names.read(tmp_path / "c.json")
