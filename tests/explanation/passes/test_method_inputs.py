"""The words a method can ask for: each against autograd, target after target along the batch."""

import pytest
import torch

from helpers.closeness import assert_near
from helpers.jobs import inputs_of
from helpers.nets import batch, convnet
from sightline.errors import LayerError, MethodError


def supplied(net, x, target, words, **kwargs):
    inputs = inputs_of(net, x, target, "5", **kwargs)
    with inputs, torch.no_grad():
        supplies = inputs.of(0, words, lambda word, positions: None)
        return {word: torch.cat([supply[word] for supply in supplies]) for word in words}


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("head", ["pool", "fc"])
def test_activations_gradients_and_scores(head, sign):
    net, x = convnet(head=head), batch()
    words = ("activations", "gradients", "scores", "explained", "probabilities")
    found = supplied(net, x, [1, 3], words, counterfactual=sign == -1)
    activations = net[:6](x).detach().requires_grad_()
    outputs = net[6:](activations)
    for j, k in enumerate([1, 3]):
        own = slice(3 * j, 3 * j + 3)
        (gradient,) = torch.autograd.grad(outputs[:, k].sum(), activations, retain_graph=True)
        assert_near(found["activations"][own], activations.detach(), 1e-6)
        assert_near(found["gradients"][own], sign * gradient, 1e-5)
        assert_near(found["scores"][own], sign * outputs[:, k].detach(), 1e-5)
        assert_near(found["probabilities"][own], outputs.softmax(1).detach(), 1e-5)
        assert found["explained"][own].tolist() == [k] * 3


def test_every_class_s_gradients_and_the_head():
    net, x = convnet(), batch()
    inputs = inputs_of(net, x, 2, "5")
    with inputs, torch.no_grad():
        (supply,) = inputs.of(0, ["class_gradients", "head"], lambda word, positions: None)
        weights = net[8].weight
        assert supply["class_gradients"].shape[:3] == (5, 3, 8)
        each = supply["class_gradients"].flatten(3)[..., 0]
        assert_near(each, (weights / 120).unsqueeze(1).expand(5, 3, 8), 1e-5)
        assert_near(supply["head"], weights[2].expand(3, 8), 1e-6)


def test_the_words_that_run_the_model_again():
    net, x = convnet(), batch()
    inputs = inputs_of(net, x, 2, "5")
    with inputs, torch.no_grad():
        (supply,) = inputs.of(0, ["rescore", "look"], lambda word, positions: None)
        want = net(x)[:, 2]
        assert_near(supply["rescore"](torch.ones(1, 1, 8, 1, 1))[0], want, 1e-5)
        ramp = torch.zeros(1, 3, 2, 2)
        ramp[..., 0] = 1
        assert supply["look"](ramp).shape == (1, 3)


def test_scores_that_do_not_move_are_not_connected_to_the_layer():
    net, x = convnet(), batch()
    with torch.no_grad():
        net[8].weight.zero_()
    inputs = inputs_of(net, x, 2, "5")
    with inputs, torch.no_grad():
        (supply,) = inputs.of(0, ["rescore"], lambda word, positions: None)
        assert inputs.connected(0), "as long as nobody asked"
        supply["rescore"](torch.rand(3, 1, 8, 1, 1))
        assert not inputs.connected(0)


def test_notes_tell_what_a_method_does_not_see():
    inputs = inputs_of(convnet(), batch(), 2, "5")
    (note,) = inputs.notes(0, "eigen_cam", ["activations"])
    assert note.startswith("eigen_cam is class-agnostic")
    assert inputs.notes(0, "grad_cam", ["gradients"]) == []


def test_what_a_target_or_a_network_does_not_have_is_told():
    score = lambda outputs: outputs[:, 0]  # noqa: E731
    with pytest.raises(MethodError, match="a function of the outputs, which has no class number"):
        supplied(convnet(), batch(), score, ["explained"])
    with pytest.raises(MethodError, match="several classes for the softmax scores"):
        supplied(convnet(classes=1), batch(), 1, ["probabilities"])
    with pytest.raises(LayerError, match="CAM needs a network whose outputs are one linear layer"):
        supplied(convnet(head="fc"), batch(), 1, ["head"])
