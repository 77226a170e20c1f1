"""What must hold for every localisation metric: its twin, batches, mirrors, doubles, and images
without boxes.
"""

from functools import partial

import pytest
import torch
from hypothesis import given, settings

from helpers.boxed_maps import (
    HEIGHT,
    WIDTH,
    anywhere,
    boxed,
    boxes_of,
    flipped,
    material,
    stepped,
)
from reference import areas as slow_areas
from reference.coverage import coverage as slow_coverage
from reference.energy_pointing_game import energy_pointing_game as slow_energy_pointing_game
from reference.inside_outside_ratio import inside_outside_ratio as slow_inside_outside_ratio
from reference.instance_recall import instance_recall as slow_instance_recall
from reference.loc import loc as slow_loc
from reference.localisation_error import localisation_error as slow_localisation_error
from reference.max_box_acc import max_box_acc as slow_max_box_acc
from reference.pointing_game import pointing_game as slow_pointing_game
from reference.pxap import pxap as slow_pxap
from sightline.metrics.areas import covered
from sightline.metrics.coverage import coverage
from sightline.metrics.energy_pointing_game import energy_pointing_game
from sightline.metrics.inside_outside_ratio import inside_outside_ratio
from sightline.metrics.instance_recall import instance_recall
from sightline.metrics.loc import loc
from sightline.metrics.localisation_error import localisation_error
from sightline.metrics.max_box_acc import max_box_acc
from sightline.metrics.pointing_game import pointing_game
from sightline.metrics.pxap import pxap

DELTAS = (0.0, 0.25, 0.5, 0.75, 1.0)


def ranked(function, maps, boxes, **options):
    return function(maps, boxes, torch.zeros(len(maps), dtype=torch.long), **options)


def masked(function, maps, boxes):
    return function(maps, list(covered(boxes, maps)))


PAIRS = {
    "loc": (partial(loc, deltas=DELTAS), partial(slow_loc, deltas=DELTAS)),
    "coverage": (partial(coverage, deltas=DELTAS), partial(slow_coverage, deltas=DELTAS)),
    "instance_recall": (
        partial(instance_recall, deltas=DELTAS),
        partial(slow_instance_recall, deltas=DELTAS),
    ),
    "energy_pointing_game": (energy_pointing_game, slow_energy_pointing_game),
    "inside_outside_ratio": (inside_outside_ratio, slow_inside_outside_ratio),
    "pointing_game": (
        partial(pointing_game, tolerance=0),
        partial(slow_pointing_game, tolerance=0),
    ),
    "pointing_game, tolerant": (
        partial(pointing_game, tolerance=2),
        partial(slow_pointing_game, tolerance=2),
    ),
    "localisation_error": (
        partial(ranked, localisation_error, box_threshold=0.6),
        partial(ranked, slow_localisation_error, box_threshold=0.6),
    ),
    "max_box_acc": (max_box_acc, slow_max_box_acc),
    "pxap": (partial(masked, pxap), partial(masked, slow_pxap)),
}
SUMS = {"energy_pointing_game", "inside_outside_ratio"}
"""Added up in another order than their twins: near, not equal."""


@pytest.fixture(params=sorted(PAIRS))
def pair(request):
    return (*PAIRS[request.param], 1e-12 if request.param in SUMS else 0)


def assert_same(got, want, bar=0):
    assert got.shape == want.shape
    assert got.dtype == torch.float64
    torch.testing.assert_close(got, want, rtol=bar, atol=0, equal_nan=True)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_the_slow_twin_says_the_same(pair, seed):
    fast, slow, bar = pair
    maps, boxes = material(seed)
    got = fast(maps, boxes)
    assert bool(got.isfinite().any())
    assert_same(got, slow(maps, boxes), bar)


@pytest.mark.parametrize("seed", range(3))
def test_a_batch_says_what_its_images_say_one_by_one(pair, seed):
    fast, *_ = pair
    maps, boxes = material(seed)
    singly = torch.cat([fast(maps[k : k + 1], boxes[k : k + 1]) for k in range(len(maps))])
    assert_same(fast(maps, boxes), singly)


@pytest.mark.parametrize("boxes", [(), ((-5, 0, 0, 9),), ((3, 20, 5, 30),), ((4, 4, 4, 8),)])
def test_without_a_box_in_the_view_there_is_nothing_to_say(pair, boxes):
    fast, *_ = pair
    one = torch.rand(1, HEIGHT, WIDTH)
    assert bool(fast(one / one.max(), [boxes_of(*boxes)]).isnan().all())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_every_float_type(pair, dtype):
    fast, *_ = pair
    maps, boxes = material(0)
    maps = (maps * 8).round() / 8
    assert_same(fast(maps.to(dtype), [own.to(torch.float64) for own in boxes]), fast(maps, boxes))


def test_a_map_that_is_not_finite_says_nothing(pair):
    fast, *_ = pair
    maps = torch.rand(1, HEIGHT, WIDTH)
    maps[0, 2, 3] = torch.nan
    assert bool(fast(maps, [boxes_of((1, 1, 5, 5))]).isnan().all())


