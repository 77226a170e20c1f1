"""The picture of a map: rectified, enlarged linearly, divided by its maximum."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from torch.nn.functional import interpolate

from helpers.closeness import assert_near
from reference.image_map import image_map as slowly
from sightline.errors import LayerError
from sightline.maps.upsample import image_map

MODES = {1: "linear", 2: "bilinear", 3: "trilinear"}


def by_torch(coarse, size, **options):
    big = interpolate(
        coarse.relu()[:, None], size, mode=MODES[len(size)], align_corners=False, **options
    )[:, 0]
    return big / big.flatten(1).amax(1).reshape(-1, *[1] * len(size))


@pytest.mark.parametrize(
    ("grid", "size"),
    [
        ((7,), [50]),
        ((7, 7), [224, 224]),
        ((3, 5), [3, 23]),
        ((4, 6), [4, 6]),
        ((1, 3), [5, 4]),
        ((2, 3, 4), [5, 3, 9]),
        ((8, 7, 7), [16, 28, 28]),
    ],
    ids=str,
)
def test_enlarging_is_torchs_and_the_twins(grid, size):
    torch.manual_seed(0)
    coarse = torch.randn(3, *grid, dtype=torch.float64)
    assert_near(image_map(coarse, size), by_torch(coarse, size), 1e-12)
    if torch.tensor(size).prod() < 2000:
        assert_near(image_map(coarse, size), slowly(coarse, size), 1e-12)


def test_more_axes_than_torch_interpolates():
    torch.manual_seed(0)
    coarse = torch.randn(1, 2, 1, 3, 2, dtype=torch.float64)
    assert_near(image_map(coarse, [3, 2, 4, 2]), slowly(coarse, [3, 2, 4, 2]), 1e-12)


@pytest.mark.parametrize("size", [[5, 6], [3, 3], [1, 1], [2, 20]], ids=str)
def test_shrinking_widens_the_filter(size):
    """As torch's antialias does."""
    torch.manual_seed(0)
    coarse = torch.randn(2, 14, 14, dtype=torch.float64)
    assert_near(image_map(coarse, size), by_torch(coarse, size, antialias=True), 1e-6)


@pytest.mark.parametrize("peak", range(16))
def test_no_evidence_falls_between_the_samples(peak):
    """One bright position of 16, drawn on 4 pixels: two-point sampling misses half of them."""
    coarse = torch.zeros(1, 16)
    coarse[0, peak] = 1
    picture = image_map(coarse, [4])
    assert picture.max() == 1
    assert abs(int(picture.argmax()) - peak // 4) <= 1


def test_shrinking_by_a_whole_number_by_hand():
    """Half as many samples: the triangle 1, 3, 3, 1 (by 8); at the border 1, 3, 3 (by 7)."""
    coarse = torch.tensor([[0.0, 0.0, 0.0, 1.0, 0.0, 0.0]])
    assert_near(image_map(coarse, [3]), torch.tensor([[0.0, 1.0, (1 / 7) / (3 / 8)]]), 1e-6)


def test_negative_evidence_is_left_out_before_enlarging():
    """A -1 beside a 1 does not eat into it: rectified afterwards pixel 2 would be 0.5."""
    assert image_map(torch.tensor([[1.0, -1.0]]), [4]).tolist() == [[1.0, 0.75, 0.25, 0.0]]


def test_each_image_has_its_own_maximum():
    coarse = torch.tensor([[1.0, 2.0], [1e6, 5e5], [-1.0, -2.0], [0.0, 0.0]])
    assert image_map(coarse, [2]).tolist() == [[0.5, 1.0], [1.0, 0.5], [0.0, 0.0], [0.0, 0.0]]


@pytest.mark.parametrize("size", [1e-45, 1e-40, 1e-30, 1e30, 3e38])
def test_any_size_of_evidence_gives_the_same_picture(size):
    """From the smallest float32 to the largest; nothing underflows half-way to 1."""
    picture = image_map(torch.tensor([[0.0, size, 0.0]]), [7])
    assert_near(picture, image_map(torch.tensor([[0.0, 1.0, 0.0]]), [7]), 1e-6)
    assert picture.max() == 1


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_a_map_that_is_not_finite_has_no_picture_and_spoils_no_other(value):
    coarse = torch.tensor([[1.0, value, 3.0], [1.0, 2.0, 4.0]])
    assert image_map(coarse, [3]).tolist() == [[0.0, 0.0, 0.0], [0.25, 0.5, 1.0]]
    assert coarse[0, 0] == 1.0, "the coarse map is left as it was"


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_half_precision_is_enlarged_in_float32(half):
    torch.manual_seed(0)
    coarse = torch.rand(1, 7, 7).to(half)
    picture = image_map(coarse, [224, 224])
    assert picture.dtype == torch.float32
    assert torch.equal(picture, image_map(coarse.float(), [224, 224]))


def test_autocast_does_not_take_digits():
    torch.manual_seed(0)
    coarse = torch.rand(1, 7, 7)
    plain = image_map(coarse, [224, 224])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(image_map(coarse, [224, 224]), plain)


def test_it_can_be_differentiated():
    coarse = torch.tensor(
        [[[1.0, -2.0], [3.0, 0.5]], [[-1.0, -1.0], [-1.0, 0.0]]], requires_grad=True
    )
    image_map(coarse, [5, 5]).sum().backward()
    assert coarse.grad.isfinite().all()
    assert (coarse.grad[0] != 0).any()
    assert (coarse.grad[1] == 0).all()


coarse_maps = arrays(
    "float32",
    array_shapes(min_dims=2, max_dims=4, max_side=6),
    elements=st.floats(-(2.0**100), 2.0**100, width=32),
)


@pytest.mark.slow
@settings(deadline=None, max_examples=200)
@given(coarse_maps, st.data())
def test_pictures_lie_in_0_to_1_and_reach_1_where_there_is_evidence(coarse, data):
    coarse = torch.from_numpy(coarse)
    size = [data.draw(st.integers(1, 9)) for _ in coarse.shape[1:]]
    picture = image_map(coarse, size)
    assert picture.shape == (len(coarse), *size)
    assert picture.isfinite().all()
    assert (picture >= 0).all()
    evidence = (coarse > 0).flatten(1).any(1)
    assert picture.flatten(1).amax(1).tolist() == [1.0 if there else 0.0 for there in evidence]


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 1000))
def test_flips_and_axes_may_be_taken_before_or_after(height, width, seed):
    coarse = torch.randn(
        2, 4, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )
    coarse[:, 0, 0] = 1.0
    picture = image_map(coarse, [height, width])
    assert_near(image_map(coarse.flip(-1), [height, width]), picture.flip(-1), 1e-12)
    assert_near(image_map(coarse.mT, [width, height]), picture.mT, 1e-12)


@pytest.mark.parametrize("size", [[4], [4, 4, 4], [], [0, 4], [4, -1]], ids=str)
def test_a_size_that_does_not_fit_is_refused(size):
    with pytest.raises(LayerError) as raised:
        image_map(torch.ones(2, 3, 3), size)
    message = str(raised.value)
    assert "each spatial axis of the map, whose shape is [2, 3, 3]" in message
    assert f"came {size}. Choose a layer" in message


def test_no_maps_make_no_pictures():
    assert image_map(torch.ones(0, 3, 3), [5, 6]).shape == (0, 5, 6)
