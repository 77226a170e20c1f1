"""Whether the graph says that places lie right, and by which turn they would."""

import pytest
import torch

from helpers.placed_nets import Placed, Unpadded, cropped
from sightline.surgery.harness.given import Given
from sightline.surgery.harness.opened_layer import LayerRun
from sightline.surgery.harness.turns import turns
from sightline.surgery.place.by_structure import by_structure
from sightline.surgery.place.look_back import noise
from sightline.surgery.place.opened import grid_of_run, opened

X = torch.rand(1, 3, 32, 32)


def proof_of(net, x=X, **run):
    given, run = Given.of(net, x), LayerRun("act", **run)
    return by_structure(given, opened(given, run, noise(given, 0)))


PLAIN = [turn for turn in turns(2) if not turn.rolled]


@pytest.mark.parametrize("turn", PLAIN, ids=str)
def test_a_model_that_turns_its_picture(turn):
    """What is looked at through a turn lies right by its inverse, and is confirmed so."""

    def way(_, x):
        x = x.flip([2 + axis for axis in turn.mirrored])
        return x if turn.order == (0, 1) else x.transpose(2, 3)

    assert torch.equal(way(None, X), turn.undone(X))
    net = Placed(way)
    proof = proof_of(net)
    assert (proof.outcome, proof.way) == ("contradicted", "structure")
    assert (proof.turn, proof.seen) == (turn, f"the grid is {turn}")
    given = Given.of(net, X)
    grid = grid_of_run(given, LayerRun("act"))
    right = type(grid)(grid.kind, grid.size, turn=turn)
    assert proof_of(net, grid=right).outcome == "confirmed"
    for other in PLAIN:
        if other != turn:
            wrong = type(grid)(grid.kind, grid.size, turn=other)
            assert proof_of(net, grid=wrong).outcome == "contradicted", other


def test_right_and_wrong_by_no_turn():
    assert proof_of(Placed()).seen == "every place within 0.25 places of its own"
    assert proof_of(Unpadded()) is None  # between right and wrong: it is measured
    proof = proof_of(Placed(cropped))
    assert (proof.seen, proof.turn) == ("the grid lies 7.6 places away", None)


def test_what_is_no_local_operator_is_not_told():
    assert proof_of(Placed(lambda _, x: x.roll(16, 3))) is None
    assert proof_of(Placed(), grid=lambda out: out.flip(3)) is None
