"""Grad-CAM++: eq. 19 against true derivatives, the paper's toy, its limits, and what happens at the
pole.
"""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from helpers.closeness import assert_near, assert_relative
from helpers.positions import column, place_by_place
from helpers.tail_nets import CLASSES, Pooled, deep, made, material
from reference.grad_cam_pp_map import grad_cam_pp_map
from reference.true_derivatives import true_derivatives
from sightline.errors import MethodError
from sightline.maps.combine import combine
from sightline.maps.upsample import image_map
from sightline.methods import cam, grad_cam, grad_cam_plus, grad_cam_pp


@pytest.mark.slow
@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("head", ["deep", "pooled"])
def test_alpha_and_weights_are_those_of_the_true_derivatives(axes, head):
    torch.manual_seed(axes)
    tail, activations = made(deep(axes) if head == "deep" else Pooled(), axes)
    space = tuple(range(2, 2 + axes))
    total = activations.sum(space, keepdim=True)
    checked = 0
    for c in range(CLASSES):
        m = material(tail, activations, torch.tensor([c]))
        first, second, third = true_derivatives(lambda a, c=c: tail(a)[0, c].exp(), activations)
        alphas = second / (2 * second + total * third)  # eq. 10
        counts = first > 0
        checked += int(counts.sum())
        ours = place_by_place(lambda g, m=m: grad_cam_pp(m["activations"], g), m["gradients"])
        assert_relative(torch.where(counts, ours, 0), torch.where(counts, alphas, 0), 1e-10)
        weights = torch.where(counts, alphas * first, 0).sum(space, keepdim=True)  # eq. 5
        assert_relative(
            grad_cam_pp(activations, m["gradients"]) * column(m["scores"].exp(), activations),
            weights,
            1e-10,
        )
        shares = torch.where(counts, alphas, 0).sum(space, keepdim=True)
        assert_relative(
            grad_cam_pp(activations, m["gradients"], alpha="authors"),
            torch.where(shares > 0, weights / shares, 0) / column(m["scores"].exp(), activations),
            1e-10,
        )
    assert checked >= 20


@pytest.fixture
def toy():
    """Figure 2: three binary maps, 15, 4 and 2 of 80 positions active, each its own gradient."""
    maps = torch.zeros(1, 3, 8, 10)
    maps[0, 0, 1:4, 2:7] = maps[0, 1, 5:7, 0:2] = maps[0, 2, 7, 8:10] = 1
    assert maps.sum((0, 2, 3)).tolist() == [15, 4, 2]
    return maps


def test_figure_2(toy):
    assert_relative(grad_cam(toy).flatten(), torch.tensor([15 / 80, 4 / 80, 2 / 80]), 1e-6)
    assert_relative(grad_cam_plus(toy).flatten(), torch.tensor([15 / 80, 4 / 80, 2 / 80]), 1e-6)
    paper = grad_cam_pp(toy, toy).flatten()
    assert_relative(paper, torch.tensor([15 / 17, 4 / 6, 2 / 4]), 1e-6)
    assert [round(weight, 3) for weight in paper.tolist()] == [0.882, 0.667, 0.5]
    assert_relative(grad_cam_pp(toy, toy, alpha="authors").flatten(), torch.ones(3), 1e-6)
    assert_relative(cam(toy, toy.sum((2, 3))).flatten(), torch.tensor([15.0, 4.0, 2.0]), 1e-6)


def test_figure_2_shows_all_three_objects_alike_only_with_the_authors_alpha(toy):
    picture = image_map(combine(grad_cam_pp(toy, toy, alpha="authors"), toy), [8, 10])
    assert_relative(picture, toy.sum(1), 1e-6)
    faintest = image_map(combine(grad_cam(toy), toy), [8, 10])[0, 7, 8]
    assert float(faintest) == pytest.approx(2 / 15)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_on_a_pooled_linear_head_the_authors_alpha_is_grad_cam_plus(axes):
    torch.manual_seed(0)
    tail, activations = made(Pooled(), axes, images=3)
    m = material(tail, activations, torch.tensor([0, 1, 2]))
    authors = grad_cam_pp(activations, m["gradients"], alpha="authors")
    assert_relative(authors, grad_cam_plus(m["gradients"]), 1e-12)
    paper = grad_cam_pp(activations, m["gradients"])
    assert not torch.allclose(paper / paper.sum(), authors / authors.sum(), rtol=1e-2)


@pytest.mark.parametrize("small", [1e-6, 1e-12, 1e-18])
def test_small_gradients_lead_to_grad_cam_plus(small):
    """The limit alpha = 1/2: no epsilon stands in its way, however small the gradients are."""
    torch.manual_seed(0)
    activations = torch.randn(2, 4, 5, 6, dtype=torch.float64).relu()
    gradients = small * torch.randn_like(activations)
    got = grad_cam_pp(activations, gradients)
    assert_relative(got, 5 * 6 / 2 * grad_cam_plus(gradients), 100 * small + 1e-12)


def test_the_size_of_the_score_matters():
    """Twice the logits is another map: alpha is no constant. (An alpha from mean(A) would hardly
    notice.)
    """
    activations, gradients = torch.ones(1, 1, 4, 4), torch.ones(1, 1, 4, 4)
    assert grad_cam_pp(activations, gradients).item() == pytest.approx(16 / 18)
    assert grad_cam_pp(activations, 2 * gradients).item() == pytest.approx(32 / 34)


