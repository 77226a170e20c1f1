"""The maps of singular vectors, kernels and second derivatives on a trained network and on a
transformer.
"""

import pytest
import timm
import torch
from safetensors.torch import load_file

from helpers.cifar import CifarResNet, cifar_images
from helpers.closeness import assert_near
from helpers.data import shared
from reference.combine import combine
from reference.eigen_cam import eigen_cam, eigen_grad_cam
from reference.elementwise_grad_cam import elementwise_grad_cam
from reference.kpca_cam import kpca_cam
from reference.shapley_cam import rest, shapley_cam
from sightline import explain
from sightline.surgery import capture

IMAGES = 2
ALL = ["eigen_cam", "eigen_grad_cam", "elementwise_grad_cam", "kpca_cam", "shapley_cam"]


@pytest.fixture(scope="module")
def trained():
    net = CifarResNet(20)
    net.load_state_dict(load_file(shared("cifar10", "resnet20.safetensors")), strict=True)
    return net.double().eval().requires_grad_(False), cifar_images(IMAGES).double()


@pytest.mark.parametrize("layer", ["layer3", "layer2"])
def test_float32_as_a_user_gets_it_against_loops_in_float64(trained, layer):
    net, x = trained
    classes = net(x).argmax(1)
    try:
        found = explain(net.float(), x.float(), classes, ALL, layer)
        centred = explain(net, x.float(), classes, ALL[:2], layer, centred=True)
    finally:
        net.double()
    assert all(status.ok for e in found.values() for status in e.status)
    trace = capture(net, x, layer)
    own = trace.activations
    (g,) = trace.gradients(trace.outputs.gather(1, classes[:, None])[:, 0])
    slow = {
        "eigen_cam": eigen_cam(own),
        "eigen_grad_cam": eigen_grad_cam(own, g),
        "elementwise_grad_cam": elementwise_grad_cam(own, g),
    }
    if layer == "layer3":  # loops over pairs of places
        slow["kpca_cam"] = kpca_cam(own)
    for name, weights in slow.items():
        assert_near(found[name].coarse, combine(weights, own), 1e-4)
    assert_near(centred["eigen_cam"].coarse, combine(eigen_cam(own, centred=True), own), 1e-4)
    assert_near(
        centred["eigen_grad_cam"].coarse, combine(eigen_grad_cam(own, g, centred=True), own), 1e-4
    )


@pytest.mark.parametrize("layer", ["layer3", "layer2", "layer3.1.conv1"])
def test_shapley_cam_by_finite_differences_of_the_gradient(trained, layer):
    """H A is how the gradient changes along A; behind the head, and with ReLUs between."""
    net, x = trained
    classes = net(x).argmax(1)
    try:
        e = explain(net.float(), x.float(), classes, "shapley_cam", layer)
    finally:
        net.double()
    own = capture(net, x, layer).activations

    def slope(share):
        leaf = (own * share).requires_grad_()
        handle = net.get_submodule(layer).register_forward_hook(lambda *_: leaf.clone())
        try:
            rows = net(x)
        finally:
            handle.remove()
        value = sum(rest(row, int(k)) for row, k in zip(rows, classes, strict=True))
        return torch.autograd.grad(value, leaf)[0]

    step = 1e-6
    bent = (slope(1 + step) - slope(1 - step)) / (2 * step)
    weights = shapley_cam(lambda _: (slope(1.0), bent))
    assert_near(e.coarse, combine(weights, own), 1e-3)
    plain = explain(net, x, classes, "grad_cam", layer).coarse
    assert float((e.coarse - plain).abs().max()) > 1e-4 * float(plain.abs().max())


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "convnext_atto", "resnet10t"])
def test_on_a_transformer_and_two_convolutional_networks(name):
    """Random weights: grids, statuses, and that Eigen-CAM does not care for the target."""
    torch.manual_seed(0)
    net = timm.create_model(name, num_classes=7).eval()
    found = explain(net, torch.randn(2, 3, 224, 224), [0, 3], ALL)
    for method, e in found.items():
        assert e.coarse.isfinite().all(), method
        assert e.maps.shape == (2, 2, 224, 224)
        assert {status.word for row in e.status for status in row} <= {"ok", "no positive evidence"}
        apart = float((e.coarse[:, 0] - e.coarse[:, 1]).abs().max() / e.coarse.abs().max())
        assert (apart < 1e-6) == (method in ("eigen_cam", "kpca_cam")), method
