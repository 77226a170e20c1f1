"""What every room needs of tensors: strides of 0, scales, shapes, weights, autocast."""

import sys

import pytest
import torch
from torch import nn
from torch.nn import functional

from sightline.methods import METHODS
from sightline.supply import Supply, requests
from sightline.tensors import (
    MADE_FROM,
    _label_by_pointers,
    autocast_dtype,
    first_weight,
    iou,
    label_regions,
    min_max,
    over_maximum,
    per_channel,
    per_image,
    scores_before,
    unexpanded,
    with_autocast,
)


@pytest.mark.parametrize("alpha", ["paper", "authors"])
@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize(
    "name", [name for name in METHODS if "gradients" in requests(METHODS[name])]
)
def test_spread_and_written_out_are_the_same(name, axes, alpha):
    """A gradient may come with the stride 0; no method may tell the difference."""
    generator = torch.Generator().manual_seed(axes)
    size = (5, 4, 3)[:axes]
    activations = torch.randn(2, 7, *size, generator=generator, dtype=torch.float64)
    spread = torch.randn(2, 7, *[1] * axes, generator=generator, dtype=torch.float64).expand(
        2, 7, *size
    )
    counts = []
    weights = []
    for gradients in (spread, spread.contiguous()):
        offers = {
            "activations": activations,
            "gradients": gradients,
            "scores": torch.tensor([0.5, -2.0]),
        }
        offers["tally"] = lambda word, places: counts.append(
            (word, places.flatten(1).sum(1).tolist())
        )
        supply = Supply({word: lambda value=value: value for word, value in offers.items()})
        options = {"alpha": alpha} if "grad_cam_pp" in name else {}
        weights.append(supply.call(METHODS[name], **options).expand_as(activations))
    torch.testing.assert_close(*weights, rtol=1e-12, atol=1e-12)
    assert counts[: len(counts) // 2] == counts[len(counts) // 2 :]
    if name == "grad_cam_pp":
        assert sum(counts[0][1]) > 0
        assert sum(counts[0][1]) % activations[0, 0].numel() == 0


def test_once_takes_only_what_was_expanded():
    one = torch.rand(2, 3, 1, 1)
    assert torch.equal(unexpanded(one.expand(2, 3, 4, 5)), one)
    assert unexpanded(one.expand(2, 3, 4, 5).contiguous()).shape == (2, 3, 4, 5)
    assert unexpanded(torch.rand(3, 4, 5).expand(2, 3, 4, 5)).shape == (1, 3, 4, 5)


def drawn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_min_max_is_the_formula_image_by_image(axes):
    values = drawn(4, *(5, 4, 3)[:axes])
    for one, scaled in zip(values, min_max(values), strict=True):
        assert torch.equal(scaled, (one - one.min()) / (one.max() - one.min()))
        assert (scaled.min(), scaled.max()) == (0, 1)


def test_what_is_constant_is_zero_with_a_derivative_of_zero():
    values = torch.tensor([[3.0, 3.0], [1.0, 2.0]], requires_grad=True)
    scaled = min_max(values)
    assert scaled.tolist() == [[0, 0], [0, 1]]
    (slope,) = torch.autograd.grad(scaled.sum(), values)
    assert slope[0].tolist() == [0, 0], "and not nan"


def test_nan_stays_where_it_is():
    scaled = min_max(torch.tensor([[1.0, torch.nan], [0.0, 2.0]]))
    assert scaled[0].isnan().all()
    assert scaled[1].tolist() == [0, 1]


def test_over_the_maximum_one_by_one():
    values = drawn(3, 4, 5).abs()
    for one, scaled in zip(values, over_maximum(values), strict=True):
        assert torch.equal(scaled, one / one.max())
    bad = torch.tensor([[0.0, 0.0], [1.0, torch.inf], [torch.nan, 1.0], [2.0, 4.0]])
    assert over_maximum(bad).tolist() == [[0, 0], [0, 0], [0, 0], [0.5, 1]]


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_a_value_an_image_and_a_value_a_channel(axes):
    x = drawn(2, 3, *(5, 4, 3)[:axes])
    images, channels = drawn(2, seed=1), drawn(3, seed=2)
    for i in range(2):
        for c in range(3):
            assert torch.equal((x * per_image(images, x.ndim))[i, c], x[i, c] * images[i])
            assert torch.equal((x * per_channel(channels, x.ndim))[i, c], x[i, c] * channels[c])


def test_the_first_weight_is_of_a_floating_type():
    net = nn.Sequential(nn.ReLU(), nn.Linear(2, 2), nn.Linear(2, 2).double())
    assert first_weight(net) is net[1].weight
    net.register_parameter("count", nn.Parameter(torch.zeros(1, dtype=torch.long), False))
    assert first_weight(net).is_floating_point()
    assert first_weight(nn.ReLU()) is None


def test_the_callers_autocast_is_entered_again():
    cpu = torch.device("cpu")
    assert autocast_dtype(cpu) is None
    with torch.autocast("cpu", dtype=torch.bfloat16):
        dtype = autocast_dtype(cpu)
    assert dtype is torch.bfloat16
    with with_autocast(cpu, dtype):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype is torch.bfloat16
    with with_autocast(cpu, None):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype is torch.float32


def _spiral(side):
    """A path one pixel wide that winds inward: the longest way through a region of its size."""
    mask = torch.zeros(side, side, dtype=torch.bool)
    row, column, down, right = 0, -1, 0, 1
    for steps in [side, *(n for n in range(side - 1, 0, -2) for _ in range(2))]:
        for _ in range(steps):
            row, column = row + down, column + right
            mask[row, column] = True
        down, right = right, -down
    return mask


MASKS = [
    torch.zeros(3, 4, dtype=torch.bool),
    torch.ones(3, 4, dtype=torch.bool),
    torch.eye(5, dtype=torch.bool),
    _spiral(33),
    *(torch.rand(40, 31, generator=torch.Generator().manual_seed(k)) < k / 10 for k in range(1, 7)),
]


@pytest.mark.parametrize("mask", MASKS)
def test_regions_have_the_same_numbers_with_scipy_and_without(mask):
    ndimage = pytest.importorskip("scipy.ndimage")
    expected, _ = ndimage.label(mask.numpy(), structure=[[1] * 3] * 3)
    assert label_regions(mask).tolist() == expected.tolist()
    assert _label_by_pointers(mask).tolist() == expected.tolist()


def test_where_scipy_is_missing_torch_does_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    assert label_regions(torch.tensor([[True, False, True]])).tolist() == [[1, 0, 2]]


def test_a_winding_region_takes_a_few_rounds(monkeypatch):
    rounds, pool = [], functional.max_pool2d

    def counted(*args, **options):
        rounds.append(1)
        return pool(*args, **options)

    monkeypatch.setattr(functional, "max_pool2d", counted)
    assert _label_by_pointers(_spiral(65)).max() == 1
    assert len(rounds) <= 8


def test_iou_of_boxes_and_of_none():
    boxes = torch.tensor([[0.0, 0, 2, 2], [1, 1, 3, 3], [5, 5, 5, 5]], dtype=torch.float64)
    assert iou(boxes, boxes).tolist() == [[1, 1 / 7, 0], [1 / 7, 1, 0], [0, 0, 0]]
    assert iou(boxes, boxes[:0]).shape == (3, 0)


def test_what_probabilities_were_made_from_is_found_behind_views():
    z = torch.randn(2, 3, requires_grad=True)
    p = z.softmax(1)
    assert scores_before(p) is None
    p.grad_fn.metadata[MADE_FROM] = z
    assert scores_before(p.unsqueeze(2).squeeze()) is not None
    assert torch.equal(scores_before(p.reshape(6)), z.reshape(6))
    assert scores_before(p[:1]) is None
    assert scores_before(1 - p) is None
    assert scores_before(p.detach()) is None


@pytest.mark.parametrize("size", [(60,), (6, 7, 5), (3, 4, 3, 4)])
@pytest.mark.parametrize("share", [0.15, 0.5])
def test_regions_along_any_number_of_axes(size, share):
    ndimage = pytest.importorskip("scipy.ndimage")
    mask = torch.rand(size, generator=torch.Generator().manual_seed(0)) < share
    expected, _ = ndimage.label(mask.numpy(), structure=torch.ones([3] * len(size)).numpy())
    assert label_regions(mask).tolist() == expected.tolist()
    assert _label_by_pointers(mask).tolist() == expected.tolist()


def test_iou_of_intervals_and_of_boxes_in_a_volume():
    assert iou(torch.tensor([[0.0, 4.0]]), torch.tensor([[1.0, 3.0]])).item() == 0.5
    one, other = torch.tensor([[0.0, 0, 0, 2, 2, 2]]), torch.tensor([[1.0, 1, 1, 3, 3, 3]])
    assert iou(one, other).item() == pytest.approx(1 / 15)
