"""The bundled model's card and other weights for it.

What it can do is measured in test_lookout.py.
"""

import json

import pytest
import torch

from sightline.errors import ModelError
from sightline.models import Lookout, bundled, card_for, card_of, load
from sightline.types import Preprocess

STORED = {
    "name": "lookout",
    "layer": "features",
    "preprocess": {
        "resize": 128,
        "crop": [112, 112],
        "interpolation": "bilinear",
        "mean": [0.48, 0.45, 0.4],
        "std": [0.27, 0.26, 0.28],
    },
    "classes": [f"class {i}" for i in range(50)],
    "source": "training/classifier.py",
    "licence": "MIT",
    "measured": {"top1": 0.76},
}


@pytest.fixture(autouse=True)
def stored(tmp_path, monkeypatch):
    """A card of the shape that the training writes."""
    file = tmp_path / "lookout.json"
    file.write_text(json.dumps(STORED))
    monkeypatch.setattr(bundled, "CARD", file)
    bundled.card.cache_clear()
    yield
    bundled.card.cache_clear()


def test_the_card_is_the_one_beside_the_weights():
    card = card_for("lookout")
    assert card.preprocess == Preprocess(
        128, (112, 112), "bilinear", (0.48, 0.45, 0.4), (0.27, 0.26, 0.28)
    )
    assert (card.layer, card.classes[49], card.licence) == ("features", "class 49", "MIT")
    assert card_of(Lookout()) == card


def test_one_of_another_width_has_no_class_names():
    assert card_of(Lookout(classes=3)).classes is None
    assert card_of(Lookout(classes=3)).layer == "features"


def test_random_weights():
    model, card = load("lookout", pretrained=False, classes=4, widths=(8, 8, 8), depths=(1, 1, 1))
    assert not model.training
    assert model(torch.zeros(1, 3, 32, 32)).shape == (1, 4)
    assert (card.source, card.classes) == ("random weights", None)


def test_a_local_file_brings_its_number_of_classes(tmp_path):
    for classes in (50, 7):
        wanted = Lookout(classes=classes).eval()
        torch.save(wanted.state_dict(), tmp_path / "mine.pth")
        model, card = load("lookout", weights=tmp_path / "mine.pth")
        assert torch.equal(model.head.weight, wanted.head.weight)
        assert (card.classes is None) is (classes == 7)
        assert card.source.startswith("local file mine.pth")


def test_options_do_not_go_with_the_bundled_weights():
    with pytest.raises(ModelError, match="not with classes"):
        load("lookout", classes=3)
    with pytest.raises(ModelError, match=r"'lookout' cannot be built.*depth"):
        load("lookout", pretrained=False, depth=3)
