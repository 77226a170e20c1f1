"""The card itself: written, read, and what is said when it cannot be."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from sightline.errors import ModelError
from sightline.models.card import Card
from sightline.types import Preprocess

CARD = Card(
    name="mine",
    layer="features.3",
    preprocess=Preprocess(40, (32, 24), "bicubic", (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)),
    classes=("tabby", "lens cap"),
    source="trained by me",
    licence="MIT",
    outputs="sigmoid",
)


def test_through_json_and_back():
    entries = json.loads(json.dumps(CARD.as_dict()))
    assert entries["preprocess"] == {
        "resize": 40,
        "crop": [32, 24],
        "interpolation": "bicubic",
        "mean": [0.5, 0.5, 0.5],
        "std": [0.25, 0.25, 0.25],
    }
    assert Card.from_dict(entries) == CARD


def test_what_is_left_out_has_a_default_and_what_is_not_a_cards_is_left_aside():
    card = Card.from_dict(
        {"name": "mine", "preprocess": {"resize": None, "crop": None}, "top1": 0.76}
    )
    assert (card.layer, card.classes, card.source, card.licence, card.outputs) == (
        None,
        None,
        "unknown",
        "unknown",
        "softmax",
    )
    assert card.preprocess == Preprocess(resize=None, crop=None)


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ({"preprocess": {}}, "KeyError 'name'"),
        ({"name": "mine"}, "KeyError 'preprocess'"),
        ({"name": "mine", "preprocess": {"size": 3}}, "size"),
        (
            {"name": "mine", "preprocess": {}, "outputs": "logits"},
            "'sigmoid', 'probability' or 'value', not 'logits'",
        ),
    ],
)
def test_an_incomplete_card_says_what_it_lacks(entries, says):
    with pytest.raises(ModelError, match=says):
        Card.from_dict(entries)


def test_read(tmp_path):
    file = tmp_path / "mine.json"
    file.write_text(json.dumps(CARD.as_dict()))
    assert Card.read(file) == CARD
    file.write_text("{")
    with pytest.raises(ModelError, match="expected a card in JSON"):
        Card.read(file)
    with pytest.raises(ModelError, match="No such file"):
        Card.read(tmp_path / "absent.json")


def test_a_card_keeps_what_was_assumed():
    guess = replace(CARD, preprocess=replace(CARD.preprocess, assumed=("mean", "std")))
    back = Card.from_dict(json.loads(json.dumps(guess.as_dict())))
    assert back.preprocess.assumed == ("mean", "std")


def test_a_card_s_preprocess_is_one():
    wrong = SimpleNamespace(preprocess={"resize": 40})  # the tests' own checks of types come first
    with pytest.raises(ModelError, match=r"got dict\. Of a transform .*as_preprocess makes one"):
        Card.__post_init__(wrong)
