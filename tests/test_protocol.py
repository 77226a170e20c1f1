"""A protocol says every choice, refuses nonsense, and has a name that changes with it."""

from dataclasses import fields

import pytest

from sightline.errors import ProtocolError
from sightline.protocol import PRESETS, Protocol, preset


def test_the_default_is_the_paper_s():
    one = Protocol()
    assert (one.explained, one.score, one.mask, one.scaling, one.drop) == (
        "predicted",
        "probability",
        "soft",
        "max",
        "relative",
    )
    assert PRESETS["paper"] == one


@pytest.mark.parametrize("field", fields(Protocol), ids=lambda field: field.name)
def test_every_field_changes_the_digest(field):
    other = {
        "explained": "given",
        "layer": "layer4",
        "axes": "b h w c",
        "outputs": "value",
        "score": "logit",
        "drop": "absolute",
        "space": "normalised",
        "fill": "blur",
        "mask": "soft top",
        "scaling": "min-max",
        "scaled": "coarse",
        "upsampling": "nearest",
        "deletion_fill": "black",
        "insertion_fill": "black",
        "blur": (5, 1.0),
        "road_percentages": (50,),
        "deltas": (0.5,),
        "top": 0.1,
    }.get(field.name, 7 if isinstance(field.default, int) else 0.5)
    assert other != field.default
    assert Protocol(**{field.name: other}).digest != Protocol().digest


def test_it_survives_json():
    import json

    one = Protocol(deltas=(0.1, 0.2), layer="x", top=0.25)
    again = Protocol.from_dict(json.loads(json.dumps(one.as_dict())))
    assert again == one
    assert again.digest == one.digest


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"fill": "grey"}, "fill to be one of 'zero', 'mean', 'blur'; got 'grey'"),
        ({"top": 2}, "top to be from 0 to 1; got 2"),
        ({"deltas": (0.5, 3)}, r"deltas to be from 0 to 1; got \(0.5, 3\)"),
        ({"steps": 2.5}, "whole number for the protocol's steps; got 2.5"),
        ({"deltas": 0.5}, r"Expected a list of numbers for the protocol's deltas; got 0\.5"),
        ({"deltas": ()}, r"--set 'deltas=\[0\.0, 0\.95\]'"),
        ({"stepz": 3}, "no 'stepz'. Near names: 'steps'"),
    ],
)
def test_nonsense_is_refused_in_words(changes, said):
    with pytest.raises(ProtocolError, match=said):
        preset("paper", **changes)


def test_an_unknown_preset_names_its_neighbours():
    with pytest.raises(ProtocolError, match="'score_cam'"):
        preset("score-cam")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {},
            (
                "soft map over its maximum after linear enlarging, times raw pixels, hidden places"
                " black"
            ),
        ),
        ({"space": "normalised"}, "hidden places the mean colour"),
        ({"fill": "blur", "mask": "soft top", "top": 0.3}, "soft top 30 % of the map"),
        (
            {"scaling": "min-max", "scaled": "coarse", "upsampling": "nearest"},
            "min-max scaled before nearest enlarging",
        ),
    ],
)
def test_it_says_how_it_masks(changes, said):
    assert said in Protocol(**changes).masking()
