"""The hazards of opening a model: however it is run, wrapped or asked, the gradients are those of a
cut by hand.
"""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from helpers.backward import both
from helpers.nets import batch, convnet
from sightline.errors import SurgeryError
from sightline.surgery import capture


def plain(model: nn.Module, x: torch.Tensor, layer: int, k: int = 1):
    """The same by hand, without a hook: the sequential cut in two."""
    with torch.no_grad():
        activations = model[: layer + 1](x).clone()
    leaf = activations.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(model[layer + 1 :](leaf.clone())[:, k].sum(), leaf)
    return activations, gradient


@pytest.mark.parametrize("head", ["pool", "fc"])
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_capture_equals_cutting_by_hand(axes, head):
    net, x = convnet(axes, head=head), batch(axes)
    for layer in (0, 2, 5):
        for mine, byhand in zip(both(net, x, str(layer)), plain(net, x, layer), strict=True):
            assert torch.equal(mine, byhand)


@pytest.mark.parametrize("layer", ["0", "1", "2", "3", "4", "5"])
def test_an_inplace_layer_behind_the_cut_does_not_overwrite_what_is_kept(layer):
    x = batch()
    for mine, other in zip(
        both(convnet(inplace=True), x, layer), both(convnet(), x, layer), strict=True
    ):
        assert torch.equal(mine, other)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
@pytest.mark.parametrize("frozen", [True, False])
def test_works_under_no_grad_inference_mode_and_on_frozen_models(mode, frozen):
    net, x = convnet(head="fc"), batch()
    expected = both(net, x, "5")
    net.requires_grad_(not frozen)
    with mode():
        inside = both(net, x.clone(), "5")
    for mine, other in zip(inside, expected, strict=True):
        assert torch.equal(mine, other)


class QuietBackbone(nn.Module):
    """A frozen backbone run under `no_grad`, as people write it."""

    def __init__(self, net):
        super().__init__()
        self.body, self.head = net[:6], net[6:]

    def forward(self, x):
        with torch.no_grad():
            x = self.body(x)
        return self.head(x)


@pytest.mark.parametrize("layer", ["body", "body.2"])
def test_a_no_grad_inside_the_model_does_not_cut_the_graph(layer):
    net, x = convnet(), batch()
    for mine, other in zip(
        both(QuietBackbone(net), x, layer),
        both(net, x, {"body": "5", "body.2": "2"}[layer]),
        strict=True,
    ):
        assert torch.equal(mine, other)


def test_an_inference_mode_inside_the_model_is_refused_with_the_way_out():
    class Sealed(QuietBackbone):
        @torch.inference_mode()
        def forward(self, x):
            return self.head(self.body(x))

    with pytest.raises(SurgeryError, match=r"torch\.no_grad\(\)"):
        capture(Sealed(convnet()), batch(), "body")


def test_a_model_compiled_in_place_is_run_as_written():
    net, x = convnet(), batch()
    expected = both(net, x, "5")
    net.compile(backend="eager")
    net[3].compile(backend="eager")
    for mine, other in zip(both(net, x, "5"), expected, strict=True):
        assert torch.equal(mine, other)


class Checkpointed(nn.Module):
    """timm's and transformers' switch, and a call that no switch governs."""

    def __init__(self, switch):
        super().__init__()
        self.net, self.grad_checkpointing, self.switch = convnet(), True, switch

    def forward(self, x):
        if self.grad_checkpointing or not self.switch:
            x = checkpoint(self.net[:4], x, use_reentrant=False)
            return self.net[6:](checkpoint(self.net[4:6], x, use_reentrant=False))
        return self.net(x)


@pytest.mark.parametrize("switch", [True, False])
@pytest.mark.parametrize("layer", ["2", "3", "5"])
def test_checkpointing_models_give_the_same(switch, layer):
    net, x = Checkpointed(switch), batch()
    for mine, other in zip(both(net, x, f"net.{layer}"), both(convnet(), x, layer), strict=True):
        torch.testing.assert_close(mine, other)
    assert net.grad_checkpointing is True


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_models_keep_their_dtype_and_give_float32_gradients(dtype):
    net, x = convnet(head="fc"), batch()
    activations, gradient = both(copy.deepcopy(net).to(dtype), x.to(dtype), "5")
    exact = both(net, x, "5")
    assert activations.dtype == dtype
    assert gradient.dtype == torch.float32
    corr = torch.corrcoef(torch.stack([gradient.flatten(), exact[1].flatten()]))[0, 1]
    assert corr > 0.99


def test_fp16_gradients_do_not_underflow():
    net = convnet().half()
    with torch.no_grad():
        net[8].weight.mul_(2e-4)  # over 120 places: 2e-4 * 0.3 / 120 is below fp16's 6e-8
    _, gradient = both(net, batch().half(), "5")
    expected = net[8].weight[1].float() / 120
    assert expected.abs().max() < 1e-6
    torch.testing.assert_close(gradient[0, :, 0, 0], expected.detach(), rtol=0.02, atol=1e-10)


def test_autocast_around_the_call():
    net, x = convnet(head="fc"), batch()
    exact = both(net, x, "5")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        activations, gradient = both(net, x, "5")
    assert gradient.dtype == torch.float32
    for mine, other in ((activations, exact[0]), (gradient, exact[1])):
        assert torch.corrcoef(torch.stack([mine.float().flatten(), other.flatten()]))[0, 1] > 0.99


def test_gradients_of_many_questions_equal_one_by_one():
    net, x = convnet(head="fc"), batch()
    trace = capture(net, x, ["2", "5"])
    together = trace.gradients(trace.outputs.T)
    for k in range(5):
        single = trace.gradients(trace.outputs[:, k])
        for many, one, layer in zip(together, single, ("2", "5"), strict=True):
            torch.testing.assert_close(many[k], one)
            torch.testing.assert_close(one, both(net, x, layer, k)[1])


def test_a_score_that_does_not_depend_on_the_layer_gives_none():
    net = convnet()
    trace = capture(net, batch(), "5")
    assert trace.gradients(torch.ones(3, requires_grad=True) * 2) == (None,)
    assert trace.gradients(trace.outputs.detach()[:, 0]) == (None,)


def test_differentiable_traces_train_the_model():
    net, x = convnet(head="fc"), batch()
    trace = capture(net, x, "5", differentiable=True)
    (gradient,) = trace.gradients(trace.outputs[:, 1])
    loss = (F.relu((gradient.mean((2, 3), keepdim=True) * trace.activations).sum(1)) ** 2).sum()
    loss.backward()
    assert net[0].weight.grad is not None
    step = 1e-3 * net[0].weight.grad
    value = loss.item()

    def again():
        trace = capture(net, x, "5")
        (g,) = trace.gradients(trace.outputs[:, 1])
        return (F.relu((g.mean((2, 3), keepdim=True) * trace.activations).sum(1)) ** 2).sum().item()

    assert again() == pytest.approx(value, rel=1e-5)
    with torch.no_grad():
        net[0].weight -= step / step.norm() * 0.01
    assert again() < value


def test_only_what_lies_behind_the_layer_is_kept_for_looking_back():
    net, x = convnet(), batch()
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.shape) or t, lambda t: t):
        capture(net, x, "5")
    assert (
        sum(s.numel() for s in kept) < 200
    )  # the linear head's weight and its input, no feature map
    kept.clear()
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.shape) or t, lambda t: t):
        net(x)
    assert sum(s.numel() for s in kept) > 10_000  # what a plain forward with a graph would keep
