"""What a function of somebody's own reads, beside how the layer lies by the graph."""

import pytest
import torch

from helpers.placed_nets import Encoder, Mixer, Placed, measured, mirrored
from sightline.surgery.harness.given import Given
from sightline.surgery.harness.opened_layer import LayerRun
from sightline.surgery.place.look_back import noise
from sightline.surgery.place.opened import opened
from sightline.surgery.place.own_reading import by_own_reading
from sightline.surgery.place.proof import prove

X = torch.rand(1, 3, 32, 32)


def proof_of(reading, net=None, layer="act"):
    net = net or Placed()
    given, run = Given.of(net, X), LayerRun(layer, grid=reading)
    return by_own_reading(given, run, opened(given, run, noise(given, 0)))


def told(proof):
    return proof.outcome, proof.way, proof.seen, str(proof.turn or "")


NEAR = "every place within 0.25 places of its own"


@pytest.mark.parametrize(
    "reading",
    [
        lambda out: out,
        lambda out: out.clone(),
        lambda out: out.flatten(2).unflatten(2, (16, 16)),
    ],
)
def test_the_same_map_however_it_is_written(reading):
    assert told(proof_of(reading)) == ("confirmed", "structure", NEAR, "")


@pytest.mark.parametrize(
    ("reading", "turn"),
    [
        (lambda out: out.flip(2), "mirrored along the height"),
        (lambda out: out.mT, "transposed"),
        (lambda out: out.roll(8, 3), "moved by half along the width"),
        (lambda out: out.flip(2).mT, "transposed and mirrored along the height"),
    ],
)
def test_a_turn_is_named(reading, turn):
    proof = proof_of(reading)
    assert told(proof) == ("contradicted", "structure", f"the grid is {turn}", turn)
    numbers = torch.arange(512.0).view(1, 2, 16, 16)
    assert torch.equal(proof.turn(reading(numbers)), numbers)


@pytest.mark.parametrize(
    ("by", "seen"),
    [
        ((0, 3), "3 along the width"),
        ((1, 0), "1 along the height"),
        ((-2, 5), "14 along the height and 5 along the width"),
    ],
)
def test_so_many_places_away(by, seen):
    proof = proof_of(lambda out: out.roll(by, (2, 3)))
    assert told(proof) == ("contradicted", "structure", f"the grid is moved by {seen}", "")


@pytest.mark.parametrize("axis", [2, 3])
def test_channels_that_are_read_as_places(axis):
    proof = proof_of(lambda out: out.movedim(axis, 1))
    assert told(proof) == ("contradicted", "structure", "channels are read as places", "")


def test_a_model_that_mirrors_is_read_rightly_by_a_function_that_mirrors():
    assert proof_of(lambda out: out.flip(3), Placed(mirrored)).outcome == "confirmed"
    proof = proof_of(lambda out: out, Placed(mirrored))
    assert proof.seen == f"the grid is {proof.turn}" == "the grid is mirrored along the width"


@pytest.mark.parametrize(
    "reading",
    [
        lambda out: torch.nn.functional.pad(out, (1, 1, 1, 1)),
        lambda out: out[:, :, 1:],
        lambda out: out * 2,
        lambda out: torch.cat([out[:, :, 8:], out[:, :, :8].flip(3)], 2),
    ],
)
def test_another_map_is_measured(reading):
    assert proof_of(reading) is None


def test_a_function_with_weights_of_its_own_is_measured():
    weights = torch.eye(8).view(8, 8, 1, 1)  # float32, as the layer is: no float64 goes through
    proof = prove(
        Given.of(Placed(), X),
        LayerRun("act", grid=lambda out: torch.nn.functional.conv2d(out.flip(3), weights)),
    )
    assert (proof.outcome, proof.way) == ("contradicted", "measured")
    assert str(proof.turn) == "mirrored along the width"


def test_no_default_device_is_followed():
    net = Placed()
    torch.set_default_device("meta")
    try:
        proof = proof_of(lambda out: out.flip(3), net)
    finally:
        torch.set_default_device(None)
    assert str(proof.turn) == "mirrored along the width"


def test_what_the_graph_does_not_tell_is_measured():
    assert proof_of(lambda out: out.flip(3), Placed(measured(mirrored))) is None
    tokens = lambda out: out[:, 1:].unflatten(1, (8, 8)).movedim(-1, 1)  # noqa: E731
    assert proof_of(tokens, Encoder(), "norm") is None
    assert proof_of(lambda out: out.unflatten(1, (8, 8)).movedim(-1, 1), Mixer(), "mixed") is None


def test_a_grid_that_is_no_function_is_not_its_concern():
    assert proof_of((16, 16)) is None
    assert proof_of(None) is None
