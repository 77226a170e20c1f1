"""`explain` leaves no trace after an error either, at whatever point of the path it strikes."""

import sys
from importlib import import_module
from pathlib import Path

import pytest
import torch

import sightline
from helpers.nets import assert_same, batch, photograph
from helpers.user_model import used
from sightline import METHODS, explain
from sightline.errors import SightlineError

PACKAGE = str(Path(sightline.__file__).parent)


class BrokenError(Exception):
    """Raised on purpose."""


EVERYTHING = {
    "target": [0, 1],
    "method": ["cam", "grad_cam_pp_softmax", "grad_cam", "guided_grad_cam"],
}
"""One call that goes through every room."""


@pytest.mark.parametrize("layer", [str(i) for i in range(9)])
@pytest.mark.parametrize("when", ["register_forward_pre_hook", "register_forward_hook"])
def test_after_an_error_in_a_layer(layer, when):
    net = used()

    def fail(*_):
        raise BrokenError

    getattr(net[int(layer)], when)(fail)
    before = photograph(net)
    for asked in ({"layer": "2", "method": "grad_cam"}, EVERYTHING, {"method": "gradient"}):
        with pytest.raises(BrokenError):
            explain(net, batch(), **asked)
        assert_same(before, photograph(net))


@pytest.mark.parametrize("pixels", [False, True])
def test_after_an_error_in_the_backward_pass(pixels):
    class Cliff(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, gradient):
            raise BrokenError

    net = used()
    net[7].register_forward_hook(lambda m, a, out: Cliff.apply(out))
    before = photograph(net)
    with pytest.raises(BrokenError):
        explain(net, batch(), 1, "gradient" if pixels else "grad_cam", None if pixels else "5")
    assert_same(before, photograph(net))


def test_after_an_error_in_the_target():
    def fail(outputs):
        raise BrokenError

    net = used()
    before = photograph(net)
    for method in ("grad_cam", "gradient"):
        with pytest.raises(BrokenError):
            explain(net, batch(), fail, method)
        assert_same(before, photograph(net))


def test_after_an_error_in_a_method(monkeypatch):
    def fail(activations, gradients):
        raise BrokenError

    monkeypatch.setitem(METHODS, "grad_cam", fail)
    net = used()
    before = photograph(net)
    with pytest.raises(BrokenError):
        explain(net, batch(), 1, "grad_cam")
    assert_same(before, photograph(net))


@pytest.mark.parametrize(
    ("room", "step"),
    [
        ("passes.opened_layers", "choose"),
        ("passes.opened_layers", "capture"),
        ("job", "ask"),
        ("passes.layer_pass", "combine"),
        ("passes.layer_pass", "image_map"),
        ("passes.layer_pass", "assemble"),
        ("passes.pixel_pass", "capture_pixels"),
        ("passes.pixel_pass", "reduce"),
    ],
)
def test_after_an_error_at_a_step_of_the_path(room, step, monkeypatch):
    def fail(*_, **__):
        raise BrokenError

    monkeypatch.setattr(import_module(f"sightline.explanation.{room}"), step, fail)
    net = used()
    before = photograph(net)
    with pytest.raises(BrokenError):
        explain(net, batch(), **EVERYTHING)
    assert_same(before, photograph(net))


class InterruptedByTest(BaseException):  # as KeyboardInterrupt
    """No `Exception`: where something is only tried, such as a model on noise, these are let be."""


CONTEXTS = {"untouched", "hooked", "reentrant_refused", "_inputs_of", "showing", "_forwards"}
"""Generators that are context managers: an error may strike on the way in and on the way out."""


class Tripwire:
    """Follows every call of a function of sightline, and raises at the one with the number `at`."""

    def __init__(self, at=None):
        self.at, self.called = at, []

    def __call__(self, frame, event, argument):
        code = frame.f_code
        resumed = (
            frame.f_lasti > 0 and code.co_name not in CONTEXTS
        )  # a generator: may be closed by nobody's call
        restoring = code.co_name.lstrip("_").startswith("restore")
        if event == "call" and code.co_filename.startswith(PACKAGE) and not (resumed or restoring):
            self.called.append(code)
            if len(self.called) == self.at:
                raise InterruptedByTest

    def run(self, call):
        tracer = sys.gettrace()
        sys.settrace(self)
        try:
            call()
        finally:
            sys.settrace(tracer)


@pytest.mark.slow
def test_after_an_error_at_any_point():
    """An exception out of every function that runs, the first and the last time it does."""
    explain(
        used(), batch(), **EVERYTHING
    )  # what is worked out once and remembered is no longer called below
    counting = Tripwire()
    counting.run(lambda: explain(used(), batch(), **EVERYTHING))
    numbered = list(enumerate(counting.called, start=1))
    points = {code: at for at, code in reversed(numbered)}, {code: at for at, code in numbered}
    assert len(points[0]) > 80
    for at in sorted({*points[0].values(), *points[1].values()}):
        net, wire = used(), Tripwire(at)
        before = photograph(net)
        with pytest.raises(InterruptedByTest):
            wire.run(lambda net=net: explain(net, batch(), **EVERYTHING))
        try:
            assert_same(before, photograph(net))
        except AssertionError as error:
            raise AssertionError(f"after an error in {wire.called[-1]}: {error}") from error


def test_the_tripwire_can_tell():
    """With a call that does leave a trace behind, the same photographs differ."""
    net = used()
    before = photograph(net)

    def careless():
        handle = net[5].register_forward_hook(lambda *_: None)
        explain(net, batch(), 1)
        handle.remove()

    with pytest.raises(InterruptedByTest):
        Tripwire(40).run(careless)
    with pytest.raises(AssertionError):
        assert_same(before, photograph(net))


def test_errors_on_purpose_leave_no_trace():
    net = used(head="fc")
    before = photograph(net)
    for wrong in (
        {"target": 9},
        {"method": "cam"},
        {"layer": "9"},
        {"layer": "8"},
        {"method": "x"},
        {"alpha": "x"},
    ):
        with pytest.raises(SightlineError):
            explain(net, batch(), **wrong)
        assert_same(before, photograph(net))
