"""What holds for every method in the table, and every variant of it."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.closeness import assert_near, assert_relative
from laws.cases import AXES, CASES, GRIDS, TWINS, along, made
from reference.combine import combine as slow_combine
from sightline.maps.combine import combine
from sightline.methods import METHODS
from sightline.supply import requests

every_case = pytest.mark.parametrize("case", CASES, ids=str)
every_grid = pytest.mark.parametrize("grid", GRIDS, ids=str)


NOT_DIFFERENTIATED = {
    "opti_cam": "the end of an ascent: its derivative would need the network's second derivatives"
}


CLASS_AGNOSTIC = {"eigen_cam", "kpca_cam"}
"""They ask for activations only, so that they show the same for every target, and for none."""


SOLVED = {"eigen_cam", "eigen_grad_cam", "kpca_cam"}
"""An eigenvector's rounding is a share of its length, not of each element: where channels never
meet at a place, an element is 0, and a solver finds 1e-17."""


def picture(case, material):
    return combine(case.weights(material), material["activations"])


def runs_again(case):
    """Whether its weights come from running the model again: are scores, or made of scores."""
    return not {"rescore", "look", "look_back"}.isdisjoint(requests(METHODS[case.name]))


def without_unit(case):
    """Scores know no unit of the activations; nor does a gradient over a gradient, as Smooth
    Grad-CAM++ is printed, nor a vector of length 1."""
    printed = case.name == "smooth_grad_cam_pp" and case.options["form"] == "paper"
    return case.name == "eigen_cam" or runs_again(case) or printed


def unread(case):
    """The class is no number.

    The whole picture's score counts in a difference from it, and not where it is raised.
    """
    return (
        {"explained", "scores"}
        if case.name == "opti_cam" and case.options["form"] == "paper"
        else {"explained"}
    )


def per_channel(weights):
    return weights[0, 0].numel() == 1


def test_every_method_is_under_the_laws_and_has_a_twin():
    assert {case.name for case in CASES} == set(METHODS)
    assert set(TWINS) == set(METHODS)
    for name, method in METHODS.items():
        assert requests(TWINS[name]) == requests(method)
        assert set(requests(method)) <= set(AXES)


@pytest.mark.slow
@every_grid
@every_case
def test_float64_weights_and_maps_are_the_slow_twins(case, grid):
    for seed in range(3):
        material = made(grid, seed, signed=seed == 2)
        slow = case.slowly(material)
        assert_relative(case.weights(material), slow, 1e-10)
        assert_near(picture(case, material), slow_combine(slow, material["activations"]), 1e-10)


@every_grid
@pytest.mark.parametrize(
    "case", [case for case in CASES if case.options.get("guard", True)], ids=str
)
def test_float32_is_within_1e_4_of_the_float64_twin(case, grid):
    """Behind a ReLU; with the guard, if the method has one: without it there are poles, where
    digits go.
    """
    material = made(grid, dtype=torch.float32)
    got = case.weights(material)
    assert got.dtype == torch.float32
    exact = {
        word: value.double() if value.is_floating_point() else value
        for word, value in material.items()
    }
    assert_near(got, case.slowly(exact), 1e-4)


@every_grid
@every_case
def test_weights_have_the_shape_the_table_promises(case, grid):
    material = made(grid)
    weights = case.weights(material)
    assert weights.shape in ((3, 4, *[1] * len(grid)), (3, 4, *grid))
    assert weights.dtype == torch.float64
    assert picture(case, material).shape == (3, *grid)


@every_grid
@every_case
def test_permuting_the_channels_permutes_the_weights_and_leaves_the_map(case, grid):
    material, order = made(grid), torch.tensor([2, 0, 3, 1])
    permuted = along(material, "c", lambda tensor, axis: tensor.index_select(axis, order))
    assert_relative(case.weights(permuted), case.weights(material)[:, order], 1e-12)
    assert_near(picture(case, permuted), picture(case, material), 1e-12)


@every_grid
@every_case
def test_flipping_any_spatial_axis_flips_the_map(case, grid):
    material = made(grid)
    weights, whole = case.weights(material), picture(case, material)
    for axis in range(len(grid)):
        flipped = along(material, "s", lambda tensor, first, axis=axis: tensor.flip(first + axis))
        moved = weights if per_channel(weights) else weights.flip(2 + axis)
        assert_relative(case.weights(flipped), moved, 1e-9)
        assert_near(picture(case, flipped), whole.flip(1 + axis), 1e-9)


@every_grid
@every_case
def test_the_order_of_the_classes_does_not_matter(case, grid):
    material, order = made(grid), torch.tensor([4, 2, 0, 1, 3])
    permuted = along(material, "k", lambda tensor, axis: tensor.index_select(axis, order))
    permuted["explained"] = order.argsort()[material["explained"]]
    assert_relative(case.weights(permuted), case.weights(material), 1e-9)


@every_grid
@every_case
def test_a_batch_is_its_images_one_by_one(case, grid):
    material = made(grid)
    together = case.weights(material)
    for image in range(3):
        alone = along(
            material, "b", lambda tensor, axis, image=image: tensor.narrow(axis, image, 1)
        )
        assert_relative(case.weights(alone), together[image : image + 1], 1e-12)


@every_case
def test_a_signal_is_a_picture_with_one_row_is_a_clip_with_one_frame(case):
    signal = made((6,))
    weights = case.weights(signal)
    row = along(signal, "s", lambda tensor, axis: tensor.unsqueeze(axis))
    frame = along(row, "s", lambda tensor, axis: tensor.unsqueeze(axis))
    assert_relative(case.weights(row), weights.unsqueeze(2), 1e-12)
    assert_relative(case.weights(frame), weights.unsqueeze(2).unsqueeze(2), 1e-12)
    assert_near(picture(case, frame)[:, 0, 0], picture(case, signal), 1e-12)


@every_case
def test_the_grid_is_only_a_way_to_arrange_positions(case):
    """Nothing but sums over positions: any shuffle of them shuffles the map."""
    material, order = made((9,)), torch.tensor([5, 0, 7, 1, 8, 3, 2, 6, 4])
    shuffled = along(material, "s", lambda tensor, axis: tensor.index_select(axis, order))
    assert_near(picture(case, shuffled), picture(case, material)[:, order], 1e-9)


@every_grid
@every_case
@pytest.mark.parametrize("unit", [1e-3, 7.0, 1e4])
def test_the_map_does_not_depend_on_the_unit_of_the_activations(case, grid, unit):
    """Activations times u, gradients and head by u: weights by u, the same map. An epsilon breaks
    this.
    """
    material = made(grid)
    other = material | {"activations": unit * material["activations"]}
    for word in (
        "gradients",
        "class_gradients",
        "head",
        "rescore",
        "noisy_gradients",
        "second_order",
    ):
        other[word] = material[word] / unit
    scaled = case
    if "gamma" in case.options:  # a kernel's own unit is that of the activations squared
        scaled = replace(case, options=case.options | {"gamma": case.options["gamma"] / unit**2})
    # Weights may know no unit; then the map has the activations' own, which no picture shows.
    times = unit if without_unit(case) else 1
    assert_relative(scaled.weights(other), case.weights(material) * times / unit, 1e-9)
    assert_near(picture(scaled, other), times * picture(case, material), 1e-9)


@every_grid
@every_case
def test_a_silent_channel_changes_nothing(case, grid):
    """One more channel with neither activation nor gradient."""
    material = made(grid)

    def with_silence(tensor, axis):
        return torch.cat([tensor, torch.zeros_like(tensor.narrow(axis, 0, 1))], axis)

    more = along(material, "c", with_silence)
    assert_relative(case.weights(more)[:, :4], case.weights(material), 1e-12)
    assert (case.weights(more)[:, 4:] == 0).all()
    assert_near(picture(case, more), picture(case, material), 1e-12)


@every_grid
@every_case
def test_where_nothing_depends_on_the_layer_there_is_no_weight(case, grid):
    """Or, where a softmax over the channels makes the weights, no difference between them. Nobody
    asks what is class-agnostic: it does not even notice."""
    material = made(grid)
    before = case.weights(material)
    words = {
        "gradients",
        "class_gradients",
        "head",
        "rescore",
        "look",
        "look_back",
        "noisy_gradients",
        "second_order",
    }
    for word in words:
        material[word] = torch.zeros_like(material[word])
    weights = case.weights(material)
    if case.name in CLASS_AGNOSTIC:
        assert requests(METHODS[case.name]) == ["activations"]
        assert torch.equal(weights, before)
        return
    if not {"look", "look_back"}.isdisjoint(requests(METHODS[case.name])):
        assert all(
            len({round(w, 12) for w in row.tolist() if w}) == 1 for row in weights.flatten(1)
        )
    else:
        assert (weights == 0).all()


@pytest.mark.parametrize(
    ("case", "word"),
    [
        (case, word)
        for case in CASES
        for word in requests(METHODS[case.name])
        if word not in unread(case)
    ],
    ids=str,
)
def test_what_is_not_a_number_reaches_the_map_of_its_image_and_no_other(case, word):
    material = made((4, 5))
    spoilt = material | {word: material[word].clone()}
    if word == "class_gradients":
        spoilt[word][int(material["explained"][1]), 1] = torch.nan
    else:
        spoilt[word][1] = torch.nan
    maps = picture(case, spoilt)
    assert maps[1].isnan().all()
    assert_relative(maps[[0, 2]], picture(case, material)[[0, 2]], 1e-12)


@every_case
def test_nothing_that_was_handed_in_is_changed(case):
    material = made((4, 5), signed=True)
    before = {word: value.clone() for word, value in material.items()}
    case.weights(material)
    assert all(torch.equal(material[word], before[word]) for word in material)


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.name not in NOT_DIFFERENTIATED], ids=str
)
def test_weights_can_be_differentiated(case):
    """For training on explanations: gradients flow back and are finite, also where a channel is
    silent.
    """
    material = made((4, 5))
    material["activations"][:, 0] = 0
    leaves = {
        word: value.clone().requires_grad_() if value.is_floating_point() else value
        for word, value in material.items()
    }
    picture(case, leaves).square().sum().backward()
    asked = {*requests(METHODS[case.name]), "activations"} - {"explained"}
    slopes = [leaves[word].grad for word in asked]
    assert all(slope is not None and slope.isfinite().all() for slope in slopes)
    assert any(bool((slope != 0).any()) for slope in slopes)


@settings(deadline=None, max_examples=25)
@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple),
    st.integers(0, 2**20),
    st.booleans(),
)
@every_case
def test_any_grid_down_to_a_single_position(case, grid, seed, signed):
    material = made(grid, seed, signed)
    if case.options.get("guard") is False:  # near a pole both lose digits: compare away from it
        material["activations"] = material["activations"].clamp(max=0.01)
    slow = case.slowly(material)
    if case.name in SOLVED and slow.any():
        assert_near(case.weights(material), slow, 1e-6)
    else:
        assert_relative(case.weights(material), slow, 1e-6)
