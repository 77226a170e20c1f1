"""What holds for every method behind a network: the same question in other words has the same
answer.
"""

import pytest
import torch

from helpers.closeness import assert_near, assert_relative
from helpers.tail_nets import GRIDS, Pooled, Symmetric, deep, made, material
from laws.cases import CASES
from sightline.maps.combine import combine

every_case = pytest.mark.parametrize("case", CASES, ids=str)
every_rank = pytest.mark.parametrize("axes", GRIDS)

EXPLAINED = torch.tensor([1, 4])
CLASS_AGNOSTIC = ("eigen_cam", "kpca_cam")
"""They ask what the layer saw, and not for what."""


def question(tail, activations):
    """Material, with rows of the last linear layer as the head that CAM asks for."""
    m = material(tail, activations, EXPLAINED)
    last = tail.linear if hasattr(tail, "linear") else tail[-1]
    return m | {"head": last.weight.detach()[EXPLAINED, : activations.shape[1]]}


@every_rank
@every_case
def test_adding_a_constant_to_all_logits_changes_nothing(case, axes):
    """For scores that are compared with each other.

    A sigmoid's score stands alone: there it must change.
    """
    torch.manual_seed(0)
    tail, activations = made(deep(axes), axes, images=2)
    before = case.weights(question(tail, activations))
    with torch.no_grad():
        tail[-1].bias.add_(3.0)
    after = case.weights(question(tail, activations))
    if case.name == "grad_cam_pp_sigmoid":
        assert not torch.allclose(after, before, rtol=1e-3)
    else:
        assert_relative(after, before, 1e-9)


@every_rank
@every_case
def test_flipping_the_input_flips_the_map(case, axes):
    torch.manual_seed(0)
    tail, activations = made(Symmetric(axes), axes, images=2)
    whole = question(tail, activations)
    mirrored = question(tail, activations.flip(-1))
    assert_relative(tail(activations.flip(-1)).detach(), tail(activations).detach(), 1e-12)
    got = combine(case.weights(mirrored), activations.flip(-1))
    assert_near(got, combine(case.weights(whole), activations).flip(-1), 1e-9)


@every_rank
@every_case
def test_a_batch_is_its_images_one_by_one(case, axes):
    torch.manual_seed(0)
    tail, activations = made(deep(axes), axes, images=2)
    together = case.weights(question(tail, activations))
    for image in range(2):
        twice = question(tail, activations[[image, image]])
        here = [image, image]
        twice["explained"] = EXPLAINED[here]
        m = material(tail, activations[[image, image]], EXPLAINED[here])
        alone = case.weights(twice | m | {"head": question(tail, activations)["head"][here]})
        assert_relative(alone[:1], together[image : image + 1], 1e-9)


@every_rank
@pytest.mark.parametrize(
    "case", [case for case in CASES if case.name not in CLASS_AGNOSTIC], ids=str
)
def test_a_class_of_its_own(case, axes):
    """Another class is another map, on every method that looks at gradients of one class or at its
    head.
    """
    torch.manual_seed(0)
    tail, activations = made(Pooled(), axes, images=2)
    m = question(tail, activations)
    other = material(tail, activations, torch.tensor([0, 3])) | {"head": m["head"].flip(1)}
    assert not torch.allclose(case.weights(m), case.weights(other), rtol=1e-2)
