"""`card_of` for any module object."""

import copy
import pickle
import sys
from types import SimpleNamespace

import pytest
import timm
import torch
from torch import nn
from torchvision import models

from sightline.models import card_of, describe, load
from sightline.models.card import Card
from sightline.types import Preprocess

MINE = Card("mine", "0", Preprocess(40, (32, 32)), ("cat", "dog"), "trained by me")


def test_an_unknown_module_gets_an_assumed_card():
    card = card_of(nn.Sequential(nn.Conv2d(3, 4, 3)))
    assert card.preprocess == Preprocess(
        256, (224, 224), "bilinear", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    )
    assert (card.layer, card.classes) == (None, None)
    assert card.source.startswith("assumed: nothing is known about a Sequential")


def test_a_module_of_torchvision_is_recognised_by_its_class():
    card = card_of(models.resnet18())
    assert (card.name, card.layer, card.preprocess) == ("ResNet", "layer4", Preprocess())
    assert card.classes[281] == "tabby"
    assert "assumed" in card.source


def test_names_only_for_a_thousand_outputs():
    model = models.resnet18()
    model.fc = nn.Linear(512, 10)
    assert card_of(model).classes is None
    assert card_of(models.squeezenet1_1(num_classes=10)).classes is None


def test_a_class_of_ones_own_that_extends_torchvisions():
    class Mine(models.ResNet):
        pass

    assert card_of(Mine(models.resnet.BasicBlock, [1, 1, 1, 1])).layer == "layer4"


def test_a_rebuilt_model_has_no_layer_by_that_name():
    model = models.resnet18()
    del model.layer4
    assert card_of(model).layer is None


def test_the_fixed_input_size_of_an_architecture():
    with torch.device("meta"):
        assert card_of(models.vit_b_32(image_size=128)).preprocess == Preprocess(146, (128, 128))
        assert card_of(models.inception_v3(init_weights=False)).preprocess == Preprocess(
            342, (299, 299)
        )


def test_a_module_of_timm_brings_its_description():
    card = card_of(timm.create_model("test_resnet"))
    assert card.name == "timm/test_resnet.r160_in1k"
    assert card.preprocess.crop == (160, 160)
    assert len(card.classes) == 1000


def test_class_names_in_the_manner_of_transformers():
    model = nn.Linear(1, 2)
    model.config = SimpleNamespace(id2label={1: "dog, domestic dog", 0: "cat"}, image_size=32)
    card = card_of(model)
    assert card.classes == ("cat", "dog")
    assert card.preprocess == Preprocess(32, (32, 32))
    assert "assumed" in card.source
    model.config = SimpleNamespace(id2label={0: "LABEL_0", 1: "LABEL_1"})
    assert card_of(model).classes is None
    model.config = SimpleNamespace(id2label={"cat": 0})
    assert card_of(model).source.startswith("assumed")
    model.config = SimpleNamespace(id2label={"0": "cat", "10": "ox", "2": "dog"})
    assert card_of(model).classes == ("cat", "dog", "ox")


def test_a_card_given_by_hand_wins_and_travels_with_copies():
    model = models.resnet18()
    describe(model, MINE)
    assert card_of(copy.deepcopy(model)).name == "mine"
    assert card_of(pickle.loads(pickle.dumps(model))).name == "mine"
    assert "sightline_card" not in model.state_dict()


@pytest.mark.slow
def test_wrappers_are_looked_through():
    model = nn.Linear(2, 2)
    describe(nn.DataParallel(model), MINE)
    assert card_of(model) is MINE
    assert card_of(nn.DataParallel(model)) is MINE
    assert card_of(torch.compile(model)) is MINE


@pytest.mark.parametrize("name", ["torchvision/squeezenet1_1", "timm/test_resnet"])
def test_what_load_gave_is_remembered_until_the_head_is_exchanged(name):
    model, card = load(name, pretrained=False)
    assert card_of(model) == card
    if name.startswith("timm"):
        model.fc = nn.Linear(model.num_features, 3)
    else:
        model.classifier[1] = nn.Conv2d(512, 3, 1)
    assert card_of(model).classes is None
    assert card_of(model).preprocess == card.preprocess


def calls(name: str) -> int:
    """How many functions are called to know a network's card, once its kind has been met."""
    with torch.device("meta"):
        model = load(name, pretrained=False).model
    del model.sightline_card
    card_of(model)
    seen = []
    sys.setprofile(lambda _, event, __: seen.append(event))
    try:
        card_of(model)
    finally:
        sys.setprofile(None)
    return len([event for event in seen if event in ("call", "c_call")])


@pytest.mark.parametrize(
    ("small", "large"),
    [
        ("torchvision/resnet18", "torchvision/resnet152"),
        ("timm/resnet18", "timm/resnet152"),
        ("torchvision/vit_b_32", "torchvision/vit_l_32"),
    ],
)
def test_it_costs_next_to_nothing(small, large):
    """Nothing is built and no network is walked through: a larger one costs as much.

    A walk would take a call for each module, of which the larger ones have hundreds more; a few
    calls come and go with what is cached.
    """
    few, many = calls(small), calls(large)
    assert many < 1000
    assert abs(many - few) < 50
