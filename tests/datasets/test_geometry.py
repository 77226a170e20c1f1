"""Where boxes, masks and maps go: against what `images.prepare` does to painted pictures."""

import numpy as np
import pytest
import torch

from helpers.data_set_files import white
from sightline.datasets import Placement, mask_to_view, placement, to_photo, to_view
from sightline.errors import DataError, ImageError
from sightline.images import prepare
from sightline.types import Preprocess

SHAPES = [
    ((100, 60), Preprocess(resize=30, crop=(20, 40))),
    ((60, 100), Preprocess(resize=30, crop=(30, 30))),
    ((37, 53), Preprocess(resize=111, crop=(96, 96))),
    ((64, 64), Preprocess(resize=64, crop=(90, 80))),  # with a black border
    ((51, 40), Preprocess(resize=None, crop=(31, 64))),
    ((77, 50), Preprocess(resize=40, crop=None)),
    ((31, 47), Preprocess(resize=None, crop=None)),
    ((60, 100), Preprocess(resize=(40, 44), crop=None)),  # squeezed
    ((60, 100), Preprocess(resize=(80, 70), crop=(64, 64))),
    ((500, 333), Preprocess(resize=256, crop=(224, 224), interpolation="bicubic")),
]


def test_by_hand():
    # 100 x 60, short side to 30: 50 x 30; a crop of 40 x 20 begins at (50 - 40) / 2 = 5 and (30 -
    # 20) / 2 = 5.
    place = placement((100, 60), Preprocess(resize=30, crop=(20, 40)))
    assert place == Placement(photo=(100, 60), resized=(50, 30), offset=(5, 5), view=(40, 20))
    boxes, remain = to_view(
        torch.tensor([[20, 20, 60, 40], [0, 0, 12, 60], [0, 0, 10, 60], [90, 30, 100, 31]]), place
    )
    assert boxes.tolist() == [[5, 5, 25, 15], [0, 0, 1, 20], [0, 0, 0, 20], [40, 10, 40, 10.5]]
    assert remain.tolist() == [True, True, False, False]
    assert boxes.dtype == torch.float32


@pytest.mark.parametrize(("size", "preprocess"), SHAPES)
def test_the_placement_is_that_of_prepare(size, preprocess):
    place = placement(size, preprocess)
    ready = prepare(np.full((size[1], size[0], 3), 255, np.uint8), preprocess).seen[0, 0]
    assert ready.shape == (place.view[1], place.view[0])
    columns, rows = (ready.amax(axis).nonzero().flatten() for axis in (0, 1))  # what is not border
    for axis, lit in enumerate((columns, rows)):
        assert lit[0] == max(0, -place.offset[axis])
        assert lit[-1] + 1 == min(place.view[axis], place.resized[axis] - place.offset[axis])


