"""MaxBoxAcc by hand, and both of its figures."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from helpers.boxed_maps import boxes_of, drawn, material
from reference.max_box_acc import share_at_best_threshold
from sightline.metrics.max_box_acc import max_box_acc
from sightline.metrics.metric import about

V1, V2 = about(max_box_acc).figures.values()

MAP = drawn("""
    33330000
    39930000
    39930050
    33330000
""")


def fits(one, boxes):
    """The overlap of the largest region's box and of the best box, by threshold."""
    return max_box_acc(one, [boxes_of(*boxes)])[0].reshape(2, 100)


def test_by_hand():
    """Scaled over 0.9: up to 1/3 the frame, then its middle; the small region stands at 5/9."""
    one = MAP / 0.9
    largest, best = fits(one, [(1, 1, 3, 3)])
    assert largest.tolist() == best.tolist() == [4 / 16] * 34 + [1] * 66
    largest, best = fits(one, [(6, 2, 7, 3)])
    assert largest.tolist() == [0] * 100
    assert best.tolist() == [1] * 56 + [0] * 44
    largest, best = fits(one, [(6, 2, 7, 3), (0, 0, 4, 4)])  # the nearest true box
    assert largest.tolist() == [1] * 34 + [4 / 16] * 66
    assert best.tolist() == [1] * 56 + [4 / 16] * 44
    largest, best = fits(one, [(2, 0, 8, 9)])  # cut to (2, 0, 8, 4): 24 large, 8 or 2 in common
    assert largest.tolist() == pytest.approx([8 / 32] * 34 + [2 / 26] * 66)
    assert fits(one, [(0, 0, 4.5, 4)])[0].tolist() == pytest.approx(
        [16 / 18] * 34 + [4 / 18] * 66
    )  # not rounded


def test_a_threshold_has_to_be_exceeded():
    largest, _ = fits(torch.tensor([[[0.0, 0.25, 1.0]]]), [(2, 0, 3, 1)])
    assert largest.tolist() == [1 / 2] * 25 + [1] * 75


def test_of_equally_large_regions_the_first_is_taken():
    ties = torch.tensor([[[0.0, 1.0, 0.0, 1.0]]])
    largest, best = fits(ties, [(3, 0, 4, 1)])
    assert largest.tolist() == [0] * 100
    assert best.tolist() == [1] * 100


def test_the_map_is_scaled_from_its_own_minimum():
    one = MAP / 0.9
    box = [(1, 1, 3, 3)]
    assert torch.equal(fits((0.5 * one + 0.5).double(), box)[:, ::7], fits(one, box)[:, ::7])


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_constant_map_has_no_region(value):
    assert fits(torch.full((1, 4, 4), value), [(0, 0, 4, 4)]).eq(0).all()


def test_narrowing_the_search_loses_nothing():
    """Large smooth maps with several hills, against labels of the whole map."""
    from scipy import ndimage

    torch.manual_seed(0)
    maps = (
        F.interpolate(torch.rand(4, 1, 6, 6), (50, 60), mode="bicubic")[:, 0].clamp(min=0).double()
    )
    maps = maps / maps.amax((1, 2), keepdim=True)
    box = boxes_of((10, 10, 30, 40))
    for one in maps:
        level = ((one - one.min()) / (one.max() - one.min())).numpy()
        best = fits(one[None], [box[0].tolist()])[1]
        for k in range(0, 100, 9):
            labels, count = ndimage.label(level > k / 100, structure=np.ones((3, 3)))
            assert count > 0
            want = 0.0
            for down, across in ndimage.find_objects(labels):
                wide = max(0, min(across.stop, 30) - max(across.start, 10))
                high = max(0, min(down.stop, 40) - max(down.start, 10))
                own = (across.stop - across.start) * (down.stop - down.start)
                want = max(want, wide * high / (own + 600 - wide * high))
            assert best[k].item() == pytest.approx(want, abs=1e-12)


def test_figures_by_hand():
    """V1: at the first threshold one image of two is right, at the second both. V2 with 0.3, 0.5,
    0.7: 1, 1, 1/2.
    """
    values = np.zeros((3, 200))
    values[0, :2], values[1, :2], values[2] = (0.6, 0.5), (0.1, 0.7), np.nan
    values[0, 100:102], values[1, 100:102] = (0.6, 0.5), (0.4, 0.9)
    assert V1(values=values) == 1
    assert V2(values=values) == pytest.approx((1 + 1 + 1 / 2) / 3)
    values[1, 1] = 0.49
    assert V1(values=values) == 0.5
    assert np.isnan(V1(values=values[2:]))
    assert np.isnan(V2(values=values[2:]))


@pytest.mark.parametrize("seed", range(3))
def test_figures_of_the_slow_twin(seed):
    values = max_box_acc(*material(seed)).numpy()
    rows = [row for row in values.tolist() if row[0] == row[0]]
    assert V1(values=values) == pytest.approx(
        share_at_best_threshold([row[:100] for row in rows], 0.5)
    )
    want = (
        sum(share_at_best_threshold([row[100:] for row in rows], iou) for iou in (0.3, 0.5, 0.7))
        / 3
    )
    assert V2(values=values) == pytest.approx(want)


def test_v2_is_not_below_what_v1_reaches_at_a_half():
    values = max_box_acc(*material(1)).numpy()
    assert list(about(max_box_acc).figures) == ["MaxBoxAcc", "MaxBoxAccV2"]
    assert (values[:, 100:] >= values[:, :100])[np.isfinite(values[:, 0])].all()