def test_nothing_is_changed(pair):
    fast, *_ = pair
    maps, boxes = material(0)
    before = maps.clone(), [own.clone() for own in boxes]
    fast(maps, boxes)
    assert torch.equal(maps, before[0])
    assert all(torch.equal(a, b) for a, b in zip(boxes, before[1], strict=True))


MIRRORED = sorted(set(PAIRS) - {"pointing_game", "pointing_game, tolerant", "localisation_error"})
"""Those that take the first of equals are tried on maps without equals, below."""


@pytest.mark.slow
@pytest.mark.parametrize("name", MIRRORED)
@settings(deadline=None, max_examples=60)
@given(stepped, boxed)
def test_mirrors(name, maps, boxes):
    fast, _ = PAIRS[name]
    got, mirrored = fast(maps, boxes), fast(*flipped(maps, boxes))
    if name == "max_box_acc":  # of equally large regions the first is taken
        got, mirrored = got[:, 100:], mirrored[:, 100:]
    assert_same(mirrored, got, 1e-12 if name in SUMS else 0)


@pytest.mark.parametrize("name", ["pointing_game", "pointing_game, tolerant"])
@pytest.mark.parametrize("seed", range(20))
def test_mirrors_without_equals(name, seed):
    fast, _ = PAIRS[name]
    torch.manual_seed(seed)
    maps = torch.randperm(HEIGHT * WIDTH).reshape(1, HEIGHT, WIDTH) / (HEIGHT * WIDTH - 1)
    boxes = [torch.tensor([[1.0, 2.0, 5.0, 4.0], [3.0, 3.0, 20.0, 7.0]])]
    assert_same(fast(*flipped(maps, boxes)), fast(maps, boxes))


@pytest.mark.parametrize("name", sorted(set(PAIRS) - {"instance_recall"}))
@settings(deadline=None, max_examples=40)
@given(stepped, boxed)
def test_a_box_twice_is_a_box(name, maps, boxes):
    """Not for instance recall: there two boxes are two objects."""
    fast, _ = PAIRS[name]
    assert_same(fast(maps, [torch.cat([boxes[0], boxes[0][:1]])]), fast(maps, boxes))


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(PAIRS) - {"inside_outside_ratio", "pxap"}))
@settings(deadline=None, max_examples=60)
@given(stepped, boxed)
def test_from_0_to_1(name, maps, boxes):
    fast, _ = PAIRS[name]
    got = fast(maps, boxes)
    got = got[got.isfinite()]
    assert bool(((got >= 0) & (got <= 1)).all())


@pytest.mark.parametrize("name", ["coverage", "instance_recall", "loc"])
@settings(deadline=None, max_examples=60)
@given(stepped, boxed)
def test_scaling_and_lifting_a_map_changes_nothing(name, maps, boxes):
    """The map comes back up to rounding; the thresholds lie between its steps, fractions of whole
    numbers to 6.
    """
    function = {"coverage": coverage, "instance_recall": instance_recall, "loc": loc}[name]
    between = (1e-3, 0.123, 0.456, 0.789)
    assert_same(
        function(0.5 * maps + 0.5, boxes, deltas=between), function(maps, boxes, deltas=between)
    )


@pytest.mark.parametrize("name", ["coverage", "instance_recall"])
@settings(deadline=None, max_examples=60)
@given(stepped, boxed)
def test_a_higher_threshold_never_shows_more(name, maps, boxes):
    got = PAIRS[name][0](maps, boxes)
    assert not bool((got.diff(dim=1) > 0).any())


@settings(deadline=None, max_examples=60)
@given(stepped, boxed)
def test_coverage_is_never_below_loc(maps, boxes):
    low, high = loc(maps, boxes, deltas=DELTAS), coverage(maps, boxes, deltas=DELTAS)
    assert not bool((low > high).any())


@pytest.mark.parametrize("seed", range(5))
def test_the_union_of_boxes_is_that_of_the_slow_twin(seed):
    maps, boxes = material(seed)
    for places, own in zip(covered(boxes, maps), boxes, strict=True):
        want = [[slow_areas.inside(r, c, own) for c in range(WIDTH)] for r in range(HEIGHT)]
        assert places.tolist() == want


@pytest.mark.parametrize("size", [(17,), (3, 4, 3)])
def test_the_slow_twin_says_the_same_of_signals_and_volumes(pair, size):
    fast, slow, bar = pair
    maps, boxes = anywhere(0, size)
    got = fast(maps, boxes)
    assert bool(got.isfinite().any())
    assert_same(got, slow(maps, boxes), bar)


@pytest.mark.parametrize("size", [(1, 17), (17, 1)])
def test_a_signal_is_a_picture_one_place_high(pair, size):
    fast, *_ = pair
    maps, boxes = anywhere(5, (17,))
    edges = [own.new_tensor([[0.0, 1.0]]).expand(len(own), 2) for own in boxes]
    flat = [
        torch.stack([own, edge] if size[0] == 1 else [edge, own], dim=2).flatten(1)
        for own, edge in zip(boxes, edges, strict=True)
    ]
    assert_same(fast(maps.view(-1, *size), flat), fast(maps, boxes), 1e-12)
