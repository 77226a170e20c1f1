"""Cards from the description that timm keeps: by hand, and of models that were changed since."""

import timm
from torch import nn

from sightline.models import timm_cards
from sightline.types import Preprocess

TINY = "test_resnet"  # timm's own model for tests


def test_a_description_by_hand():
    """160 / 0.95 is 168.4: the short side is 168."""
    config = {
        "architecture": "net",
        "tag": "mine",
        "input_size": (3, 160, 160),
        "crop_pct": 0.95,
        "crop_mode": "border",
        "interpolation": "bilinear",
        "mean": (0.5, 0.5, 0.5),
        "std": (0.25, 0.25, 0.25),
        "num_classes": 2,
        "label_names": ["cat", "dog"],
        "url": "https://example.org/w.pth",
        "license": "mit",
    }
    card = timm_cards.card_from_config(config)
    assert (card.name, card.layer, card.licence) == ("timm/net.mine", None, "mit")
    assert card.preprocess == Preprocess(
        168, (160, 160), "bilinear", (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
    )
    assert card.classes == ("cat", "dog")
    assert card.source == (
        "timm, https://example.org/w.pth (its crop mode 'border' is replaced by a centre crop)"
    )
    assert timm_cards.card_from_config(config, outputs=3).classes is None  # two names for three


def test_what_a_description_leaves_out():
    """Nothing but a size: bicubic, 7/8 of the picture, ImageNet's colours, and no claims."""
    card = timm_cards.card_from_config({"input_size": (3, 224, 224)})
    assert (card.name, card.source) == ("timm/unnamed", "timm, no weights")
    assert (card.classes, card.licence) == (None, "unknown, see source")
    assert card.preprocess == Preprocess(256, (224, 224), "bicubic")


def test_an_oblong_or_padded_crop_is_covered_by_the_picture():
    config = {"input_size": (3, 1024, 768), "crop_pct": 1.0, "interpolation": "bilinear"}
    assert timm_cards.preprocess(config) == Preprocess(1024, (1024, 768))
    assert timm_cards.preprocess({"input_size": (3, 448, 448), "crop_pct": 1.15}).resize == 448
    assert timm_cards.preprocess({"input_size": (3, 224, 224)}, size=(96, 96)).crop == (96, 96)


def test_outputs_after_the_head_was_exchanged():
    model = timm.create_model(TINY)
    assert timm_cards.outputs(model) == 1000
    model.reset_classifier(5)
    assert timm_cards.outputs(model) == 5
    model.fc = nn.Sequential(
        nn.Dropout(), nn.Linear(model.num_features, 8)
    )  # num_classes still says 5
    assert timm_cards.outputs(model) == 8
    assert timm_cards.card_of(model).classes is None
    assert timm_cards.outputs(timm.create_model(TINY, num_classes=0)) == 0


def test_names_given_by_the_description_win():
    model = timm.create_model(TINY, num_classes=2)
    model.pretrained_cfg = {**model.pretrained_cfg, "label_names": ["cat", "dog"]}
    assert timm_cards.card_of(model).classes == ("cat", "dog")
    assert timm_cards.card_of(nn.Linear(1, 1)) is None
