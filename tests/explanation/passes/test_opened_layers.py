"""At which layers a model is opened, and how often it runs for that."""

import pytest
import torch

from helpers.nets import batch, convnet
from helpers.placed_nets import Placed, measured, mirrored
from sightline import explain
from sightline.explanation.explain import Job
from sightline.explanation.inputs import ready
from sightline.explanation.passes.opened_layers import open_layers
from sightline.models import card_of
from sightline.surgery import Grid


def job_of(net, x, **options):
    card = card_of(net)
    given = {"target": 1, "counterfactual": False, "call": -1, "grid": None, **options}
    return Job(net, card, ready(x, net, card.preprocess), **given)


def test_named_chosen_and_several():
    net, x = convnet(), batch()
    chosen = open_layers(job_of(net, x), [])
    assert [cut.name for cut in chosen.cuts] == ["5"]
    assert chosen.cuts[0].reason.startswith("the last feature map")
    assert chosen.places[0].record["share"] == 1
    named = open_layers(job_of(net, x), ["2", "5"])
    assert [cut.name for cut in named.cuts] == ["2", "5"]
    assert [cut.layer for cut in named.trace.cuts] == ["2", "5"]
    torch.testing.assert_close(named.trace.cuts[1].activations, chosen.trace.activations)


def test_unchecked_there_is_no_place():
    run = open_layers(job_of(convnet(), batch(), checked=False), [])
    assert run.places == [None]
    assert run.call == -1


def test_a_turn_is_part_of_how_a_layer_is_opened():
    x = torch.rand(1, 3, 32, 32)
    run = open_layers(job_of(Placed(mirrored).eval(), x), ["act"])
    assert str(run.grids["act"].turn) == "mirrored along the width"
    assert isinstance(run.grids["act"], Grid)
    straight = open_layers(job_of(Placed(mirrored).eval(), x, checked=False), ["act"])
    assert torch.equal(run.trace.activations, straight.trace.activations.flip(3))
    # What the caller states stays as it is.
    stated = open_layers(job_of(Placed(mirrored).eval(), x, grid=(16, 16)), ["act"])
    assert stated.grids["act"] == (16, 16)
    assert stated.places[0].misplaced


@pytest.mark.parametrize("way", [lambda net, x: x, measured(mirrored), mirrored])
def test_after_the_first_call_a_model_runs_once(way):
    net, x, runs = Placed(way).eval(), torch.rand(1, 3, 32, 32), []
    net.register_forward_hook(lambda *_: runs.append(1))
    for layer in ("act", None):
        explain(net, x, 1, "grad_cam", layer)
        del runs[:]
        for _ in range(2):
            explain(net, torch.rand(1, 3, 32, 32), 1, "grad_cam", layer)
        assert len(runs) == 2, layer
