"""The same question asked of other outputs."""

from dataclasses import dataclass

import pytest
import torch

from sightline.errors import MethodError, TargetError
from sightline.targets import Output, ask, ask_again

ROWS = torch.tensor([[1.0, 3.0, 0.0], [2.0, 0.0, 5.0]])
OTHER = torch.arange(12.0).reshape(4, 3)  # two versions of two images


def test_classes_are_those_of_the_first_time():
    question = ask("top2", ROWS)
    assert question.indices.tolist() == [[1, 0], [2, 0]]
    assert ask_again(question, "top2", OTHER, 2).tolist() == [[[1, 5], [7, 11]], [[0, 3], [6, 9]]]


def test_probabilities_and_a_single_logit():
    question = ask([0, 1], ROWS)
    sure = ask_again(question, [0, 1], OTHER, 2, probability=True)
    assert torch.equal(sure[1], OTHER.softmax(1)[:, 1].reshape(2, 2))
    single = ask(0, ROWS[:, :1])
    assert ask_again(single, 0, torch.tensor([[1.0], [-2.0]]), 1).tolist() == [[[-1, 2]]]
    assert torch.allclose(
        ask_again(single, 0, torch.tensor([[1.0], [-2.0]]), 1, probability=True)[0, 0],
        torch.tensor([-1.0, 2.0]).sigmoid(),
    )


@dataclass
class Outputs:
    rows: torch.Tensor
    one: torch.Tensor


@pytest.mark.parametrize(
    ("outputs", "read"),
    [
        (OTHER, lambda out: out),
        ({"rows": OTHER, "one": torch.ones(3)}, lambda out: out["rows"] * out["one"]),
        ((torch.ones(()), [OTHER]), lambda out: out[1][0] * out[0]),
        (Outputs(OTHER, torch.ones(1)), lambda out: out.rows * out.one),
        ([{"rows": row} for row in OTHER], lambda out: torch.stack([one["rows"] for one in out])),
    ],
)
def test_a_function_is_given_one_version_after_another(outputs, read):
    classes = torch.tensor([1, 2])
    function = lambda out: read(out)[torch.arange(2), classes]  # noqa: E731
    question = ask(lambda out: out[:, 0], ROWS)
    assert ask_again(question, function, outputs, 2).tolist() == [[[1, 5], [7, 11]]]


def test_a_function_has_no_probability():
    question = ask(lambda out: out[:, 0], ROWS)
    with pytest.raises(MethodError, match="leave probability=True or form='authors' out"):
        ask_again(question, lambda out: out[:, 0], OTHER, 2, probability=True)


def test_what_is_no_longer_there_in_a_changed_picture_is_told_so():
    def asked(outputs):
        if outputs[0, 0] < 0:
            raise TargetError("Expected a detection; none is left.")
        return outputs[:, 0]

    first = torch.tensor([[1.0, 2.0]])
    with pytest.raises(TargetError, match=r"none is left\. \(It was there in the picture itself"):
        ask_again(ask(asked, first), asked, -first, 1)


def test_one_of_several_outputs():
    outputs = {"main": OTHER, "side": -OTHER}
    target = Output("side", 2)
    question = ask(target, {"main": ROWS, "side": -ROWS})
    assert ask_again(question, target, outputs, 2).tolist() == [[[-2, -5], [-8, -11]]]
