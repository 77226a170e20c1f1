"""The hazards of opening a model, one test each."""

import copy
import subprocess
import sys
import threading
from collections import namedtuple

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from nets import assert_same, batch, convnet, photograph
from sightline import load
from sightline.errors import LayerError, ModelError, SurgeryError
from sightline.surgery import capture, choose, operable


def both(model: nn.Module, x: torch.Tensor, layer: str, k: int = 1, **kwargs):
    trace = capture(model, x, layer, **kwargs)
    (gradient,) = trace.gradients(lambda outputs: outputs[:, k])
    return trace.activations, gradient


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
    for mine, other in zip(both(convnet(inplace=True), x, layer), both(convnet(), x, layer), strict=True):
        assert torch.equal(mine, other)


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.act, self.fc = nn.Conv2d(3, 3, 3, padding=1), nn.ReLU(), nn.Linear(3, 4)

    def forward(self, x):
        for _ in range(2):
            x = self.act(self.conv(x))
        return self.fc(x.mean((2, 3)))


def test_a_module_that_runs_twice_is_taken_at_its_last_run_or_at_call():
    net, x = Twice().eval(), batch()
    first = net.act(net.conv(x)).detach()
    second = net.act(net.conv(first)).detach()
    last = capture(net, x, "act")
    assert torch.equal(last.activations, second)
    assert (last.cuts[0].calls, last.cuts[0].call) == (2, 1)
    early, gradient = both(net, x, "act", call=0)
    assert torch.equal(early, first)
    leaf = first.clone().requires_grad_()
    (byhand,) = torch.autograd.grad(net.fc(net.act(net.conv(leaf)).mean((2, 3)))[:, 1].sum(), leaf)
    assert torch.equal(gradient, byhand)
    with pytest.raises(SurgeryError, match="at least 4 times; it ran 2 times"):
        capture(net, x, "act", call=3)


Pair = namedtuple("Pair", "length maps")


class Wrapped(nn.Module):
    """A layer that returns its map inside something."""

    def __init__(self, kind):
        super().__init__()
        torch.manual_seed(0)
        self.stage, self.fc = Stage(kind), nn.Linear(4, 5)

    def forward(self, x):
        out = self.stage(x)
        out = out["maps"] if isinstance(out, dict) else out[1] if isinstance(out, tuple | list) else out
        return self.fc(out.mean((2, 3)))


