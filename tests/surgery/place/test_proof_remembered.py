"""A proof is made once, and anew where the model is another."""

import gc

import pytest
import torch
from torch import nn

from helpers.placed_nets import (
    Placed,
    measured,
)
from helpers.proofs import as_it_is, picture, proof_of, told
from sightline.surgery.memory import remembered as memory


@pytest.fixture
def counted():
    """A network whose place is measured, and how often it ran."""
    net, runs = Placed(measured(as_it_is)), []
    net.register_forward_hook(lambda *_: runs.append(1))
    for side in (16, 24):  # that the hook writes to a list is known by the second search
        proof_of(net, picture(1, 3, side, side))
    del runs[:]
    return net, runs


def test_a_proof_is_remembered(counted):
    net, runs = counted
    first = proof_of(net)
    assert len(runs) == 2
    del runs[:]
    assert proof_of(net) is first
    assert proof_of(net, picture(seed=1)) is first  # another picture of the same shape
    assert proof_of(net, picture(4, 3, 32, 32)) is first  # and more of them
    with torch.no_grad():
        net.first.weight.mul_(2)
    assert proof_of(net) is first
    assert runs == []


def test_what_is_proved_by_itself(counted):
    net, runs = counted
    first = proof_of(net)
    for other in (
        lambda: proof_of(net, picture(1, 3, 48, 48)),
        lambda: proof_of(net, layer="first"),
        lambda: proof_of(net, call=0),
        lambda: proof_of(net, grid=(16, 16)),
    ):
        del runs[:]
        assert other().outcome == "confirmed"
        assert runs
        assert proof_of(net) is first


def test_what_else_a_model_is_told():
    net = Placed(lambda net, x, turn: x.flip(3) if turn else x)
    assert proof_of(net, (picture(), False)).outcome == "confirmed"
    assert proof_of(net, (picture(), True)).outcome == "contradicted"
    assert proof_of(net, (picture(), False)).outcome == "confirmed"


def test_which_of_two_pictures_is_the_one():
    """The first that was handed in, by whatever name: the other is beside the point."""

    class Second(Placed):
        def forward(self, x, y):
            return super().forward(y) + 0 * x.mean()

    net, x, y = Second(), picture(), picture(seed=1)
    assert proof_of(net, {"x": x, "y": y}).outcome == "contradicted"
    assert proof_of(net, {"y": y, "x": x}).outcome == "confirmed"
    assert proof_of(net, {"x": x, "y": y}).outcome == "contradicted"


def test_sizes_may_be_a_list(shapes_unchecked):
    net = Placed()
    proof = proof_of(net, grid=[16, 16])
    assert proof.outcome == "confirmed"
    assert proof_of(net, grid=(16, 16)) is proof


def test_another_forward_is_proved_anew(counted):
    net, runs = counted
    assert proof_of(net).outcome == "confirmed"
    net.second.forward = lambda x: nn.Conv2d.forward(net.second, x.flip(3))
    proof = proof_of(net)
    assert told(proof) == ("contradicted", "measured")
    del net.second.forward
    assert proof_of(net).outcome == "confirmed"
    net.first = nn.Sequential(net.first, nn.Identity())
    del runs[:]
    assert proof_of(net).outcome == "confirmed"
    assert runs


def test_a_hook_that_mirrors_is_seen():
    net = Placed()
    assert proof_of(net).outcome == "confirmed"
    handle = net.first.register_forward_pre_hook(lambda _, args: (args[0].flip(3),))
    assert proof_of(net).seen == "the grid is mirrored along the width"
    handle.remove()
    assert proof_of(net).outcome == "confirmed"


@pytest.mark.slow
def test_what_is_remembered_goes_with_the_model():
    gc.collect()
    before = len(memory._remembered)
    net = Placed()
    proof_of(net)
    assert len(memory._remembered) == before + 1
    del net
    gc.collect()
    assert len(memory._remembered) == before
