"""One record in the model's view: picture, boxes and masks in the same pixels, opened once; and
what cannot be used.
"""

import io
import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from helpers.data import shared
from helpers.data_set_files import photo, voc_item, white
from sightline.datasets import Object, Record, load, open_data, voc
from sightline.errors import DataError, ImageError
from sightline.images import decode as decoding
from sightline.images import prepare
from sightline.types import Preprocess

HALF = Preprocess(resize=30, crop=(30, 30))  # of 100 x 60: 50 x 30, then x from 10


def record(*objects, picture=None, **rest):
    pixels = np.zeros((60, 100, 3), np.uint8) if picture is None else picture
    return Record("a", pixels, objects=objects, annotated=True, **rest)


def test_the_input_is_that_of_prepare(tmp_path):
    path = photo(tmp_path / "a.jpg", 100, 60)
    view = load(Record("a", path), HALF)
    assert torch.equal(view.inputs, prepare(path, HALF).inputs[0])
    assert (view.name, view.placement.offset, view.boxes_by_name) == ("a", (10, 0), {})


def test_boxes_by_name():
    view = load(
        record(
            Object("cat", (20, 10, 40, 30)),
            Object("dog", (60, 0, 100, 60)),
            Object("cat", (0, 0, 20, 60)),  # left of the crop
            Object("cow", (90, 0, 100, 60)),  # right of it
        ),
        HALF,
    )
    assert {name: boxes.tolist() for name, boxes in view.boxes_by_name.items()} == {
        "cat": [[0, 5, 10, 15]],
        "dog": [[20, 0, 30, 30]],
        "cow": [],
    }
    assert view.boxes_by_name["cow"].shape == (0, 4)
    assert view.outside == {"cat": 1, "cow": 1}
    assert view.masks_by_name == view.ignore_by_name == {}


def test_difficult_objects_and_crowds_are_left_out_and_their_regions_told():
    objects = (
        Object("cat", (20, 0, 40, 60)),
        Object("cat", (40, 0, 60, 60), difficult=True),
        Object("dog", (60, 0, 80, 60), crowd=True),
    )
    view = load(record(*objects), HALF)
    assert {name: boxes.tolist() for name, boxes in view.boxes_by_name.items()} == {
        "cat": [[0, 0, 10, 30]]
    }
    assert {
        name: region.nonzero()[:, 1].unique().tolist()
        for name, region in view.ignore_by_name.items()
    } == {
        "cat": list(range(10, 20)),
        "dog": list(range(20, 30)),
    }
    with_all = load(record(*objects), HALF, difficult=True)
    assert with_all.boxes_by_name["cat"].tolist() == [[0, 0, 10, 30], [10, 0, 20, 30]]
    assert list(with_all.ignore_by_name) == ["dog"]


def test_masks_are_joined_where_all_are_known():
    left, right = (
        white((100, 60), box)[..., 0] > 0 for box in [(20, 10, 40, 30), (60, 10, 80, 30)]
    )
    both = record(Object("cat", (20, 10, 40, 30), left), Object("cat", (60, 10, 80, 30), right))
    mask = load(both, HALF).masks_by_name["cat"]
    assert mask.dtype == torch.bool
    assert mask.nonzero()[:, 1].unique().tolist() == [*range(10), *range(20, 30)]
    assert mask.nonzero()[:, 0].unique().tolist() == list(range(5, 15))
    half_known = record(Object("cat", (20, 10, 40, 30), left), Object("cat", (60, 10, 80, 30)))
    assert load(half_known, HALF).masks_by_name == {}