class Stage(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.kind, self.conv = kind, nn.Conv2d(3, 4, 3)

    def forward(self, x):
        y = self.conv(x).relu()
        many = {"tuple": (None, y), "list": [1, y], "dict": {"n": 3, "maps": y}, "named": Pair(len(x), y), "tensor": y}
        return many[self.kind]


@pytest.mark.parametrize("kind", ["tuple", "list", "dict", "named"])
def test_the_map_is_found_in_tuples_and_dicts(kind):
    x = batch()
    for mine, other in zip(both(Wrapped(kind), x, "stage"), both(Wrapped("tensor"), x, "stage"), strict=True):
        assert torch.equal(mine, other)


class Tokens(nn.Module):
    """Patches, a class token in front, one mixing of tokens; the class token is read."""

    def __init__(self, registers=0, last=False):
        super().__init__()
        torch.manual_seed(0)
        self.patch, self.norm = nn.Conv2d(3, 8, 2, 2), nn.LayerNorm(8)
        self.prefix, self.head, self.last = nn.Parameter(torch.randn(1, 1 + registers, 8)), nn.Linear(8, 5), last

    def forward(self, x):
        y = self.patch(x)
        if self.last:
            y = self.norm(y.movedim(1, -1))
            return self.head(y.mean((1, 2)))
        y = y.flatten(2).transpose(1, 2)
        y = self.norm(torch.cat([self.prefix.expand(len(x), -1, -1), y], 1))
        mixed = (y @ y.transpose(1, 2)).softmax(-1) @ y
        return self.head(mixed[:, 0])


@pytest.mark.parametrize("registers", [0, 4])
def test_tokens_become_a_grid_without_class_and_register_tokens(registers):
    net, x = Tokens(registers).eval(), batch()  # 12 x 10 pixels, patches of 2: a grid of 6 x 5
    activations, gradient = both(net, x, "norm")
    assert activations.shape == gradient.shape == (3, 8, 6, 5)
    y = torch.cat([net.prefix.expand(3, -1, -1), net.patch(x).flatten(2).transpose(1, 2)], 1)
    normed = net.norm(y).detach()
    assert torch.equal(activations[:, :, 2, 3], normed[:, 1 + registers + 2 * 5 + 3])
    leaf = normed.clone().requires_grad_()
    out = net.head(((leaf @ leaf.transpose(1, 2)).softmax(-1) @ leaf)[:, 0])
    (byhand,) = torch.autograd.grad(out[:, 1].sum(), leaf)
    torch.testing.assert_close(gradient[:, :, 2, 3], byhand[:, 1 + registers + 13])


def test_channels_last_outputs_are_read_channels_first():
    net, x = Tokens(last=True).eval(), batch()
    activations, gradient = both(net, x, "norm")
    assert activations.shape == (3, 8, 6, 5)
    assert torch.equal(activations, net.norm(net.patch(x).movedim(1, -1)).movedim(-1, 1))
    torch.testing.assert_close(gradient[0, :, 4, 4], net.head.weight[1].detach() / 30)


def test_an_output_without_a_grid_says_its_shape_and_offers_a_snippet():
    with pytest.raises(LayerError, match=r"\(3, 8\).*unflatten") as error:
        capture(convnet(), batch(), "7")
    assert "sightline.layers" in str(error.value)


class Odd(nn.Module):
    """7 extra tokens at the end: no grid can be inferred."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.patch, self.keep, self.head = nn.Conv2d(3, 4, 2, 2), nn.Identity(), nn.Linear(4, 5)

    def forward(self, x):
        y = self.patch(x).flatten(2).transpose(1, 2)
        return self.head(self.keep(torch.cat([y, y.new_ones(len(y), 60, 4)], 1)).mean(1))


def test_a_stated_grid_function_reads_what_cannot_be_inferred():
    net, x = Odd().eval(), batch()
    with pytest.raises(LayerError, match="grid=lambda"):
        capture(net, x, "keep")
    activations, gradient = both(net, x, "keep", grid=lambda out: out[:, :30].unflatten(1, (6, 5)).movedim(-1, 1))
    assert torch.equal(activations, net.patch(x))
    torch.testing.assert_close(gradient[0, :, 0, 0], net.head.weight[1].detach() / 90)


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
        both(QuietBackbone(net), x, layer), both(net, x, {"body": "5", "body.2": "2"}[layer]), strict=True
    ):
        assert torch.equal(mine, other)


def test_an_inference_mode_inside_the_model_is_refused_with_the_way_out():
    class Sealed(QuietBackbone):
        @torch.inference_mode()
        def forward(self, x):
            return self.head(self.body(x))

    with pytest.raises(SurgeryError, match=r"torch\.no_grad\(\)"):
        capture(Sealed(convnet()), batch(), "body")


def test_train_mode_dropout_and_batch_statistics_do_not_matter_and_come_back():
    net, x = convnet(head="fc"), batch()
    expected = both(net, x, "5")
    net.train()
    net[1].eval()  # a frozen batch norm inside a training model keeps its own flag
    before = photograph(net)
    for mine, other in zip(both(net, x, "5"), expected, strict=True):
        assert torch.equal(mine, other)
    assert_same(before, photograph(net))
    assert [m.training for m in (net, net[1], net[4])] == [True, False, True]


class Noisy(nn.Module):
    """Draws random numbers and writes a buffer and a counter in its forward, in eval mode too."""

    def __init__(self, fail_at=None):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.fc, self.fail_at = nn.Conv2d(3, 4, 3), nn.Linear(4, 5), fail_at
        self.register_buffer("calls", torch.zeros(2))
        self.register_buffer("mean", torch.zeros(4), persistent=False)

    def forward(self, x):
        self.calls += 1
        x = self.conv(x + 0.1 * torch.randn_like(x)).relu()
        self.mean = x.mean((0, 2, 3))
        if self.fail_at == "forward":
            raise RuntimeError("broken forward")
        return self.fc(x.mean((2, 3)))


def test_buffers_and_generators_are_as_before():
    net = Noisy().train()
    net.fc.weight.grad = torch.ones_like(net.fc.weight)
    before = photograph(net)
    trace = capture(net, batch(), "conv")
    trace.gradients(trace.outputs[:, 0])
    after = photograph(net)
    before["identity"].pop("calls"), after["identity"].pop("calls")  # written and written back: a new version
    assert_same(before, after)


FOREIGN_CODE = {
    "a class of one's own": "net = type('Own', (torch.nn.Linear,), {'__module__': 'own'})(2, 2)",
    "one deep inside": "net[0][1].__class__ = type('Own', (torch.nn.ReLU,), {'__module__': 'own'})",
    "a hook": "net[0].register_forward_hook(lambda *_: None)",
    "a hook before": "net[0][1].register_forward_pre_hook(lambda *_: None)",
    "a hook on every module": "torch.nn.modules.module.register_module_forward_hook(lambda *_: None)",
    "a forward put on a module": "net[0][1].forward = torch.relu",
}


@pytest.mark.parametrize("where", FOREIGN_CODE)
def test_pythons_and_numpys_generators_are_as_before(where):
    # In a process of its own: the shape checker of this one draws from python's generator.
    program = f"""
import random, numpy as np, torch
from sightline.surgery import guard
net = torch.nn.Sequential(torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU()))
{FOREIGN_CODE[where]}
draw = lambda: (random.random(), np.random.rand(), float(torch.rand(1)))
with guard.untouched(net):
    drawn = [draw(), draw()]
