"""The guard itself: what a run could change is set for the run, and put back whatever happens."""

import subprocess
import sys
import threading

import pytest
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from helpers.nets import assert_same, batch, convnet, photograph
from sightline.surgery.harness import guard

FOREIGN_CODE = {
    "a class of one's own": "net = type('Own', (torch.nn.Linear,), {'__module__': 'own'})(2, 2)",
    "one deep inside": "net[0][1].__class__ = type('Own', (torch.nn.ReLU,), {'__module__': 'own'})",
    "a hook": "net[0].register_forward_hook(lambda *_: None)",
    "a hook before": "net[0][1].register_forward_pre_hook(lambda *_: None)",
    "a hook on every module": (
        "torch.nn.modules.module.register_module_forward_hook(lambda *_: None)"
    ),
    "a forward put on a module": "net[0][1].forward = torch.relu",
}


@pytest.mark.slow
@pytest.mark.parametrize("where", FOREIGN_CODE)
def test_pythons_and_numpys_generators_are_as_before(where):
    # In a process of its own: the shape checker of this one draws from python's generator.
    program = f"""
import random, numpy as np, torch
from sightline.surgery.harness import guard
net = torch.nn.Sequential(torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU()))
{FOREIGN_CODE[where]}
draw = lambda: (random.random(), np.random.rand(), float(torch.rand(1)))
with guard.untouched(net):
    drawn = [draw(), draw()]
assert drawn[0] != drawn[1]
assert drawn == [draw(), draw()]
"""
    subprocess.run([sys.executable, "-c", program], check=True)


class Writes(nn.Module):
    """Writes one buffer in place, replaces one, drops one and adds one."""

    def __init__(self):
        super().__init__()
        for name in ("counted", "replaced", "dropped"):
            self.register_buffer(name, torch.zeros(2))
        self.register_buffer("none", None)

    def forward(self, x):
        self.counted += 1
        self.replaced = torch.ones(2)
        self.none = torch.ones(2)
        del self.dropped
        self.register_buffer("added", torch.ones(2))
        return x


def test_buffers_are_the_same_tensors_with_the_same_values():
    net = Writes()
    before = dict(net._buffers)
    with guard.untouched(net):
        net(torch.zeros(1))
        assert net.counted.tolist() == [1, 1]
    assert net._buffers.keys() == before.keys()
    assert all(net._buffers[name] is before[name] for name in before)
    assert net.counted.tolist() == net.dropped.tolist() == [0, 0]


def test_flags_are_off_inside_and_back_afterwards_each_its_own():
    net = convnet().train()
    net[1].eval()
    net[3].grad_checkpointing, net[4].gradient_checkpointing = True, False
    before = photograph(net)
    with guard.untouched(net):
        assert not any(module.training for module in net.modules())
        assert (net[3].grad_checkpointing, net[4].gradient_checkpointing) == (False, False)
    assert_same(before, photograph(net))
    assert (net[3].grad_checkpointing, net[4].gradient_checkpointing) == (True, False)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_after_an_error_all_is_as_before(error):
    net = convnet().train()
    before = photograph(net)

    def interrupted():
        torch.rand(3)
        torch.set_grad_enabled(False)
        TorchFunctionMode().__enter__()  # and never left: an interrupt may strike there
        raise error

    with pytest.raises(error), guard.untouched(net):
        interrupted()
    assert_same(before, photograph(net))


@pytest.mark.parametrize("recording", [True, False])
def test_whether_recording_is_on_is_the_callers_choice_again(recording):
    with torch.set_grad_enabled(recording):
        with guard.untouched(nn.ReLU()):
            assert torch.is_grad_enabled() == recording
            torch.set_grad_enabled(not recording)
        assert torch.is_grad_enabled() == recording


def test_what_is_made_inside_can_be_part_of_a_graph_in_inference_mode_too():
    with torch.inference_mode(), guard.untouched(nn.ReLU()):
        assert not torch.ones(1).is_inference()


def test_what_was_drawn_inside_is_drawn_again():
    net = nn.Sequential(nn.ReLU())
    with guard.untouched(net):
        inside = torch.rand(3)
    assert torch.equal(torch.rand(3), inside)


def test_one_thread_at_a_time_and_the_same_one_as_often_as_it_likes():
    net, entered = convnet(), []

    def other():
        with guard.untouched(net):
            entered.append("other")

    with guard.untouched(net):
        thread = threading.Thread(target=other)
        thread.start()
        with guard.untouched(net):
            thread.join(0.05)
            entered.append("first")
    thread.join()
    assert entered == ["first", "other"]


def test_a_module_under_two_names_and_a_name_without_one_are_gone_through_once():
    net = nn.ModuleDict({"one": nn.Dropout(), "more": nn.ModuleDict()}).train()
    net["more"]["again"] = net["one"]
    net["more"].register_module("empty", None)
    with guard.untouched(net):
        assert torch.equal(net["one"](batch()), batch())
    assert [module.training for module in net.modules()] == [True] * 3


class Decorated(nn.Module):
    def __init__(self):
        super().__init__()
        self.act = nn.ReLU()

    @torch.compile(backend="eager")
    def forward(self, x):
        return self.act(x)


@pytest.mark.parametrize("where", ["object", "class"])
def test_hooks_fire_where_a_forward_was_compiled(where):
    net = Decorated() if where == "class" else nn.Sequential(nn.ReLU())
    if where == "object":
        net.forward = torch.compile(net.forward, backend="eager")
    traced = []

    def note(*_):
        traced.append(torch.compiler.is_compiling())

    hook = next(net.children()).register_forward_hook(note)
    with guard.untouched(net):
        net(torch.ones(2))
    hook.remove()
    assert traced == [False]
