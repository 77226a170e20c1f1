"""Relatives that run the model again, on a trained network: float32, as a user gets it, against
loops in float64.
"""

import pytest
import torch
from safetensors.torch import load_file

from helpers.cifar import CifarResNet, cifar_images
from helpers.closeness import assert_near
from helpers.data import shared
from reference.combine import combine
from reference.opti_cam import network_weights
from reference.score_cam import looked_through, network_scores, shares
from reference.smooth_grad_cam_pp import noisy_pictures, smooth_grad_cam_pp
from sightline import explain
from sightline.surgery import capture, replay

IMAGES = 2


@pytest.fixture(scope="module")
def trained():
    net = CifarResNet(20)
    net.load_state_dict(load_file(shared("cifar10", "resnet20.safetensors")), strict=True)
    return net.double().eval().requires_grad_(False), cifar_images(IMAGES)


def in_float32(trained, method, layer, classes, **options):
    net, x = trained
    try:
        e = explain(net.float(), x.float(), classes, method, layer, **options)
    finally:
        net.double()
    assert e.coarse.dtype == torch.float32
    return e


@pytest.mark.parametrize("layer", ["layer3", "layer2", "layer3.1.conv1"])
def test_ablation_cam(trained, layer):
    """Behind the head; behind a stage; inside a block, with a connection around the layer."""
    net, x = trained
    classes = net(x).topk(2).indices
    classes[:, 1] = net(x).argmin(1)  # its score is negative
    e = in_float32(trained, "ablation_cam", layer, classes)
    assert (e.scores[:, 0] > 0).all()
    assert (e.scores[:, 1] < 0).all()
    own = capture(net, x, layer).activations
    whole, losses = net(x), []
    for k in range(own.shape[1]):
        without = own.clone()
        without[:, k] = 0
        losses.append(whole - replay(net, x, layer, without))
    losses = torch.stack(losses, 1)  # [b, c, classes]
    for j in range(2):
        weights = losses[torch.arange(IMAGES), :, classes[:, j]]
        assert_near(e.coarse[:, j], combine(weights[:, :, None, None], own), 1e-5)


def test_score_cam_at_the_layer_that_is_chosen(trained):
    net, x = trained
    classes = net(x).argmax(1)
    e = in_float32(trained, "score_cam", None, classes[:, None])
    own = capture(net, x, e.layer).activations
    for i in range(IMAGES):
        told = network_scores(net, x[i], own[i], lambda out, i=i: out[0, classes[i]])
        whole = by_scores(told, own[i])
        assert_near(e.coarse[i, 0], whole, 1e-5)
        some = by_scores({k: told[k] for k in looked_through(own[i], 16)}, own[i])
        fewer = in_float32(trained, "score_cam", e.layer, classes[:, None], top=16)
        assert_near(fewer.coarse[i, 0], some, 1e-5)
        # A quarter of the channels, and nearly the same picture.
        assert torch.corrcoef(torch.stack([some.flatten(), whole.flatten()]))[0, 1] > 0.9


@pytest.mark.parametrize("form", ["meant", "paper"])
def test_smooth_grad_cam_pp(trained, form):
    net, x = trained
    classes = net(x).topk(2).indices
    e = in_float32(trained, "smooth_grad_cam_pp", "layer2", classes, samples=3, form=form)
    own = capture(net, x, "layer2").activations
    for j in range(2):
        gradients = []
        for noisy in noisy_pictures(x, 3, 0.1):
            trace = capture(net, noisy, "layer2")
            gradients += trace.gradients(trace.outputs[torch.arange(IMAGES), classes[:, j]])
        weights = smooth_grad_cam_pp(own, lambda gradients=gradients, **_: gradients, form=form)
        assert_near(e.coarse[:, j], combine(weights, own), 1e-4)


def test_opti_cam_at_the_layer_that_is_chosen(trained):
    """Its own ascent, and a picture through which the network is surer than through the mean of the
    channels.
    """
    net, x = trained
    classes = net(x).argmax(1)
    e = in_float32(trained, "opti_cam", None, classes, steps=20)
    own = capture(net, x, e.layer).activations
    for i in range(IMAGES):
        weights, told = network_weights(
            net, x[i], own[i], lambda out, i=i: out[0, classes[i]], steps=20
        )
        assert_near(e.coarse[i], combine(weights.reshape(1, -1, 1, 1), own[i : i + 1])[0], 1e-3)
        assert told[-1] > told[0]


def by_scores(told, activations):
    weights = shares(told, "paper")
    column = torch.tensor(
        [weights.get(k, 0.0) for k in range(len(activations))], dtype=torch.float64
    )
    return combine(column.reshape(1, -1, 1, 1), activations[None])[0]
