"""PxAP by hand, and its figure against the twin's sum."""

import numpy as np
import pytest
import torch

from helpers.boxed_maps import HEIGHT, WIDTH, material
from reference.pxap import average_precision as slow_average_precision
from sightline.errors import DataError
from sightline.metrics.metric import about
from sightline.metrics.pxap import average_precision, pxap

FIGURE = about(pxap).figures["PxAP"]


def score(one, mask):
    return FIGURE(values=pxap(one, [mask]).numpy())


def test_by_hand():
    """Reaching 1: one pixel, right. Reaching 0.5: two, one right. Reaching 0.25: three, two right.
    All: four, two.
    """
    one, mask = torch.tensor([[[1.0, 0.5, 0.25, 0.0]]]), torch.tensor([[True, False, True, False]])
    row = pxap(one, [mask])[0]
    true, false, total = row[:256], row[256:512], row[512]
    assert true[[0, 1, 63, 64, 127, 128, 255]].tolist() == [2, 2, 2, 1, 1, 1, 1]
    assert false[[0, 1, 63, 64, 127, 128, 255]].tolist() == [2, 1, 1, 1, 1, 0, 0]
    assert total == 2
    assert score(one, mask) == pytest.approx(1 / 2 * 1 + 1 / 2 * 2 / 3)


def test_a_perfect_map_scores_1_and_its_opposite_least():
    mask = torch.zeros(4, 5, dtype=torch.bool)
    mask[1:3, 1:3] = True
    assert score(mask.float()[None], mask) == 1
    assert score((~mask).float()[None], mask) == pytest.approx(4 / 20)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_constant_map_scores_the_share_of_the_object(value):
    mask = torch.zeros(4, 5, dtype=torch.bool)
    mask[0, :3] = True
    assert score(torch.full((1, 4, 5), value), mask) == pytest.approx(3 / 20)


def test_a_pixel_that_equals_a_threshold_reaches_it():
    one = torch.tensor([[[0.0, 102 / 255, 1.0]]], dtype=torch.float64)
    row = pxap(one, [torch.tensor([[False, True, False]])])[0]
    assert row[[102, 103]].tolist() == [1, 0]


def test_without_a_mask_or_with_an_empty_one_there_is_nothing_to_say():
    one, mask = torch.rand(3, 4, 5), torch.ones(4, 5, dtype=torch.bool)
    got = pxap(one, [None, torch.zeros(4, 5, dtype=torch.bool), mask])
    assert got.isnan().all(1).tolist() == [True, True, False]
    assert np.isnan(FIGURE(values=got[:2].numpy()))
    assert FIGURE(values=got.numpy()) == pytest.approx(1)


def test_counts_are_added_up_before_dividing():
    """Two images, one perfect with one pixel, one useless with three of four: not the mean of their
    scores.
    """
    maps = torch.tensor([[[1.0, 0.0, 0.0, 0.0]], [[0.0, 0.0, 0.0, 0.0]]])
    masks = [torch.tensor([[True, False, False, False]]), torch.tensor([[True, True, True, False]])]
    values = pxap(maps, masks).numpy()
    assert FIGURE(values=values) == pytest.approx(1 / 4 * 1 + 3 / 4 * 4 / 8)
    assert FIGURE(values=values[:1]) == 1
    assert FIGURE(values=values[1:]) == pytest.approx(3 / 4)


@pytest.mark.parametrize("seed", range(3))
def test_the_figure_is_the_slow_twins(seed):
    maps, _ = material(seed)
    masks = [torch.rand(HEIGHT, WIDTH) < 0.3 for _ in maps]
    values = pxap(maps, masks).numpy()
    assert average_precision(values) == pytest.approx(
        slow_average_precision(values.tolist()), rel=1e-12
    )
    assert 0 < average_precision(values) < 1


def test_a_mask_of_another_size_is_refused():
    with pytest.raises(DataError, match=r"of the map's size \[4, 5\].* got the shape \[5, 4\]"):
        pxap(torch.rand(1, 4, 5), [torch.ones(5, 4, dtype=torch.bool)])
