"""What is recorded behind a layer gives, run again, what the model gives."""

import pytest
import torch
from torch import nn

from helpers import curved_tails
from helpers.tapes import ASKED, second_run, tape_of
from sightline.surgery.derivatives.tape import Untaped, run_op


@pytest.mark.parametrize("name", curved_tails.TAILS)
def test_played_it_gives_the_scores_also_of_other_activations(name):
    net, x = curved_tails.made(name)
    tape, largest = second_run(net, x).tape()
    assert largest >= x.numel()
    for start in (x, x / 2):
        want = net[1](start.clone())[:, list(ASKED)].T
        torch.testing.assert_close(tape.play(start, run_op), want, rtol=1e-10, atol=1e-12)


class Dead(nn.Module):
    """Computes more than it returns."""

    def forward(self, x):
        y = x.sin().flatten(2).mean(2)
        _ = x.exp().cumsum(1).sort()
        return y * 2


def test_what_does_not_lead_to_the_scores_is_left_out():
    tape = tape_of(Dead(), torch.randn(2, 3, 4, 5))
    assert {"sin", "mean", "mul"} <= {step.name for step in tape.steps}
    assert not {"exp", "sort", "cumsum"} & {step.name for step in tape.steps}


def test_crossing_counts_what_is_still_needed():
    class Around(nn.Module):
        def forward(self, x):
            return (x.sin() + x).flatten(2).mean(2).exp()

    tape = tape_of(Around(), torch.randn(2, 3, 4, 5))
    crossing = tape.crossing()
    assert [step.name for step in tape.steps[:3]] == ["clone", "sin", "add"]
    assert len(crossing[1]) == 2  # the sine, and the activations for the sum
    assert all(len(slots) == 1 for slots in (crossing[0], *crossing[2:]))


def test_a_part_of_the_steps_can_be_played():
    tape = tape_of(Dead(), x := torch.randn(2, 3, 4, 5))
    assert [step.name for step in tape.steps[:2]] == ["clone", "sin"]  # the layer is a leaf
    slot = tape.steps[1].gives[0]
    half = tape.play(x, run_op, slice(2), end=slot)
    assert torch.equal(half, x.sin())
    rest = tape.play(half, run_op, slice(2, None), slot=slot)
    assert torch.equal(rest, tape.play(x, run_op))


def test_in_place_operators_are_recorded_as_those_that_return():
    tail = nn.Sequential(nn.SiLU(inplace=True), nn.Flatten(2), nn.Flatten(1))
    tape = tape_of(tail, x := torch.randn(2, 3, 4, 5))
    kept = x.clone()
    tape.play(x, run_op)
    assert torch.equal(x, kept)
    assert [step.name for step in tape.steps[:2]] == ["clone", "silu"]


class Halved(nn.Module):
    def forward(self, x):
        out = x.tanh().clone()
        out[:, 0] *= 2.0
        return out.flatten(2).mean(2)


class Strided(nn.Module):
    def forward(self, x):
        return torch.as_strided(x * 1, (2, 3), (60, 20))


class Constant(nn.Module):
    def forward(self, x):
        return x.detach().flatten(2).mean(2) + torch.ones(3, requires_grad=True)


@pytest.mark.parametrize(
    ("tail", "why"),
    [
        (Halved(), "written over|writes into"),
        (Strided(), "order in memory"),
        (Constant(), "do not come from the layer"),
    ],
)
def test_where_there_is_no_tape_it_says_why(tail, why):
    with pytest.raises(Untaped, match=why):
        tape_of(tail, torch.randn(2, 3, 4, 5))


def test_the_recording_is_given_up():
    net, x = curved_tails.made("silu")
    run = second_run(net, x)
    assert run._recorder._calls
    run.tape()
    assert not run._recorder._calls


def test_a_model_in_half_precision_is_played_in_single():
    net, x = curved_tails.made("silu")
    tape, _ = second_run(net.to(torch.bfloat16), x.to(torch.bfloat16)).tape()
    assert tape.start.dtype == torch.float32
    assert tape.play(tape.start, run_op).dtype == torch.float32
