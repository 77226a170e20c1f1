"""KPCA-CAM: hand values, and that the shares of the channels add up to the component."""

import pytest
import torch

from helpers.closeness import assert_near
from helpers.nets import batch, convnet
from reference.kpca_cam import first_component
from sightline import explain
from sightline.errors import MethodError
from sightline.maps.combine import combine
from sightline.methods import eigen_cam, kpca_cam


def relu(*shape, seed=0):
    return torch.randn(
        *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    ).relu()


def component(activations, kernel="sigmoid", gamma=None):
    rows = activations.flatten(1).T.numpy()
    return torch.from_numpy(first_component(list(rows), kernel, gamma)).reshape(
        activations.shape[1:]
    )


def test_one_place_apart_from_three_by_hand():
    """K is 1 within the three and 0 between them and the one; centred it has the one value 3/2, and
    the vector (-1, -1, -1, 3) / sqrt(12)."""
    activations = torch.tensor([[[1.0, 1.0, 1.0, 5.0]]], dtype=torch.float64)
    got = combine(kpca_cam(activations, kernel="rbf", gamma=100.0), activations)
    want = 1.5**0.5 * torch.tensor([[-1.0, -1.0, -1.0, 3.0]], dtype=torch.float64) / 12**0.5
    assert_near(got, want, 1e-12)


@pytest.mark.parametrize("kernel", ["sigmoid", "rbf"])
@pytest.mark.parametrize("grid", [(7,), (4, 5), (2, 3, 4)])
def test_the_shares_of_the_channels_add_up_to_the_component(kernel, grid):
    activations = relu(2, 6, *grid) + 0.01
    got = combine(kpca_cam(activations, kernel=kernel), activations)
    assert_near(got, torch.stack([component(one, kernel) for one in activations]), 1e-10)


def test_a_wide_rbf_kernel_is_the_centred_eigen_cam():
    """With a small gamma the kernel is 1 - gamma d^2, which centred is 2 gamma times the centred
    products.
    """
    activations = relu(1, 5, 4, 4)
    linear = combine(eigen_cam(activations, centred=True), activations)
    linear = linear - linear.mean((1, 2), keepdim=True)
    activations = activations + 0.01
    near = combine(kpca_cam(activations, kernel="rbf", gamma=1e-6), activations)
    assert_near(near / (2e-6) ** 0.5, linear, 1e-4)


def test_the_target_is_not_asked():
    net, x = convnet(head="fc"), batch()
    e = explain(net, x, [0, 1], "kpca_cam")
    assert torch.equal(e.coarse[:, 0], e.coarse[:, 1])
    assert "class-agnostic" in kpca_cam.__doc__.splitlines()[0]


def test_a_place_without_activations_is_zero_and_counted():
    activations = relu(2, 3, 2, 3) + 0.1
    activations[0, :, 1, 2] = 0
    told = {}
    weights = kpca_cam(activations, tally=lambda word, places: told.update({word: places}))
    assert told["silent"].flatten(1).sum(1).tolist() == [1, 0]
    assert not weights[0, :, 1, 2].any()
    assert component(activations[0])[1, 2] != 0


@pytest.mark.parametrize("kernel", ["sigmoid", "rbf"])
def test_nothing_the_same_everywhere_and_no_number(kernel):
    assert not kpca_cam(torch.zeros(1, 3, 2, 2), kernel=kernel).any()
    assert not kpca_cam(torch.full((1, 3, 2, 2), 0.1), kernel=kernel).any()
    assert not kpca_cam(torch.ones(1, 3, 1, 1), kernel=kernel).any()
    activations = relu(3, 3, 2, 2)
    clean = kpca_cam(activations, kernel=kernel)
    activations[1, 0, 0, 0] = torch.nan
    got = kpca_cam(activations, kernel=kernel)
    assert got[1].isnan().all()
    assert torch.equal(got[[0, 2]], clean[[0, 2]])


def test_statuses_through_the_path():
    net, x = convnet(head="fc"), batch()
    x[1] = torch.inf
    assert [s.word for s in explain(net, x, 1, "kpca_cam").status] == ["ok", "non-finite", "ok"]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(dtype):
    activations = (relu(1, 8, 4, 4) + 0.1).to(dtype)
    got = combine(kpca_cam(activations), activations)
    assert got.dtype == torch.float32
    assert_near(got[0], component(activations[0].double()), 1e-5)


@pytest.mark.parametrize("kernel", ["sigmoid", "rbf"])
def test_derivatives_are_those_of_finite_differences(kernel):
    activations = (relu(1, 3, 2, 3) + 0.1).requires_grad_()
    assert torch.autograd.gradcheck(lambda a: kpca_cam(a, kernel=kernel), activations)


def test_a_wrong_kernel_or_gamma_is_told_what_there_is():
    activations = relu(1, 3, 2, 2)
    with pytest.raises(MethodError, match=r"kernel is one of .*'rbff'. Near names: 'rbf'"):
        kpca_cam(activations, kernel="rbff")
    for gamma in (0.0, -1.0, float("inf"), float("nan")):
        with pytest.raises(MethodError, match="positive number"):
            kpca_cam(activations, gamma=gamma)