@pytest.mark.parametrize("alpha", ["paper", "authors"])
def test_pictures_are_those_of_the_slow_twin(alpha):
    torch.manual_seed(0)
    tail, activations = made(deep(2), 2, images=2)
    gradients = material(tail, activations, torch.tensor([0, 3]))["gradients"]
    coarse = combine(grad_cam_pp(activations, gradients, alpha=alpha), activations)
    want = grad_cam_pp_map(activations, gradients, [13, 10], alpha)
    assert_near(image_map(coarse, [13, 10]), want, 1e-12)
    single = combine(
        grad_cam_pp(activations.float(), gradients.float(), alpha=alpha), activations.float()
    )
    assert_near(image_map(single, [13, 10]), want, 1e-5)


finite = st.floats(-1e6, 1e6).map(
    lambda x: x if abs(x) > 1e-100 else 0.0
)  # products must not underflow
shapes = st.shared(array_shapes(min_dims=3, max_dims=5, max_side=4), key="shape")


@pytest.mark.slow
@settings(deadline=None, max_examples=300)
@given(arrays("float64", shapes, elements=finite), arrays("float64", shapes, elements=finite))
def test_alpha_stays_in_its_bounds_whatever_comes(activations, gradients):
    """So 0 <= w <= sum relu(g), with signed activations too; and the authors' mean lies between its
    terms.
    """
    activations, gradients = torch.from_numpy(activations), torch.from_numpy(gradients)
    space = tuple(range(2, gradients.ndim))
    weights = grad_cam_pp(activations, gradients)
    assert (weights >= 0).all()
    assert (weights <= gradients.relu().sum(space, keepdim=True)).all()
    authors = grad_cam_pp(activations, gradients, alpha="authors")
    assert (authors <= gradients.relu().amax(space, keepdim=True) * (1 + 1e-12)).all()
    positive = gradients.masked_fill(gradients <= 0, torch.inf).amin(space, keepdim=True)
    assert (authors >= positive.masked_fill(positive == torch.inf, 0) * (1 - 1e-12)).all()


@pytest.mark.slow
@settings(deadline=None, max_examples=100)
@given(
    arrays("float64", shapes, elements=st.floats(0, 1e6)),
    arrays("float64", shapes, elements=finite),
)
def test_behind_a_relu_nothing_is_clamped_and_alpha_is_at_most_one_half(activations, gradients):
    activations, gradients = torch.from_numpy(activations), torch.from_numpy(gradients)
    clamped = []
    weights = grad_cam_pp(activations, gradients, tally=lambda word, places: clamped.append(places))
    assert not clamped[0].any()
    half = gradients.relu().sum(tuple(range(2, gradients.ndim)), keepdim=True) / 2
    assert (weights <= half * (1 + 1e-12)).all()


def test_negative_sums_are_clamped_and_counted():
    """Sums -1 and 0.5; the denominators 2 + g x sum: 1.5, 1, 0.9, -8, 2; 2.5, 3, 3.1, 13, 2."""
    activations = torch.tensor([[[-1.0, 0, 0, 0, 0], [1.0, 0, 0, 0, 0]]], dtype=torch.float64)
    gradients = torch.tensor([[[0.5, 1.0, 1.1, 10.0, -7.0]] * 2], dtype=torch.float64)
    calls = []
    weights = grad_cam_pp(activations, gradients, tally=lambda *call: calls.append(call))
    ((word, places),) = calls
    assert word == "clamped"
    assert places.tolist() == [[[False, False, True, True, False], [False] * 5]]
    by_hand = [0.5 / 1.5 + 1.0 + 1.1 + 10.0, 0.5 / 2.5 + 1.0 / 3 + 1.1 / 3.1 + 10.0 / 12]
    assert_relative(weights.flatten(), torch.tensor(by_hand, dtype=torch.float64), 1e-12)


def test_the_clamp_leaves_no_jump():
    """Neighbouring inputs have close weights: where the clamp sets in, and across the pole."""
    gradients = torch.linspace(0.5, 3, 2001, dtype=torch.float64).reshape(-1, 1, 1)
    weights = grad_cam_pp(torch.full_like(gradients, -1), gradients).flatten()
    assert float(weights.diff().abs().max()) < 0.005
    assert float(weights.diff().min()) > 0


def test_nothing_overflows_or_vanishes_in_float32():
    """Where g^3 is inf or 0 in float32, and exp(S) would be."""
    activations = torch.full((1, 1, 2), 0.5)
    for g in (1e-30, 1e-15, 1.0, 1e15, 1e30):
        weight = grad_cam_pp(activations, torch.tensor([[[g, -g]]]))
        assert weight.item() == pytest.approx(g / (2 + g), rel=1e-6)


@pytest.mark.parametrize("alpha", ["paper", "authors"])
def test_what_is_not_a_number_stays_visible(alpha):
    activations, gradients = torch.ones(1, 2, 3), torch.ones(1, 2, 3)
    gradients[0, 1, 2] = torch.nan
    assert grad_cam_pp(activations, gradients, alpha=alpha).isnan().flatten().tolist() == [
        False,
        True,
    ]


def test_an_unknown_alpha_is_refused():
    with pytest.raises(MethodError, match=r"not 'papr'\. Near names: 'paper'"):
        grad_cam_pp(torch.ones(1, 1, 1), torch.ones(1, 1, 1), alpha="papr")
