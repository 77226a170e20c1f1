"""Logits in whatever a model returns."""

from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch

from sightline.errors import TargetError
from sightline.targets import logits, probabilities
from sightline.targets.model_outputs import candidates, named_parts, two_rows
from sightline.targets.reading import look_like_probabilities

ROWS = torch.tensor([[1.0, 2.0, 3.0], [0.0, -1.0, 4.0]])
MAPS, LOSS, COUNT = torch.zeros(2, 3, 4, 4), torch.tensor(0.5), torch.tensor([[1, 2], [3, 4]])
Pair = namedtuple("Pair", "features rows")


@dataclass
class HeadOutput:
    """In the manner of transformers."""

    loss: torch.Tensor | None = None
    logits: torch.Tensor | None = None
    hidden_states: tuple[torch.Tensor, ...] | None = None


@dataclass
class Plain:
    features: torch.Tensor
    rows: torch.Tensor


class ModelOutput(OrderedDict):
    """A mapping with attributes, as transformers has."""

    def __getattr__(self, name):
        return self[name]


@pytest.mark.parametrize(
    "outputs",
    [
        ROWS,
        (ROWS, None),
        [MAPS, ROWS],
        (COUNT, ROWS),
        Pair(MAPS, ROWS),
        {"loss": LOSS, "logits": ROWS},
        {"features": torch.ones(2, 9), "logits": ROWS},
        {"features": MAPS, "out": ROWS},
        ModelOutput(embeds=torch.ones(2, 9), logits=ROWS),
        HeadOutput(loss=LOSS, logits=ROWS, hidden_states=(MAPS,)),
        Plain(MAPS, ROWS),
    ],
    ids=lambda value: type(value).__name__,
)
def test_logits_are_found(outputs):
    assert logits(outputs) is ROWS


def test_one_logit_an_image_becomes_a_column():
    assert torch.equal(logits(torch.tensor([1.0, -2.0])), torch.tensor([[1.0], [-2.0]]))
    assert torch.equal(logits({"logits": torch.tensor([1.0, -2.0])}), torch.tensor([[1.0], [-2.0]]))


@pytest.mark.parametrize(
    ("outputs", "seen"),
    [
        (MAPS, r"\[\(2, 3, 4, 4\)\]"),
        (COUNT, r"whole numbers \(int64 \[2, 2\]\), as argmax makes them, and nothing leads back"),
        ((LOSS, MAPS), r"\[\(\), \(2, 3, 4, 4\)\]"),
        ((torch.ones(2), torch.ones(2)), r"\[\(2,\), \(2,\)\]"),
        ("logits", "str"),
        (None, "NoneType"),
        (HeadOutput(), "HeadOutput"),
        ([{"logits": ROWS}], "list"),
    ],
    ids=str,
)
def test_what_holds_no_logits_says_what_came_and_offers_a_function(outputs, seen):
    with pytest.raises(
        TargetError, match=rf"\[images, classes\]; the model returned {seen}.*target=lambda out"
    ):
        logits(outputs)


def test_probabilities_of_each_kind():
    torch.testing.assert_close(probabilities(ROWS, "softmax"), ROWS.softmax(1))
    torch.testing.assert_close(probabilities(ROWS, "sigmoid"), ROWS.sigmoid())
    torch.testing.assert_close(probabilities(ROWS[:, :1], "softmax"), ROWS[:, :1].sigmoid())
    half = probabilities(ROWS.half().requires_grad_(), "softmax")
    assert half.dtype == torch.float32
    assert not half.requires_grad


@pytest.mark.parametrize(
    ("rows", "like"),
    [
        (ROWS, False),
        (ROWS.softmax(1), True),
        (ROWS.softmax(1).half(), True),
        (ROWS.sigmoid(), False),
        (torch.tensor([[1.5, -0.5]]), False),  # sums to one, but negative
        (torch.tensor([[0.5, 0.5], [0.5, 0.4]]), False),  # one row does not
        (torch.tensor([[1.0], [1.0]]), False),  # a single logit
        (torch.tensor([[float("nan"), 1.0]]), False),
    ],
)
def test_outputs_behind_a_softmax_are_recognised(rows, like):
    assert look_like_probabilities(rows) is like


@pytest.mark.parametrize("held_in", [dict, SimpleNamespace])
def test_parts_are_found_by_name_in_a_mapping_and_in_an_object(held_in):
    outputs = held_in(pred_boxes=1, logits=2, pred_logits=3, pooler_output=4, image_embeds=5)
    assert named_parts(outputs, "query logits") == [2, 3]
    assert named_parts(outputs, "embedding") == [5, 4]
    assert named_parts(outputs, "query masks") == []
    assert candidates(outputs, "query masks") == [1, 2, 3, 4, 5]
    assert candidates(outputs, "class maps") == [2]


def test_a_tensor_and_a_tuple_are_their_own_candidates():
    assert candidates(ROWS, "logits")[0] is ROWS
    assert candidates((MAPS, ROWS), "class maps") == [MAPS, ROWS]
    assert named_parts(ROWS, "logits") == []


def test_one_logit_stands_against_and_for():
    rows = two_rows(torch.tensor([[2.0], [-1.0]]))
    assert rows.tolist() == [[-2.0, 2.0], [1.0, -1.0]]
    assert two_rows(torch.tensor([[2.0, 3.0]]), dim=0).tolist() == [[-2.0, -3.0], [2.0, 3.0]]
