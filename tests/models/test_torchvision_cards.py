"""One test over every card of torchvision: what it says is true of the model that is built."""

import json

import pytest
import torch
from torch import nn
from torchvision import models
from torchvision.models import regnet

from sightline.models import from_torchvision, torchvision_cards
from sightline.models.card import Card
from sightline.types import Preprocess

LAYERS = {  # by hand, from torchvision's sources
    "alexnet": "features.11",
    "convnext": "features.7",
    "densenet": "features.norm5",
    "efficientnet_b": "features.8",
    "efficientnet_v2_s": "features.7",
    "efficientnet_v2_m": "features.8",
    "efficientnet_v2_l": "features.8",
    "googlenet": "inception5b",
    "inception_v3": "Mixed_7c",
    "maxvit": "blocks.3",
    "mnasnet": "layers.16",
    "mobilenet_v2": "features.18",
    "mobilenet_v3_large": "features.16",
    "mobilenet_v3_small": "features.12",
    "regnet": "trunk_output",
    "resnet": "layer4",
    "resnext": "layer4",
    "shufflenet": "conv5",
    "squeezenet": "features.12",
    "swin": "permute",
    "vgg11": "features.19",
    "vgg11_bn": "features.27",
    "vgg13": "features.23",
    "vgg13_bn": "features.33",
    "vgg16": "features.29",
    "vgg16_bn": "features.42",
    "vgg19": "features.35",
    "vgg19_bn": "features.51",
    "vit_b": "encoder.layers.encoder_layer_11.ln_1",
    "vit_h": "encoder.layers.encoder_layer_31.ln_1",
    "vit_l": "encoder.layers.encoder_layer_23.ln_1",
    "wide_resnet": "layer4",
}


def by_hand(name: str) -> str:
    return LAYERS[max((key for key in LAYERS if name.startswith(key)), key=len)]


@pytest.fixture
def without_memory(monkeypatch):
    """Models of any size are built without memory; RegNet computes with small tensors on the way,
    on the CPU.
    """
    real = regnet.BlockParams.from_init_params

    def on_cpu(*args, **kwargs):
        with torch.device("cpu"):
            return real(*args, **kwargs)

    monkeypatch.setattr(regnet.BlockParams, "from_init_params", on_cpu)
    with torch.device("meta"):
        yield


@pytest.mark.slow
def test_every_card(without_memory):
    names = from_torchvision.names()
    assert len(names) >= 80
    for name in names:
        card = from_torchvision.card_for(name)
        extra = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
        model = models.get_model(name, **extra)
        wants = models.get_model_weights(name).DEFAULT.transforms()
        assert card.name == f"torchvision/{name}"
        assert card.layer == by_hand(name), name
        assert isinstance(model.get_submodule(card.layer), nn.Module)
        assert torchvision_cards.layer(model) == card.layer
        assert torchvision_cards.outputs(model) == 1000, name
        assert len(card.classes) == 1000
        assert card.classes[281] == "tabby"
        assert len(set(card.classes)) == 1000
        assert card.preprocess == Preprocess(
            wants.resize_size[0],
            (wants.crop_size[0], wants.crop_size[0]),
            wants.interpolation.value,
            tuple(wants.mean),
            tuple(wants.std),
        )
        assert card.preprocess.resize >= card.preprocess.crop[0]
        assert "https://" in card.source
        assert card.licence
        assert Card.from_dict(json.loads(json.dumps(card.as_dict()))) == card
        if name.startswith(("vgg", "alexnet")):  # behind the ReLU, before the pooling
            index = int(card.layer.rpartition(".")[2])
            assert isinstance(model.features[index], nn.ReLU)
            assert isinstance(model.features[index + 1], nn.MaxPool2d)


def test_every_family_has_its_layer_and_no_layer_is_of_no_family():
    families = {
        models.get_model_builder(name).__module__.rpartition(".")[2]
        for name in from_torchvision.names()
    }
    assert families == set(torchvision_cards.LAYERS)


@pytest.mark.slow
def test_some_values_of_known_recipes():
    assert from_torchvision.card_for("resnet50").preprocess == Preprocess(232, (224, 224))
    assert from_torchvision.card_for("resnet50.IMAGENET1K_V1").preprocess == Preprocess(
        256, (224, 224)
    )
    assert from_torchvision.card_for("inception_v3").preprocess == Preprocess(342, (299, 299))
    large = from_torchvision.card_for("efficientnet_v2_l").preprocess
    assert large == Preprocess(480, (480, 480), "bicubic", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    assert "SWAG/blob/main/LICENSE" in from_torchvision.card_for("vit_h_14").licence
    assert (
        from_torchvision.card_for("resnet18").licence
        == "BSD-3-Clause (torchvision); weights: see source"
    )


def test_weights_of_the_features_alone_name_no_classes():
    assert from_torchvision.card_for("vgg16.IMAGENET1K_FEATURES").classes is None


def test_cards_take_no_memory_and_no_random_numbers():
    state = torch.get_rng_state()
    from_torchvision._layer.cache_clear()
    assert from_torchvision.card_for("vgg19").layer == "features.35"
    assert torch.equal(state, torch.get_rng_state())


def test_a_transformer_of_another_size_is_shown_pictures_of_that_size():
    with torch.device("meta"):
        model = models.vit_b_16(image_size=384)
    assert torchvision_cards.card_of(model).preprocess == Preprocess(438, (384, 384))
    assert torchvision_cards.sized(Preprocess(), 384) == Preprocess(438, (384, 384))
    assert torchvision_cards.sized(Preprocess(resize=None), 384) == Preprocess(None, (384, 384))
    assert torchvision_cards.sized(Preprocess(crop=None), 384) == Preprocess(crop=None)