def test_what_is_painted_is_where_the_view_says():
    """One picture with a white box: the same place by the picture, by the box and by the mask."""
    pixels = white((100, 60), (31, 12, 66, 47))
    one = Object("it", (31, 12, 66, 47), pixels[..., 0] > 0)
    for preprocess in (
        HALF,
        Preprocess(resize=90, crop=(80, 70)),
        Preprocess(resize=None, crop=(80, 120)),
    ):
        view = load(record(one, picture=pixels), preprocess)
        seen = prepare(pixels, preprocess).seen[0, 0] > 0.5
        rows, columns = seen.nonzero().T
        lit = torch.tensor([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        assert (view.boxes_by_name["it"][0] - lit).abs().max() <= 0.5
        assert (view.masks_by_name["it"] ^ seen).sum() <= 0.5 * 2 * (
            lit[2] - lit[0] + lit[3] - lit[1]
        )


def test_an_unannotated_record_has_a_picture_only():
    view = load(Record("a", np.zeros((60, 100, 3), np.uint8)), HALF)
    assert view.boxes_by_name == view.masks_by_name == view.ignore_by_name == view.outside == {}


def test_the_picture_is_decoded_once(tmp_path, monkeypatch):
    path = photo(tmp_path / "a.png", 100, 60)
    seen = []
    original = decoding.load
    monkeypatch.setattr(
        decoding, "load", lambda picture, name: (seen.append(name), original(picture, name))[1]
    )
    load(
        Record("a", path, objects=(Object("cat", (1, 1, 9, 9)),), annotated=True, size=(100, 60)),
        HALF,
    )
    assert seen == ["a"]


# -- what cannot be used --


def test_a_record_with_an_error():
    with pytest.raises(DataError, match=r"^a: Expected better\.$"):
        load(Record("a", b"", error="Expected better."), HALF)


@pytest.mark.parametrize("content", [b"", b"no picture", None])
def test_a_picture_that_cannot_be_read(tmp_path, content):
    path = tmp_path / "a.jpg"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ImageError, match="expected a picture"):
        load(Record("a", path), HALF)


def test_a_truncated_jpeg(tmp_path):
    path = photo(tmp_path / "a.jpg", 100, 60)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(
        ImageError, match="a: expected a whole picture; came a truncated or damaged"
    ):
        load(Record("a", path), HALF)


def test_an_annotation_of_another_size():
    message = (
        r"^a: expected a picture of 200 x 120 pixels, as its annotation says; came 100 x 60\. They"
        r" do not belong"
    )
    with pytest.raises(DataError, match=message):
        load(record(size=(200, 120)), HALF)


def test_a_photograph_annotated_before_it_was_turned_upright():
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    Image.new("RGB", (100, 60)).save(file, "JPEG", exif=exif)
    box = Object("cat", (1, 1, 9, 9))
    with pytest.raises(
        DataError, match=r"100 x 60 pixels, .*came 60 x 100\. It was annotated lying on its side"
    ):
        load(record(box, picture=file.getvalue(), size=(100, 60)), HALF)
    upright = load(record(box, picture=file.getvalue(), size=(60, 100)), HALF)
    assert upright.placement.photo == (60, 100)


def test_a_box_that_does_not_fit_the_picture():
    """Where the annotation states no size, the picture itself tells."""
    with pytest.raises(
        DataError, match=r"a: Expected a box within the picture of 100 x 60 pixels; the cat's is"
    ):
        load(record(Object("cat", (50, 10, 150, 30))), HALF)
    assert load(record(Object("cat", (50, 10, 100.9, 30))), HALF).boxes_by_name["cat"].tolist() == [
        [15, 5, 30, 15]
    ]


def test_a_mask_of_another_size_or_a_broken_one(tmp_path):
    wrong = Object("cat", (1, 1, 9, 9), np.ones((100, 60), bool))
    with pytest.raises(
        DataError, match=r"a: expected a mask of 60 x 100 pixels .*for a cat; came 100 x 60"
    ):
        load(record(wrong), HALF)
    voc_item(tmp_path, "a", [("cat", 1, 1, 5, 5)])
    (tmp_path / "SegmentationObject").mkdir()
    (tmp_path / "SegmentationObject" / "a.png").write_bytes(b"no")
    with pytest.raises(DataError, match=r"a: the mask of a cat: .*expected a palette picture"):
        load(voc(tmp_path)[0], HALF)


# -- workers --


class Views:
    """What an evaluation does in its workers."""

    def __init__(self, data):
        self.data = data

    def __len__(self):
        return len(self.data)

    def __getitem__(self, index):
        return load(self.data[index], Preprocess(resize=32, crop=(32, 32)))


def test_workers_load_views(tmp_path):
    for stem in "abcd":
        voc_item(tmp_path, stem, [("cat", 1, 1, 10, 5)])
    views = list(DataLoader(Views(voc(tmp_path)), batch_size=None, num_workers=2))
    assert [view.name for view in views] == list("abcd")
    # 20 x 10 becomes 64 x 32 and loses 16 on either side.
    assert all(view.boxes_by_name["cat"].tolist() == [[0, 0, 16, 16]] for view in views)


def test_views_are_light(tmp_path):
    voc_item(tmp_path, "a", [("cat", 1, 1, 10, 5)])
    view = load(voc(tmp_path)[0], Preprocess())
    assert len(pickle.dumps(view)) < 4 * 3 * 224 * 224 + 3000


REAL = [
    "voc2007-sample",
    "coco-subset",
    "kangaroo-voc",
    "raccoon-voc",
    "imagenet-samples",
    "tinyimagenet50",
    "cifar10",
]


@pytest.mark.slow
@pytest.mark.parametrize("folder", REAL)
def test_real_records_all_load(folder):
    split = {"tinyimagenet50": "val", "cifar10": "test"}.get(folder)
    data = open_data(shared(folder), split=split, limit=24)
    boxes = 0
    for one in data:
        view = load(one, Preprocess())
        assert view.inputs.shape == (3, 224, 224)
        for name, found in view.boxes_by_name.items():
            assert ((found >= 0) & (found <= 224)).all()
            mask = view.masks_by_name.get(name)
            if mask is not None and len(found):  # the masks lie in the boxes
                left, top, right, bottom = (
                    found.amin(0)[0],
                    found.amin(0)[1],
                    found.amax(0)[2],
                    found.amax(0)[3],
                )
                rows, columns = mask.nonzero().T
                assert ((columns > left - 8) & (columns < right + 8)).float().mean() > 0.95
                assert ((rows > top - 8) & (rows < bottom + 8)).float().mean() > 0.95
            boxes += len(found)
    assert boxes > 0 or not any(one.annotated for one in data)
