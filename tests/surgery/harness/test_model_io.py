"""Calling a model, and what it returned: the main output among them, by names or by shapes."""

from collections import namedtuple
from dataclasses import dataclass
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from helpers.nets import batch, convnet
from sightline.surgery.harness.model_io import (
    MAIN_OUTPUTS,
    are_detections,
    are_features,
    call_model,
    main_output,
    run,
    tensors_in,
)

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
