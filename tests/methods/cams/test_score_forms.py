"""Grad-CAM++ for softmax, log-softmax and sigmoid: alpha and weights against autograd, and the
guard.
"""

import pytest
import torch

from helpers.closeness import assert_relative
from helpers.positions import column, place_by_place
from helpers.tail_nets import CLASSES, Pooled, deep, made, material
from reference.true_derivatives import true_derivatives
from sightline.methods import (
    grad_cam_pp_log_softmax,
    grad_cam_pp_sigmoid,
    grad_cam_pp_softmax,
)

FORMS = {
    "softmax": lambda logits, c: logits.softmax(1)[0, c],
    "log_softmax": lambda logits, c: logits.log_softmax(1)[0, c],
    "sigmoid": lambda logits, c: logits[0, c].sigmoid(),
}
OF_CLASSES = {"softmax": grad_cam_pp_softmax, "log_softmax": grad_cam_pp_log_softmax}


def weights_of(form, m, **options):
    if form == "sigmoid":
        return grad_cam_pp_sigmoid(m["activations"], m["gradients"], m["scores"], **options)
    words = "activations", "class_gradients", "probabilities", "explained"
    return OF_CLASSES[form](*[m[word] for word in words], **options)


def factor(form, m):
    """What the docstrings say is left out."""
    if form == "log_softmax":
        return torch.ones_like(m["scores"])
    of_class = m["probabilities"].gather(1, m["explained"][:, None])[:, 0]
    y = m["scores"].sigmoid() if form == "sigmoid" else of_class
    return y * (1 - y)


@pytest.mark.slow
@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("head", ["deep", "pooled"])
def test_alpha_and_weights_are_those_of_the_true_derivatives(form, axes, head):
    torch.manual_seed(axes + 10)
    tail, activations = made(deep(axes) if head == "deep" else Pooled(), axes, sharpness=12)
    space = tuple(range(2, 2 + axes))
    total = activations.sum(space, keepdim=True)
    checked = 0
    for c in range(CLASSES):
        m = material(tail, activations, torch.tensor([c]))
        first, second, third = true_derivatives(lambda a, c=c: FORMS[form](tail(a), c), activations)
        alphas = second / (2 * second + total * third)
        counts = first > 0
        left_out = column(factor(form, m), activations)

        def alone(g, m=m):
            """Gradients everywhere but at one position are taken away, for all classes."""
            here = (g != 0).any(1, keepdim=True)
            lone = m | {
                "gradients": m["gradients"] * here,
                "class_gradients": m["class_gradients"] * here,
            }
            return weights_of(form, lone, guard=False)

        ours = place_by_place(alone, first / left_out)
        assert_relative(torch.where(counts, ours, 0), torch.where(counts, alphas, 0), 1e-10)

        for guard in (False, True):
            used = torch.where((alphas > 0) & (alphas < 1), alphas, 0.5) if guard else alphas
            weights = torch.where(counts, used * first, 0).sum(space, keepdim=True)
            assert_relative(weights_of(form, m, guard=guard) * left_out, weights, 1e-10)
            shares = torch.where(counts, used, 0).sum(space, keepdim=True)
            mean = torch.where(shares != 0, weights / shares, 0)
            assert_relative(
                weights_of(form, m, guard=guard, alpha="authors") * left_out, mean, 1e-10
            )
        checked += int(counts.sum())
    assert checked >= 20


@pytest.mark.parametrize("form", FORMS)
def test_the_guard_counts_the_places_at_which_it_acts(form):
    torch.manual_seed(3)
    tail, activations = made(deep(2), 2, images=3, sharpness=12)
    m = material(tail, activations, torch.tensor([0, 1, 4]))
    words, counted = [], []
    weights_of(form, m, tally=lambda word, places: (words.append(word), counted.append(places)))
    assert words == ["guarded"]
    assert counted[0].shape == activations.shape
    assert 0 < int(counted[0].sum()) < activations.numel()
    # Where a channel holds no such place, the guard changed nothing; where it holds one, it did.
    touched = counted[0].flatten(2).any(2)
    same = (weights_of(form, m) == weights_of(form, m, guard=False)).reshape(touched.shape)
    assert torch.equal(same, ~touched)
    weights_of(form, m, guard=False, tally=lambda *_: pytest.fail("counted without a guard"))


@pytest.mark.parametrize("form", OF_CLASSES)
@pytest.mark.parametrize("alpha", ["paper", "authors"])
def test_the_free_shortcut_of_a_pooled_linear_head(form, alpha):
    """W / Z once a class and channel gives the weights of the whole class gradients, and the same
    count.
    """
    torch.manual_seed(0)
    tail, activations = made(Pooled(), 2, images=2)
    m = material(tail, activations, torch.tensor([2, 0]))
    z = activations[0, 0].numel()
    once = (tail.linear.weight.detach() / z)[:, None, :, None, None].expand(-1, 2, -1, 1, 1)
    counts = []
    tally = lambda word, places: counts.append(places)  # noqa: E731
    full = weights_of(form, m, alpha=alpha, tally=tally)
    short = weights_of(form, m | {"class_gradients": once}, alpha=alpha, tally=tally)
    assert_relative(short, full, 1e-10)
    assert torch.equal(*counts)


@pytest.mark.parametrize("form", OF_CLASSES)
def test_a_class_nobody_believes_in_changes_nothing(form):
    torch.manual_seed(0)
    tail, activations = made(deep(2), 2)
    m = material(tail, activations, torch.tensor([1]))
    steep = 100 * torch.randn(1, *activations.shape, dtype=torch.float64)
    more = m | {
        "class_gradients": torch.cat([m["class_gradients"], steep]),
        "probabilities": torch.cat([m["probabilities"], torch.zeros(1, 1).double()], 1),
    }
    assert_relative(weights_of(form, more), weights_of(form, m), 1e-12)
