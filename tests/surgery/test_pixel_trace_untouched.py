"""Looking back to the pixels leaves no trace: not in the model, in its training, in other threads
or in memory.
"""

import gc
import threading
import weakref

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from helpers.backward import FIRST, RULES, look
from helpers.nets import assert_same, batch, convnet, photograph
from sightline.errors import MethodError, SurgeryError
from sightline.surgery.pixel_trace import capture_pixels


def test_the_callers_own_graph_is_left_alone():
    x = batch().requires_grad_()
    y = x * 2
    got = look(convnet(), y)
    assert not got.requires_grad
    assert x.grad is None
    assert torch.equal(got, look(convnet(), y.detach()))


@pytest.mark.parametrize("outer", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("rule", RULES)
def test_under_no_grad_and_inference_mode(outer, rule):
    want = look(convnet(), batch(), rule)
    with outer():
        trace = capture_pixels(
            convnet(), batch()
        )  # the input, and convnet's weights too, are made under the mode
        assert torch.equal(trace.gradients(FIRST, rule)[0], want)
        assert torch.equal(look(convnet(), batch(), rule), want)
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()


@pytest.mark.parametrize("rule", RULES)
def test_frozen_and_training_models_give_the_same(rule):
    x = batch()
    want = look(convnet(head="fc"), x, rule)
    assert torch.equal(look(convnet(head="fc").requires_grad_(False), x, rule), want)
    assert torch.equal(look(convnet(head="fc").train(), x, rule), want)


@pytest.mark.parametrize("rule", RULES)
def test_the_model_comes_out_as_it_went_in(rule):
    net = convnet(head="fc").train()
    net[4].eval()
    net[3].weight.requires_grad_(False)
    net[0].weight.grad = torch.ones_like(net[0].weight)
    net[2].register_forward_hook(lambda *_: None)
    x = batch()
    before = photograph(net)
    trace = capture_pixels(net, x)
    assert_same(before, photograph(net))
    trace.gradients(lambda outputs: outputs.T, rule)
    assert_same(before, photograph(net))
    assert (x._version, x.requires_grad, x.grad) == (0, False, None)


@pytest.mark.parametrize("where", ["model", "scores", "rule"])
def test_the_model_comes_out_as_it_went_in_after_an_error(where):
    net = convnet(head="fc").train()
    before = photograph(net)
    hook = net[6].register_forward_hook(lambda *_: 1 / 0) if where == "model" else None
    try:
        with pytest.raises((ZeroDivisionError, MethodError)):
            look(
                net, batch(), "zebra", lambda outputs: 1 / 0 if where == "scores" else outputs[:, 0]
            )
    finally:
        if hook:
            hook.remove()
    assert_same(before, photograph(net))


def test_training_goes_on_as_if_nothing_had_been():
    """The weights' graph, left out for us, is there for the next step."""
    nets = [convnet(head="fc", seed=2) for _ in range(2)]
    look(nets[0], batch(), "guided")
    for net in nets:
        torch.manual_seed(0)
        net.train()(batch(b=4)).square().sum().backward()
    for one, other in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        assert torch.equal(one.grad, other.grad)


class Renormed(nn.Module):
    """Bounds its weights' norm whenever it runs, as EEGNet does, by way of `.data`."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        self.conv.weight.data = torch.renorm(self.conv.weight.data, 2, 0, 0.5)
        return F.relu(self.conv(x)).mean((2, 3))


def test_a_model_that_writes_its_weights_still_does():
    net, plain = Renormed(), Renormed()
    want = plain(batch())
    trace = capture_pixels(net, batch())
    assert torch.equal(trace.outputs, want)
    assert torch.equal(net.conv.weight, plain.conv.weight)
    assert net.conv.weight.requires_grad


class Checkpointed(nn.Module):
    """Runs again on the way back: by then in training mode, were it not guarded once more."""

    def __init__(self, reentrant=False):
        super().__init__()
        self.net, self.reentrant = convnet(head="fc"), reentrant

    def forward(self, x):
        x = checkpoint(self.net[:6], x, use_reentrant=self.reentrant)
        return checkpoint(self.net[6:], x, use_reentrant=False)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("rule", RULES)
def test_checkpointed_models_give_the_same(rule, training):
    net, x = Checkpointed().train(training), batch()
    before = photograph(net)
    trace = capture_pixels(net, x)
    pixels, governed = trace.gradients(FIRST, rule)
    assert torch.equal(pixels, look(convnet(head="fc"), x, rule))
    assert governed == ({"ReLU": 3} if rule else {})
    assert_same(before, photograph(net))


def test_reentrant_checkpoints_are_refused_with_the_way_out():
    with pytest.raises(SurgeryError, match="use_reentrant=False"):
        look(Checkpointed(reentrant=True), batch())


def kept(output: Tensor) -> int:
    """Bytes of the tensors that the graph behind an output keeps, storages counted once."""
    storages: dict[int, int] = {}
    nodes, stack = set(), [output.grad_fn]
    while stack:
        node = stack.pop()
        if node is not None and node not in nodes:
            nodes.add(node)
            stack.extend(following for following, _ in node.next_functions)
            for tensor in (getattr(node, name) for name in dir(node) if name.startswith("_saved_")):
                if isinstance(tensor, Tensor):
                    storages[tensor.untyped_storage().data_ptr()] = (
                        tensor.untyped_storage().nbytes()
                    )
    return sum(storages.values())


def test_what_is_kept_is_what_frozen_weights_would_keep():
    torch.manual_seed(0)
    wide = [nn.Sequential(nn.Linear(64, 64), nn.GELU()) for _ in range(6)]
    net = nn.Sequential(nn.Flatten(2), *wide, nn.Flatten()).eval()
    x = torch.randn(8, 32, 8, 8)
    mine = kept(capture_pixels(net, x).outputs)
    trainable = kept(net(x.clone().requires_grad_()))
    assert all(p.requires_grad for p in net.parameters())
    frozen = kept(net.requires_grad_(False)(x.clone().requires_grad_()))
    assert mine == frozen
    assert mine < 0.7 * trainable


@pytest.mark.slow
def test_the_graph_goes_when_the_trace_goes():
    trace = capture_pixels(convnet(), batch())
    trace.gradients(FIRST, "guided")
    node = weakref.ref(trace.node)
    del trace
    gc.collect()
    assert node() is None


def test_four_threads_on_one_model():
    net, xs = convnet(head="fc").train(), [batch(seed=s) for s in range(4)]
    alone = [[look(net, x, rule) for rule in RULES] for x in xs]
    wrong: list[str] = []

    def work(i: int) -> None:
        for turn in range(20):
            rule = RULES[(turn + i) % 3]
            if not torch.equal(look(net, xs[i], rule), alone[i][(turn + i) % 3]):
                wrong.append(f"thread {i}, {rule}")

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_rule_in_one_thread_does_not_reach_another():
    """Another thread's ordinary backward pass, in the middle of a guided one."""
    net, x = convnet(), batch()
    want = look(net, x)
    seen: list[Tensor] = []

    class Pause(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, gradient):
            leaf = x.clone().requires_grad_()
            other = threading.Thread(
                target=lambda: seen.append(torch.autograd.grad(net(leaf)[:, 1].sum(), leaf)[0])
            )
            other.start()
            other.join()
            return gradient

    class Paused(nn.Module):
        def forward(self, x):
            return net(Pause.apply(x))

    guided = look(Paused(), x, "guided")
    assert torch.equal(seen[0], want)
    assert torch.equal(guided, look(net, x, "guided"))
    assert not torch.equal(guided, want)