@pytest.mark.parametrize(("size", "preprocess"), SHAPES)
def test_a_painted_box_lands_where_to_view_says(size, preprocess):
    generator = np.random.default_rng(0)
    place = placement(size, preprocess)
    scale = min(place.resized[0] / size[0], 1)
    for _ in range(12):
        left, top = (int(generator.integers(0, side * 2 // 3)) for side in size)
        right = int(generator.integers(left + size[0] // 4, size[0] + 1))
        bottom = int(generator.integers(top + size[1] // 4, size[1] + 1))
        pixels = prepare(white(size, (left, top, right, bottom)), preprocess).seen[0, 0]
        (box,), (remains,) = to_view(torch.tensor([[left, top, right, bottom]]), place)
        if not remains:
            assert pixels.max() < 0.6
            continue
        lit = (pixels >= 0.5).nonzero()
        if min(box[2] - box[0], box[3] - box[1]) < 2:
            continue  # a sliver at the crop's edge may be grey all over
        found = torch.tensor(
            [lit[:, 1].min(), lit[:, 0].min(), lit[:, 1].max() + 1, lit[:, 0].max() + 1]
        )
        assert (found - box).abs().max() <= 0.5 + 0.02 / scale, (box, found)
        # The light in all is the box's area, wherever nothing of it was cut off (black around it).
        if box[0] > 3 and box[1] > 3 and box[2] < place.view[0] - 3 and box[3] < place.view[1] - 3:
            area = float((box[2] - box[0]) * (box[3] - box[1]))
            assert float(pixels.sum()) == pytest.approx(area, rel=0.03)


@pytest.mark.parametrize(("size", "preprocess"), SHAPES)
def test_a_mask_lands_where_its_picture_does(size, preprocess):
    place = placement(size, preprocess)
    mask = np.zeros((size[1], size[0]), bool)
    mask[size[1] // 5 : size[1] // 2, size[0] // 4 : size[0] * 3 // 4] = True
    moved = mask_to_view(torch.from_numpy(mask), place)
    seen = prepare(np.repeat(mask[..., None], 3, 2).astype(np.uint8) * 255, preprocess).seen[0, 0]
    sure = (seen < 0.2) | (seen > 0.8)
    assert moved.dtype == torch.bool
    assert torch.equal(moved[sure], seen[sure] > 0.5)


def test_a_mask_by_hand():
    place = placement(
        (2, 1), Preprocess(resize=2, crop=(4, 4))
    )  # 4 x 2, then one row of nothing above and below
    mask = torch.tensor([[True, False]])
    assert mask_to_view(mask, place).int().tolist() == [
        [0] * 4,
        [1, 1, 0, 0],
        [1, 1, 0, 0],
        [0] * 4,
    ]


@pytest.mark.parametrize(("size", "preprocess"), SHAPES)
def test_boxes_come_back(size, preprocess):
    place = placement(size, preprocess)
    width, height = size
    inner = torch.tensor([[width * 0.4, height * 0.4, width * 0.6, height * 0.6]])
    moved, remain = to_view(inner, place)
    scale = torch.tensor([p / r for p, r in zip(place.photo, place.resized, strict=True)])
    back = (moved + torch.tensor(place.offset).repeat(2)) * scale.repeat(2)
    assert remain.all()
    cut = (
        (moved[0, 0] == 0)
        | (moved[0, 2] == place.view[0])
        | (moved[0, 1] == 0)
        | (moved[0, 3] == place.view[1])
    )
    assert cut or torch.allclose(back, inner, atol=1e-4)


@pytest.mark.parametrize(("size", "preprocess"), SHAPES)
def test_a_slope_stays_a_slope_on_the_way_back(size, preprocess):
    """A map whose value is the place itself: in the photograph each pixel reads its own centre."""
    place = placement(size, preprocess)
    x = torch.arange(place.view[0], dtype=torch.float64) + 0.5
    back = to_photo(x.expand(place.view[1], -1), place)
    assert back.shape == (size[1], size[0])
    expected = (torch.arange(size[0], dtype=torch.float64) + 0.5) * place.resized[0] / size[
        0
    ] - place.offset[0]
    reach = max(1.0, place.resized[0] / size[0])
    safe = (expected >= reach) & (
        expected <= place.view[0] - reach
    )  # near the crop's edge the last pixel is repeated
    rows = back.abs().sum(1) > 0
    assert rows.any()
    assert safe.any()
    assert torch.allclose(
        back[rows][:, safe],
        expected[safe].expand(int(rows.sum()), -1),
        atol=0.26 * (reach > 1) + 1e-9,
    )
    outside = (expected < 0) | (expected >= place.view[0])
    assert not back[:, outside].any()


def test_back_to_the_photograph_by_hand():
    place = placement((4, 2), Preprocess(resize=None, crop=(2, 2)))
    seen = torch.tensor([[0.25, 0.5], [0.75, 1.0]])
    assert to_photo(seen, place).tolist() == [[0, 0.25, 0.5, 0], [0, 0.75, 1.0, 0]]
    assert to_photo(seen > 0.6, place).tolist() == [[False] * 4, [False, True, True, False]]
    assert to_photo(torch.stack([seen, seen * 2]), place).shape == (2, 2, 4)
    half = placement((2, 2), Preprocess(resize=1, crop=None))
    assert to_photo(torch.tensor([[0.5]]), half).tolist() == [[0.5, 0.5], [0.5, 0.5]]


def test_nothing_is_passed_over_where_the_photograph_is_smaller():
    """A single bright pixel of a view of 64 is still there in a photograph of 8."""
    place = placement((8, 8), Preprocess(resize=64, crop=(64, 64)))
    for column in range(64):
        seen = torch.zeros(64, 64)
        seen[30, column] = 1
        assert to_photo(seen, place).sum() > 0


def test_a_mask_goes_there_and_back():
    place = placement((30, 20), Preprocess(resize=60, crop=(60, 60)))
    mask = torch.zeros(20, 30, dtype=torch.bool)
    mask[4:9, 7:20] = True
    back = to_photo(mask_to_view(mask, place), place)
    assert torch.equal(back, mask)


def test_what_does_not_fit_is_told():
    place = placement((4, 2), Preprocess(resize=None, crop=(2, 2)))
    with pytest.raises(
        DataError, match=r"of the photograph's size, 2 x 4 \(height x width\); came 4 x 2\. Give"
    ):
        mask_to_view(torch.zeros(4, 2, dtype=torch.bool), place)
    with pytest.raises(
        DataError, match=r"of the view's size, 2 x 2 \(height x width\); came 2 x 4"
    ):
        to_photo(torch.zeros(2, 4), place)
    with pytest.raises(ImageError, match="at least one pixel"):
        placement((4, 2), Preprocess(resize=0, crop=None))


def test_no_boxes_are_no_boxes():
    boxes, remain = to_view(
        torch.zeros(0, 4), placement((4, 2), Preprocess(resize=None, crop=None))
    )
    assert boxes.shape == (0, 4)
    assert remain.shape == (0,)
