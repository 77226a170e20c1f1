"""Pains in use: the rows of docs/troubleshooting.md about memory, training, errors, metrics and
dependencies.
"""

import gc
import importlib.metadata
import subprocess
import sys

import pytest
import torch
from torch import nn

from helpers.nets import assert_same, batch, convnet, photograph
from sightline import capture, evaluate, explain
from sightline.errors import TargetError
from sightline.protocol import Protocol


@pytest.mark.slow
def test_memory_does_not_grow_in_loops():
    net, x = convnet(), batch()
    gc.collect()
    gc.disable()
    try:
        alive = []
        for turn in range(1000):
            explain(net, x, 1)
            if turn in (100, 999):
                alive.append(sum(type(one) is torch.Tensor for one in gc.get_objects()))
    finally:
        gc.enable()
    assert alive[0] == alive[1]
    assert not explain(net, x, 1).maps.requires_grad


def test_an_error_is_told_where_it_happens():
    with pytest.raises(TargetError, match="from 0 to 4"):
        explain(convnet(), batch(), 5)
    with pytest.raises(TargetError, match="from 0 to 4"):
        explain(convnet(), batch(), [1, -7])

    def broken(outputs):
        raise IndexError("mine")

    with pytest.raises(IndexError, match="mine"):
        explain(convnet(), batch(), broken)


@pytest.mark.parametrize("kind", [nn.ReLU, nn.SiLU, nn.PReLU, nn.LeakyReLU])
def test_guided_backpropagation_governs_functions_too(kind):
    class Functional(nn.Module):
        def __init__(self):
            super().__init__()
            self.net, self.between = convnet(), kind()

        def forward(self, x):
            return self.net[6:](torch.relu(self.between(self.net[:5](x))))

    e = explain(Functional(), batch(), 1, "guided_backprop")
    governed = "; ".join(
        e.provenance["notes"]
    )  # a module of the net, the function, and the one between
    assert (
        "3 ReLU" if kind is nn.ReLU else f"2 ReLU; backward rule applied to 1 {kind.__name__}"
    ) in governed


def test_guided_backpropagation_without_an_activation_is_an_error():
    linear = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    )
    with pytest.raises(Exception, match="activation"):
        explain(linear, batch(), 1, "guided_backprop")


def test_inside_a_training_loop():
    net = convnet().train()
    net[0].weight.requires_grad_(False)
    loss = net(batch()).sum()
    loss.backward()
    before = photograph(net)
    explain(net, batch(), 1, ["grad_cam_pp", "guided_grad_cam_pp"])
    with pytest.raises(RuntimeError, match="mine"):
        explain(net, batch(), lambda out: (_ for _ in ()).throw(RuntimeError("mine")))
    assert_same(before, photograph(net))
    trace = capture(net, batch(), "5", differentiable=True)
    (trace.activations.mean() + trace.outputs.mean()).backward()
    assert net[3].weight.grad is not None


def test_the_protocol_is_printed_with_the_number():
    found = evaluate(convnet(), [batch()], "grad_cam", "average_drop", progress=False)
    raw = evaluate(
        convnet(),
        [batch()],
        "grad_cam",
        "average_drop",
        protocol=Protocol(fill="mean"),
        progress=False,
    )
    assert found.run["protocol"]["fill"] != raw.run["protocol"]["fill"]
    assert found.run["protocol_digest"] != raw.run["protocol_digest"]
    assert set(found.column("protocol")) == {found.run["protocol_digest"]}
    assert found.column("average_drop") != raw.column("average_drop")


@pytest.mark.slow
def test_light_dependencies():
    wanted = importlib.metadata.requires("sightline-cam")
    core = {
        line.split(";")[0].split(">")[0].split("[")[0].strip()
        for line in wanted
        if "extra ==" not in line
    }
    heavy = {
        "torchvision",
        "timm",
        "transformers",
        "matplotlib",
        "pandas",
        "scipy",
        "pyarrow",
        "opencv-python",
    }
    assert not core & (heavy - {"torchvision"}), core
    program = (
        "import sys, sightline;"
        f" print([m for m in sys.modules if m.split('.')[0] in {sorted(heavy)!r}])"
    )
    said = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout
    assert said.strip() == "[]"


def test_a_method_costs_what_it_asks_for(monkeypatch):
    net, x = convnet(head="dense"), batch()
    explain(net, x, 1)
    looked, grad = [], torch.autograd.grad
    monkeypatch.setattr(
        torch.autograd, "grad", lambda *args, **kwargs: looked.append(1) or grad(*args, **kwargs)
    )
    explain(net, x, 1, lambda activations: torch.ones_like(activations))
    assert looked == []
    explain(net, x, [0, 1], ["grad_cam", "grad_cam_pp", "layer_cam"])
    assert looked == [1]
