"""One of several outputs; a channel, a neuron."""

from typing import NamedTuple

import pytest
import torch

from sightline.errors import TargetError
from sightline.targets import Margin, Neuron, Output, ask

HEADS = {
    "main": torch.randn(2, 3, generator=torch.Generator().manual_seed(0)),
    "side": torch.randn(2, 5, generator=torch.Generator().manual_seed(1)),
}


class Two(NamedTuple):
    logits: torch.Tensor
    aux_logits: torch.Tensor


@pytest.mark.parametrize(
    ("outputs", "key"),
    [
        (HEADS, "side"),
        (tuple(HEADS.values()), 1),
        (tuple(HEADS.values()), -1),
        ({"a": [0, HEADS]}, ["a", 1, "side"]),
        (Two(*HEADS.values()), "aux_logits"),
        (Two(*HEADS.values()), 1),
    ],
)
def test_an_output_is_asked_as_if_it_were_the_only_one(outputs, key):
    alone, among = ask("top2", HEADS["side"]), ask(Output(key, "top2"), outputs, images=2)
    assert torch.equal(alone.scores, among.scores)
    assert torch.equal(alone.indices, among.indices)
    assert torch.equal(alone.confidence, among.confidence)
    assert alone.targets == among.targets
    assert among.several


def test_several_outputs_in_one_question():
    question = ask([Output("main", 2), Output("side"), Output("side", Margin(4))], HEADS, images=2)
    wanted = [HEADS["main"][:, 2], HEADS["side"].amax(1), Margin(4)(HEADS["side"])]
    assert torch.equal(question.scores, torch.stack(wanted))
    assert [str(t) for t in question.targets[0]] == [
        "2 of main",
        "predicted of side",
        "class 4 against the runner-up of side",
    ]
    with pytest.raises(
        TargetError, match="one question of the output 'side' in a list of several; 'top2' asks 2"
    ):
        ask([Output("side", "top2"), Output("main")], HEADS)


def test_names_of_another_head_are_not_used():
    names = ["a", "b", "c"]
    assert ask(Output("main", 1), HEADS, classes=names).targets[0][0].name == "b"
    assert ask(Output("side", 1), HEADS, classes=names).targets[0][0].name == "class 1"


@pytest.mark.parametrize(
    ("outputs", "key", "message"),
    [
        (HEADS, "sid", "called 'sid'; the model returned a dict without it. Near names: 'side'"),
        (
            tuple(HEADS.values()),
            2,
            "called 2; the model returned 2 things. Ask by their number, from 0 to 1",
        ),
        (HEADS["main"], "side", r"returned one tensor \[2, 3\]. Leave the name"),
        (
            Two(*HEADS.values()),
            "aux",
            "returned a Two without it. On offer: 'logits', 'aux_logits'",
        ),
        (3, "x", "returned a int without it. Ask with a function"),
    ],
)
def test_an_output_that_is_not_there(outputs, key, message):
    with pytest.raises(TargetError, match=message):
        ask(Output(key), outputs)


MAPS = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(2))


def test_a_channel_everywhere_and_at_a_place():
    slow = [sum(MAPS[b, 1, i, j].item() for i in range(4) for j in range(5)) for b in range(2)]
    assert Neuron(1, reduce="sum")(MAPS).tolist() == pytest.approx(slow, abs=1e-5)
    assert Neuron(1)(MAPS).tolist() == pytest.approx([x / 20 for x in slow], abs=1e-6)
    assert torch.equal(Neuron(2, at=(3, 1))(MAPS), MAPS[:, 2, 3, 1])
    assert torch.equal(Neuron(-1, output="z", at=(0, -1))({"z": MAPS}), MAPS[:, -1, 0, -1])
    tokens = MAPS.flatten(2).transpose(1, 2)  # [b, n, c]
    assert torch.equal(Neuron(2, axis=-1, at=(7,))(tokens), tokens[:, 7, 2])
    assert torch.equal(Neuron(4)(HEADS["side"]), HEADS["side"][:, 4])


def test_what_it_is_called():
    assert str(Neuron(3)) == "channel 3"
    assert str(Neuron(3, output="z", at=(1, 2))) == "channel 3 at 1, 2 of z"


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (Neuron(3), r"channel from 0 to 2 .* \[2, 3, 4, 5\].* axis 1\); got 3"),
        (Neuron(0, at=(4, 0)), r"place within \[4, 5\], an index for each axis; got \(4, 0\)"),
        (Neuron(0, at=(1,)), "an index for each axis"),
        (Neuron(0, axis=4), "among 1 to 3; got axis=4"),
        (Neuron(0, axis=0), "got axis=0"),
        (Neuron(0, output="z"), "called 'z'"),
    ],
    ids=str,
)
def test_what_is_no_neuron(target, message):
    with pytest.raises(TargetError, match=message):
        target(MAPS)


def test_a_neuron_of_a_mapping_needs_its_name():
    with pytest.raises(TargetError, match="take a channel of; the model returned a dict"):
        Neuron(0)(HEADS)
