"""Eigen-CAM and Eigen-Grad-CAM: hand values, signs, and material that breaks a singular value
decomposition.
"""

import pytest
import torch
from torch import nn

from helpers.closeness import assert_near
from helpers.nets import batch, convnet
from reference.eigen_cam import eigen_cam as slow_eigen_cam
from sightline import explain
from sightline.maps.combine import combine
from sightline.methods import eigen_cam, eigen_grad_cam


def relu(*shape, seed=0):
    return torch.randn(
        *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    ).relu()


def test_two_places_and_two_channels_by_hand():
    """A = diag(1, 2): v_1 is the second channel, the map (0, 2)."""
    activations = torch.tensor([[[1.0, 0.0], [0.0, 2.0]]])
    assert torch.equal(eigen_cam(activations), torch.tensor([[[0.0], [1.0]]]))
    assert torch.equal(combine(eigen_cam(activations), activations), torch.tensor([[0.0, 2.0]]))


def test_centred_by_hand():
    """The large constant channel is the uncentred axis; without the mean only the other varies."""
    activations = torch.tensor([[[10.0, 10.0, 10.0], [0.0, 0.0, 3.0]]])
    plain, centred = eigen_cam(activations), eigen_cam(activations, centred=True)
    assert plain[0, 0] > 0.99
    assert torch.equal(centred, torch.tensor([[[0.0], [1.0]]]))


def test_the_target_is_not_asked():
    net, x = convnet(head="fc"), batch()
    e = explain(net, x, [0, 1, 4], "eigen_cam")
    against = explain(net, x, 3, "eigen_cam", counterfactual=True)
    # Eight channels, none negative: a weight rounded from float64, eight products and their sum
    # lie nine roundings of eps / 2 away from the truth, whatever the shapes of the product.
    bar = 9 * torch.finfo(torch.float32).eps
    for other in (e.coarse[:, 1], e.coarse[:, 2], against.coarse):
        assert_near(other, e.coarse[:, 0], bar)
    assert "class-agnostic" in eigen_cam.__doc__.splitlines()[0]


def test_behind_a_relu_all_weights_and_the_map_are_positive():
    activations = relu(2, 6, 5, 4)
    weights = eigen_cam(activations)
    assert (weights >= 0).all()
    assert (combine(weights, activations) >= 0).all()


@pytest.mark.parametrize("centred", [False, True])
def test_the_largest_magnitude_is_positive(centred):
    activations = relu(5, 4, 3, 3) - 0.7
    rows = activations.flatten(2)
    rows = rows - rows.mean(2, keepdim=True) if centred else rows
    projections = (eigen_cam(activations, centred=centred).flatten(2) * rows).sum(1)
    assert (projections.amax(1) >= -projections.amin(1)).all()
    assert torch.equal(
        eigen_cam(activations.neg(), centred=centred), -eigen_cam(activations, centred=centred)
    )


def test_a_tie_is_settled_by_the_first_place():
    activations = torch.tensor([[[1.0, 3.0]]])
    assert eigen_cam(activations, centred=True).item() == -1  # less the mean: (-1, 1), turned round


def test_it_is_the_best_map_of_its_kind():
    """Of all weights of length 1 those of the map with the largest sum of squares."""
    activations = relu(1, 6, 4, 4)
    best = combine(eigen_cam(activations), activations).square().sum()
    for seed in range(50):
        other = torch.randn(
            1, 6, 1, 1, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
        )
        assert combine(other / other.norm(), activations).square().sum() < best


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(dtype):
    activations = relu(2, 16, 5, 4).to(dtype)
    got = eigen_cam(activations)
    assert got.dtype == torch.float32
    assert_near(got, slow_eigen_cam(activations), 1e-6)


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_numbers_whose_squares_single_precision_cannot_hold(scale):
    activations = relu(2, 8, 5, 4).float()
    assert_near(eigen_cam(activations * scale), eigen_cam(activations), 1e-6)
    both = eigen_grad_cam(activations * scale, torch.ones_like(activations))
    assert_near(both, eigen_grad_cam(activations, torch.ones_like(activations)), 1e-6)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_one_number_that_is_none_spoils_its_image_only(bad):
    activations = relu(3, 4, 3, 3)
    clean = eigen_cam(activations)
    activations[1, 2, 0, 0] = bad
    got = eigen_cam(activations)
    assert got[1].isnan().all()
    assert torch.equal(got[[0, 2]], clean[[0, 2]])
    assert eigen_grad_cam(activations, torch.ones_like(activations))[1].isnan().all()


def test_nothing_and_the_same_everywhere():
    nothing, same = torch.zeros(1, 3, 2, 2), torch.full((1, 3, 2, 2), 0.1)
    assert not eigen_cam(nothing).any()
    assert not eigen_cam(nothing, centred=True).any()
    assert not eigen_cam(same, centred=True).any()
    assert_near(eigen_cam(same), torch.full((1, 3, 1, 1), 3**-0.5), 1e-7)
    assert not eigen_grad_cam(relu(1, 3, 2, 2), torch.zeros(1, 3, 2, 2, dtype=torch.float64)).any()


def test_statuses_through_the_path():
    net, x = convnet(head="fc").eval(), batch()
    x[1] = torch.nan
    assert [s.word for s in explain(net, x, 1, "eigen_cam").status] == ["ok", "non-finite", "ok"]
    with torch.no_grad():
        net[3].weight.zero_()
        net[3].bias.fill_(-100)
    dark = explain(net, batch(), 1, ["eigen_cam", "eigen_grad_cam"])
    assert {s.word for e in dark.values() for s in e.status}.isdisjoint({"ok"})


def test_a_layer_the_score_does_not_depend_on_has_an_eigen_cam_and_no_eigen_grad_cam():
    """What is class-agnostic cannot notice: that is said in its documentation."""

    class Cut(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.head = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(3, 5)

        def forward(self, x):
            return self.head(x.mean((2, 3))) + 0 * self.body(x).detach().sum()

    found = explain(
        Cut().eval(), batch(), 1, ["eigen_cam", "eigen_grad_cam", "elementwise_grad_cam"], "body"
    )
    assert {s.word for s in found["eigen_cam"].status} == {"ok"}
    assert {s.word for s in found["eigen_grad_cam"].status} == {"no gradient"}
    assert {s.word for s in found["elementwise_grad_cam"].status} == {"no gradient"}


def test_the_same_twice_bit_by_bit():
    activations, gradients = relu(2, 32, 7, 7).float(), relu(2, 32, 7, 7, seed=1).float() - 0.5
    assert torch.equal(eigen_cam(activations), eigen_cam(activations))
    assert torch.equal(
        eigen_grad_cam(activations, gradients), eigen_grad_cam(activations, gradients)
    )


@pytest.mark.parametrize("shape", [(4, 3, 3), (9, 2, 2)])
def test_derivatives_are_those_of_finite_differences(shape):
    """More places than channels, and fewer; a silent channel, where torch's own would be NaN."""
    activations = relu(2, *shape) - 0.3
    activations[:, 0] = 0
    assert torch.autograd.gradcheck(
        lambda a: eigen_cam(torch.cat([activations[:, :1], a], 1)),
        activations[:, 1:].clone().requires_grad_(),
    )


def test_a_user_is_told_that_no_target_was_asked():
    net, x = convnet(head="fc"), batch()
    for name in ("eigen_cam", "kpca_cam"):
        (note,) = explain(net, x, 1, name).provenance["notes"]
        assert note.startswith(f"{name} is class-agnostic")
    assert explain(net, x, 1, "eigen_grad_cam").provenance["notes"] == []
