"""What holds for every black box: any model that runs, any question, no trace, bounded memory."""

import pytest
import torch
from torch import nn

from helpers.black_boxes import made
from helpers.closeness import assert_near
from helpers.nets import Notes, assert_same, batch, convnet, photograph
from sightline import BLACKBOX, explain
from sightline.errors import MethodError, ModelError
from sightline.explanation.plan import steps

QUICK = {"masks": 12, "samples": 40, "cells": 3, "segments": "grid"}
every_box = pytest.mark.parametrize("method", BLACKBOX)


def run(net, x, target, method, **options):
    known = steps(method, {})[0].options
    return explain(
        net, x, target, method, **{k: v for k, v in (QUICK | options).items() if k in known}
    )


class Closed(nn.Module):
    """No graph can be recorded in it, and it has no layer with a grid."""

    def __init__(self, mode):
        super().__init__()
        self.mode, self.net = mode, convnet(head="fc")

    def forward(self, x):
        with self.mode():
            return self.net(x)


class Counting(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net, self.seen = net, Notes()

    def forward(self, x):
        self.seen.append(len(x))
        return self.net(x)


@every_box
def test_shapes_and_provenance(method):
    net, x = made(b=2)
    e = run(net, x, [0, 1], method)
    assert (e.maps.shape, e.coarse.shape, e.pixels) == ((2, 2, 12, 10), (2, 2, 12, 10), None)
    assert (e.layer, e.layer_reason, e.method) == ("input", "the model is not opened", method)
    assert e.coarse.dtype == torch.float64
    assert set(e.variant) == set(steps(method, {})[0].options)


@every_box
def test_what_speaks_against_is_the_negative(method):
    net, x = made(b=2)
    known = {k: v for k, v in QUICK.items() if k in steps(method, {})[0].options}
    e, against = (explain(net, x, 1, method, counterfactual=on, **known) for on in (False, True))
    assert_near(against.coarse, -e.coarse, 1e-9)
    assert against.variant["counterfactual"]
    assert float(e.coarse.max()) > 0 > float(e.coarse.min())


@every_box
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_a_model_in_which_no_graph_can_be_recorded(method, mode):
    x = batch()
    closed, plain = run(Closed(mode), x, 1, method), run(Closed(mode).net, x, 1, method)
    assert_near(closed.coarse, plain.coarse, 1e-5)
    with mode():
        assert_near(run(Closed(mode), x, 1, method).coarse, plain.coarse, 1e-5)


@every_box
@pytest.mark.filterwarnings("ignore:torch.quantize_per")
def test_a_quantised_model_need_not_be_opened(method):
    torch.manual_seed(0)
    head = torch.ao.nn.quantized.dynamic.Linear(48, 3)
    # Of its own making it would have whatever lay in memory for weights.
    weight = torch.quantize_per_tensor(torch.randn(3, 48), 0.03, 0, torch.qint8)
    head.set_weight_bias(weight, torch.zeros(3))
    net = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), head)
    e = run(net, batch(), 1, method)
    assert [status.word for status in e.status] == ["ok"] * 3
    assert float(e.coarse.abs().max()) > 0
    with pytest.raises(ModelError, match="take method='occlusion', 'rise' or 'lime'"):
        explain(net, batch(), 1, [method, "grad_cam"])


@every_box
def test_the_questions_share_their_runs_and_at_once_bounds_the_batches(method):
    net, x = made(b=2)
    one, several = Counting(net), Counting(net)
    single = run(one, x, 1, method, at_once=5)
    both = run(several, x, [0, 1], method, at_once=5)
    assert_near(both.coarse[:, 1], single.coarse, 1e-9)
    assert one.seen == several.seen
    assert max(one.seen) == 4, "as many whole batches of 2 as 5 pictures hold"


@every_box
def test_the_model_and_the_generators_are_as_before(method):
    net = convnet().train()
    net[1].eval()
    x = batch()
    kept, before = x.clone(), photograph(net)
    run(net, x, "top2", method)
    assert_same(before, photograph(net))
    assert torch.equal(x, kept)


def test_an_error_in_the_model_leaves_nothing_behind():
    class Breaks(Counting):
        def forward(self, x):
            if len(self.seen) == 3:
                raise ZeroDivisionError
            return super().forward(x)

    net = Breaks(convnet().train())
    before = photograph(net)
    with pytest.raises(ZeroDivisionError):
        explain(net, batch(), 1, "rise", masks=100)
    assert_same(before, photograph(net))


@every_box
def test_a_function_of_the_outputs_and_a_picture_among_other_arguments(method):
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = convnet(head="fc")

        def forward(self, picture, weight):
            return {"scores": self.net(picture) * weight}

    net, x, weight = Two(), batch(), torch.tensor([[1.0], [2.0], [3.0]])
    e = run(net, {"picture": x, "weight": weight}, lambda out: out["scores"][:, 1], method)
    plain = run(net.net, x, 1, method)
    assert_near(e.coarse, plain.coarse * weight.view(3, 1, 1), 1e-5)


def test_beside_methods_of_other_kinds_and_of_ones_own():
    def whole(shown, size, *, strength=1.0):
        """What is lost where nothing is shown, at every pixel."""
        lost = strength * (shown(torch.ones(1, 1, *size)) - shown(torch.zeros(1, 1, *size)))[0]
        return lost.view(-1, *[1] * len(size)).expand(-1, *size).clone()

    net, x = made()
    found = explain(net, x, 1, ["occlusion", "grad_cam", "gradient", whole], window=3, strength=2.0)
    assert list(found) == ["occlusion", "grad_cam", "gradient", "whole"]
    assert found["grad_cam"].layer == "5"
    with torch.no_grad():
        lost = 2 * (net(x) - net(x * 0))[:, 1]
    assert_near(found["whole"].coarse[:, 0, 0], lost, 1e-9)


def test_an_option_that_none_has_is_told_of():
    with pytest.raises(MethodError, match=r"has an option 'maks'. Near names: 'masks'"):
        explain(convnet(), batch(), 1, "rise", maks=3)


def test_autocast_is_the_callers():
    net, x = convnet(head="fc"), batch()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = explain(net, x, 1, "occlusion", window=4)
    full = explain(net, x, 1, "occlusion", window=4)
    assert half.coarse.dtype == torch.float32
    assert not torch.equal(half.coarse, full.coarse)
    assert (
        float(torch.corrcoef(torch.stack([half.coarse.flatten(), full.coarse.flatten()]))[0, 1])
        > 0.9
    )
