"""What a file of weights tells of its model: how many classes it has; and what its card says."""

import pytest
import torch
from torch import nn

from sightline.models.card import Card
from sightline.models.local_file import built_for, card_of_file
from sightline.types import Preprocess


class Builder:
    """Builds a small classifier, and remembers with what."""

    def __init__(self, head=nn.Linear):
        self.head, self.asked = head, []

    def __call__(self, options):
        self.asked.append(dict(options))
        size = options.get("num_classes", 10)
        head = nn.Conv2d(4, size, 1) if self.head is nn.Conv2d else nn.Linear(4, size)
        return nn.Sequential(nn.Flatten(), nn.Sequential(nn.ReLU(), head))


@pytest.mark.parametrize("head", [nn.Linear, nn.Conv2d])
def test_a_head_of_another_width_is_built_again_with_the_file_s(head):
    build = Builder(head)
    model = built_for({"1.1.weight": torch.zeros(7, 4, 1, 1)}, build, {"drop": 0.5})
    assert model[1][1].weight.shape[0] == 7
    assert build.asked == [{"drop": 0.5}, {"drop": 0.5, "num_classes": 7}]


@pytest.mark.parametrize(
    ("stored", "options", "classes"),
    [
        ({"1.1.weight": torch.zeros(10, 4)}, {}, 10),
        ({"1.1.weight": torch.zeros(7, 4)}, {"num_classes": 3}, 3),
        ({"other.weight": torch.zeros(7, 4)}, {}, 10),
        ({}, {}, 10),
    ],
    ids=["it fits", "the caller says how many", "another name", "no weights"],
)
def test_otherwise_the_model_is_built_once_and_as_asked(stored, options, classes):
    build = Builder()
    assert built_for(stored, build, options)[1][1].out_features == classes
    assert build.asked == [options]


def test_a_model_without_a_head_is_taken_as_it_is():
    built = nn.Sequential(nn.ReLU())
    assert built_for({"0.weight": torch.zeros(7, 4)}, lambda options: built, {}) is built


@pytest.mark.parametrize(
    ("classes", "what"), [(("cat",), "preprocessing and class names"), (None, "preprocessing")]
)
def test_the_card_says_what_of_it_is_assumed(classes, what):
    card = Card(
        "mine", "conv", Preprocess(), classes, "torchvision, W", licence="BSD", outputs="sigmoid"
    )
    own = card_of_file(card, "w.pth")
    assert own.source == f"local file w.pth; {what} assumed to be as in torchvision, W"
    assert own.licence == "see where the local file comes from"
    assert (own.name, own.layer, own.classes, own.outputs) == ("mine", "conv", classes, "sigmoid")
