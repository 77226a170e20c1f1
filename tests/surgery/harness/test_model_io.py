"""Calling a model, and what it returned: the main output among them, by names or by shapes."""

from collections import namedtuple
from dataclasses import dataclass
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from helpers.nets import batch, convnet
from sightline import layers
from sightline.surgery import capture
from sightline.surgery.harness.model_io import (
    MAIN_OUTPUTS,
    are_detections,
    are_features,
    call_model,
    main_output,
    run,
    tensors_in,
)
from sightline.surgery.layers import candidates

ROW, MAP = torch.zeros(2, 5), torch.zeros(2, 5, 4, 4)


@dataclass
class Answers:
    loss: Tensor | None = None
    last_hidden_state: Tensor | None = None
    logits: Tensor | None = None


Pair = namedtuple("Pair", "maps row")


@pytest.mark.parametrize(
    ("outputs", "wanted"),
    [
        (ROW, ROW),
        (MAP, MAP),
        ((MAP, ROW), ROW),
        ([MAP, None], MAP),
        (Pair(MAP, ROW), ROW),
        ({"aux": ROW, "logits": MAP}, MAP),
        ({"last_hidden_state": MAP, "pooler_output": ROW}, ROW),
        ({"logits": None, "image_embeds": ROW}, ROW),
        (Answers(torch.tensor(0.5), MAP, ROW), ROW),
        (Answers(torch.tensor(0.5), MAP), MAP),
        ({"boxes": torch.zeros(2, 4, dtype=torch.long)}, None),
        ("nothing", None),
    ],
    ids=str,
)
def test_the_most_telling_name_comes_first_then_the_first_rows(outputs, wanted):
    assert main_output(outputs) is wanted


def test_of_two_names_the_earlier_in_the_table_is_meant():
    for first, second in pairwise(MAIN_OUTPUTS):
        assert main_output({second: MAP, first: ROW}) is ROW


@pytest.mark.parametrize(
    ("outputs", "features"),
    [
        ({"last_hidden_state": MAP}, True),
        (Answers(last_hidden_state=MAP), False),  # it has logits, if none were computed
        ({"logits": ROW, "last_hidden_state": MAP}, False),
        (MAP, False),
    ],
    ids=str,
)
def test_a_model_without_a_head_returns_features(outputs, features):
    assert are_features(outputs) is features


def test_detections_are_a_list_with_boxes_for_each_image():
    assert are_detections([{"boxes": 1, "scores": 2}, {"boxes": 3}])
    assert not are_detections([{"boxes": 1}, {"scores": 2}])
    assert not are_detections({"boxes": 1})


def test_tensors_are_found_however_deep_they_lie():
    nest = {"a": [ROW, (MAP, 3)], "b": Answers(logits=ROW), "c": "word"}
    assert [one is ROW or one is MAP for one in tensors_in(nest)] == [True] * 3


def test_an_error_of_the_models_own_says_what_came_and_what_it_has():
    with pytest.raises(RuntimeError) as error:
        call_model(convnet(), (batch().double(),), {})
    (note,) = error.value.__notes__
    assert "ran Sequential on float64 [3, 3, 12, 10] on cpu, and the model itself failed" in note
    assert "weights in torch.float32 on cpu, 3 channels in its first convolution" in note


def test_the_model_writes_over_copies_and_what_has_a_graph_goes_in_itself():
    class Keeps(nn.Module):
        def forward(self, x, y):
            self.seen = x, y
            return x.add_(1)

    net, x, y = Keeps(), torch.zeros(2), torch.ones(2, requires_grad=True) * 2
    assert run(net, (x,), {"y": y}).tolist() == [1, 1]
    assert x.tolist() == [0, 0]
    assert net.seen[1] is y


class Broken(nn.Module):
    def __init__(self, raised):
        super().__init__()
        self.raised = raised

    def forward(self, x, more=None):
        raise self.raised


@pytest.mark.parametrize("error", [RuntimeError("no"), TypeError("no"), AssertionError("no")])
def test_an_error_of_the_model_says_what_it_was_given(error):
    with pytest.raises(type(error)) as caught:
        call_model(Broken(error), (torch.rand(2, 3),), {"more": [torch.rand(1), {"a": 1}]})
    (note,) = caught.value.__notes__
    assert "ran Broken on float32 [2, 3] on cpu, more=[float32 [1] on cpu, {a: int}]" in note


def test_an_error_of_sightlines_own_does_not_blame_the_model(monkeypatch):
    def fails(*_):
        raise RuntimeError("of its own")

    monkeypatch.setattr(candidates, "is_attention", fails)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten())
    with pytest.raises(RuntimeError) as caught:
        layers(net, torch.rand(1, 3, 8, 8))
    (note,) = caught.value.__notes__
    assert note.startswith("This is a fault of sightline (surgery/layers/candidates.py, ")


def test_an_operator_that_fails_inside_a_mode_is_the_models():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Linear(5, 2))
    with pytest.raises(RuntimeError) as caught:
        capture(net, torch.rand(1, 3, 8, 8), "1")
    assert "the model itself failed" in caught.value.__notes__[0]


def test_a_single_number_is_what_is_left_of_one_image():
    assert main_output(torch.tensor(3.0)).shape == (1,)
    assert main_output((torch.tensor(3.0), ROW)) is ROW
    assert main_output((torch.tensor(3.0), torch.zeros(4))).shape == (4,)
