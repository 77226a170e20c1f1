"""`explain` leaves no trace: on a model in use, on the input, under threads, in memory."""

import gc
import threading

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from helpers.closeness import assert_near
from helpers.nets import assert_same, batch, convnet, photograph
from helpers.user_model import used, wrong_in_four_threads
from sightline import METHODS, explain
from sightline.errors import SurgeryError
from sightline.explanation.passes.method_inputs import MethodInputs
from sightline.surgery import Trace

PIXELS = ["gradient", "guided_backprop", "deconvnet", "guided_grad_cam_pp"]


@pytest.mark.parametrize(
    ("method", "layer"),
    [
        *[(method, None) for method in [*METHODS, *PIXELS, "everything"]],
        *[
            (method, "2")
            for method in [*METHODS, "guided_grad_cam_pp", "everything"]
            if method != "cam"
        ],  # not there
    ],
)
def test_after_success(method, layer):
    net, x = used(), batch()
    kept = x.clone()
    before = photograph(net)
    several = [name for name in METHODS if layer is None or name != "cam"] + PIXELS
    explain(net, x, [0, 1], several if method == "everything" else method, layer)
    assert_same(before, photograph(net))
    assert torch.equal(x, kept)
    assert (x.grad, x.requires_grad) == (None, False)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_the_callers_mode_and_generators_are_as_before(mode):
    net = used()
    with mode():
        before = photograph(net)
        explain(net, batch(), "top2", ["grad_cam", "guided_grad_cam"])
        assert_same(before, photograph(net))


def test_an_input_with_a_graph_is_left_alone():
    net, x = convnet(), batch().requires_grad_()
    e = explain(net, x, 1, ["grad_cam", "gradient"])
    assert x.grad is None
    assert x.requires_grad
    assert not any(one.maps.requires_grad or one.inputs.requires_grad for one in e.values())
    through = explain(net, x * 2, 1, "gradient")
    assert torch.equal(through.pixels, explain(net, (x * 2).detach(), 1, "gradient").pixels)


class Overwrites(nn.Module):
    """Normalises its input in place."""

    def __init__(self):
        super().__init__()
        self.net = convnet(head="fc")

    def forward(self, x):
        return self.net(x.sub_(0.5).div_(0.25))


@pytest.mark.parametrize("method", ["grad_cam_pp", "guided_grad_cam"])
def test_a_model_that_writes_over_its_input_sees_it_once_and_spares_the_callers(method):
    net, x = Overwrites().eval(), batch()
    kept = x.clone()
    e = explain(net, x, 1, method)
    assert torch.equal(x, kept)
    assert_near(
        e.coarse,
        explain(convnet(head="fc"), (kept - 0.5) / 0.25, 1, method).coarse * _slope(method),
        1e-5,
    )


def _slope(method):
    return (
        4 if method == "guided_grad_cam" else 1
    )  # pixels are derivatives by what was before the division


class Checkpointed(nn.Module):
    """Runs a part again during the backward pass, with batch statistics and dropout in it."""

    def __init__(self, reentrant=False):
        super().__init__()
        torch.manual_seed(0)
        self.body, self.reentrant, self.fc = convnet()[:6], reentrant, nn.Linear(8, 5)
        self.top = nn.Sequential(nn.Conv2d(8, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.5))

    def forward(self, x):
        return self.fc(
            checkpoint(self.top, self.body(x), use_reentrant=self.reentrant).mean((2, 3))
        )


@pytest.mark.parametrize("method", ["grad_cam", "grad_cam_pp_softmax", "gradient"])
def test_what_runs_again_in_the_backward_pass_runs_in_eval_mode_and_leaves_no_trace_either(method):
    net, x = Checkpointed().eval(), batch()
    layer = None if method == "gradient" else "body"
    want = explain(net, x, 1, method, layer).coarse
    net.train()
    before = photograph(net)
    assert_near(explain(net, x, 1, method, layer).coarse, want, 1e-6)
    assert_same(before, photograph(net))


@pytest.mark.parametrize("method", ["grad_cam", "gradient"])
def test_reentrant_checkpoints_are_refused_with_the_way_out(method):
    net = Checkpointed(reentrant=True).eval()
    before = photograph(net)
    with pytest.raises(
        SurgeryError, match=r"use_reentrant=True. Pass.*False there: the numbers are the same"
    ):
        explain(net, batch(), 1, method, None if method == "gradient" else "body")
    assert_same(before, photograph(net))


@pytest.mark.slow
def test_four_threads_share_one_model():
    """Each its own images, classes, layer and method; every map is the right one."""
    net = convnet(head="fc").train()
    inputs = [batch(seed=i, b=1 + i % 3) for i in range(10)]
    methods = ["grad_cam_pp", "grad_cam_pp_softmax", "guided_grad_cam"]
    asked = [
        {"target": i % 5, "method": methods[i % 3], "layer": [None, "2"][i % 2]} for i in range(10)
    ]
    alone = [explain(net, x, **each).maps for x, each in zip(inputs, asked, strict=True)]

    def work(offset):
        for turn in range(25):
            i = (turn * 7 + offset * 3) % 10
            maps = explain(net, inputs[i], **asked[i]).maps
            if not torch.allclose(maps, alone[i], atol=1e-6):
                yield i, float((maps - alone[i]).abs().max())

    assert wrong_in_four_threads(net, work) == []


def test_explaining_beside_a_training_thread_captures_only_its_own_run():
    net, x, stop, ran = convnet(), batch(), threading.Event(), []
    want = explain(net, x, 1).maps
    other = batch(seed=4)

    def meanwhile():
        while not stop.is_set():
            net(other)
            ran.append(1)

    thread = threading.Thread(target=meanwhile)
    thread.start()
    try:
        for _ in range(30):
            assert torch.equal(explain(net, x, 1).maps, want)
    finally:
        stop.set()
        thread.join()
    assert ran


@pytest.mark.slow
def test_a_run_is_let_go_without_the_garbage_collector():
    """A run holds activations and a graph: in a loop they must not wait for the collector."""
    net, x = convnet(), batch()
    explain(net, x, method=["grad_cam_pp", "guided_grad_cam", "cam"])
    gc.collect()
    gc.disable()
    try:
        kept = explain(
            net, x, "top2", method=["grad_cam_pp", "guided_grad_cam", "cam", "grad_cam_pp_softmax"]
        )
        alive = [one for one in gc.get_objects() if type(one) in (Trace, MethodInputs)]
        assert alive == []
        assert len(kept) == 4
    finally:
        gc.enable()