assert drawn[0] != drawn[1]
assert drawn == [draw(), draw()]
"""
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("where", [str(i) for i in range(9)])
def test_after_an_error_in_any_layer_nothing_is_left_behind(where):
    net = convnet().train()

    def fail(module, args):
        raise RuntimeError(f"layer {where} is broken")

    net[int(where)].register_forward_pre_hook(fail)
    before = photograph(net)
    for call in (lambda: capture(net, batch(), "2"), lambda: choose(net, batch())):
        with pytest.raises(RuntimeError, match="is broken"):
            call()
        assert_same(before, photograph(net))


def test_after_an_error_in_the_forward_itself_nothing_is_left_behind():
    net = Noisy("forward").train()
    before = photograph(net)
    with pytest.raises(RuntimeError, match="broken forward"):
        capture(net, batch(), "conv")
    after = photograph(net)
    before["identity"].pop("calls"), after["identity"].pop("calls")
    assert_same(before, after)


def test_the_guard_of_this_file_can_fail():
    net = convnet()
    before = photograph(net)
    net[4].train()
    with pytest.raises(AssertionError):
        assert_same(before, photograph(net))
    net[4].eval()
    handle = net[3].register_forward_hook(lambda *_: None)
    with pytest.raises(AssertionError):
        assert_same(before, photograph(net))
    handle.remove()
    torch.rand(1)
    with pytest.raises(AssertionError):
        assert_same(before, photograph(net))


def test_the_users_own_hooks_run_and_stay():
    net, seen = convnet(), []
    net[5].register_forward_hook(lambda m, a, out: seen.append(tuple(out.shape)))
    net[5].register_forward_hook(lambda m, a, out: out * 2)
    activations, _ = both(net, batch(), "5")
    assert seen == [(3, 8, 12, 10)]
    assert torch.equal(activations, 2 * convnet()[:6](batch()))
    assert len(net[5]._forward_hooks) == 2


def test_four_threads_share_one_model():
    net = convnet(head="fc").train()
    inputs = [batch(seed=i) for i in range(20)]
    alone = [both(net, x, "5", k=i % 5) for i, x in enumerate(inputs)]
    wrong: list[object] = []

    def work(offset):
        try:
            for turn in range(100):
                i = (turn * 7 + offset * 5) % 20
                mine = both(net, inputs[i], "5", k=i % 5)
                if not all(torch.equal(a, b) for a, b in zip(mine, alone[i], strict=True)):
                    wrong.append(i)
        except Exception as error:
            wrong.append(error)

    before = photograph(net)
    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert wrong == []
    assert_same(before, photograph(net))


def test_another_threads_plain_forward_is_not_captured():
    net, x, other = convnet(), batch(seed=1), batch(seed=2)
    outputs = []

    class Meanwhile(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, x):
            thread = threading.Thread(target=lambda: outputs.append(net(other)))
            y = self.net[:6](x)
            thread.start()
            thread.join()
            return self.net[6:](y)

    trace = capture(Meanwhile(), x, "net.5")
    assert torch.equal(trace.activations, net[:6](x))
    assert trace.cuts[0].calls == 1
    assert torch.equal(outputs[0], net(other))
    assert outputs[0].requires_grad  # its own thread's mode


@pytest.mark.parametrize("wrap", [nn.DataParallel, torch.compile])
def test_wrappers_are_taken_off(wrap):
    net, x = convnet(), batch()
    for mine, other in zip(both(wrap(net), x, "5"), both(net, x, "5"), strict=True):
        assert torch.equal(mine, other)
    name = "module.5" if wrap is nn.DataParallel else "_orig_mod.5"
    assert torch.equal(capture(wrap(net), x, name).activations, net[:6](x))


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


class Again(torch.autograd.Function):
    """Recomputes on the way back, as checkpoints written by hand do, and draws a random number on top."""

    @staticmethod
    def forward(ctx, module, x):
        ctx.module = module
        ctx.save_for_backward(x)
        with torch.no_grad():
            return module(x)

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            out = ctx.module(x)
        torch.rand(3)
        return None, torch.autograd.grad(out, x, gradient)[0]


class ByHand(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = convnet()

    def forward(self, x):
        return self.net[6:](Again.apply(self.net[3:6], self.net[:3](x)))


def test_what_runs_again_on_the_way_back_runs_in_eval_mode_too():
    """The model is in train mode: batch statistics would be another gradient, and other buffers."""
    net, x = ByHand().train(), batch()
    before = photograph(net)
    for mine, other in zip(both(net, x, "net.2"), both(convnet(), x, "2"), strict=True):
        torch.testing.assert_close(mine, other)
    assert_same(before, photograph(net))


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


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_scripted_quantised_and_empty_models_are_refused_with_the_way_out():
    with pytest.raises(ModelError, match="Pass the Python model"):
        capture(torch.jit.script(nn.ReLU()), batch(), "")
    with pytest.raises(ModelError, match=r"torch.nn.Module; got Loaded. Pass its model: explain\(loaded.model"):
        operable(load("lookout"))
    linear = torch.ao.nn.quantized.Linear(4, 2)
    with pytest.raises(ModelError, match="Explain the float model"):
        capture(nn.Sequential(linear), batch(), "0")
    with torch.device("meta"):
        hollow = nn.Sequential(nn.Conv2d(3, 4, 3))
    with pytest.raises(ModelError, match="Load a checkpoint"):
        capture(hollow, batch(), "0")
    with pytest.raises(ModelError, match=r"torch\.nn\.Module; got str"):
        operable("resnet50")


def test_an_unknown_layer_is_told_near_names():
    with pytest.raises(LayerError, match=r"Sequential has no layer '55'. Near names: '5'"):
        capture(convnet(), batch(), "55")
    with pytest.raises(LayerError, match="not part of it"):
        capture(convnet(), batch(), nn.ReLU())
    net = convnet()
    assert torch.equal(capture(net, batch(), net[5]).activations, capture(net, batch(), lambda m: m[5]).activations)


def test_a_layer_that_does_not_run_is_an_error():
    net = convnet()
    net.add_module("spare", nn.Identity())
    net.forward = lambda x: nn.Sequential(*list(net)[:-1])(x)
    with pytest.raises(SurgeryError, match="it did not run"):
        capture(net, batch(), "spare")


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
    assert sum(s.numel() for s in kept) < 200  # the linear head's weight and its input, no feature map
    kept.clear()
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.shape) or t, lambda t: t):
        net(x)
    assert sum(s.numel() for s in kept) > 10_000  # what a plain forward with a graph would keep
