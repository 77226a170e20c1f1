"""`explain` of outputs that are quantities: signs, words, and what is refused."""

import json
from dataclasses import replace

import pytest
import torch
from torch import nn

import sightline
from helpers.closeness import assert_near
from sightline import Card, Preprocess, Region
from sightline.errors import MethodError, ModelError, TargetError
from sightline.models import card_of
from sightline.models.card import outputs_word

PICTURES = torch.rand(2, 3, 12, 12, generator=torch.Generator().manual_seed(1))


def regressor(outputs=1):
    torch.manual_seed(0)
    body = (nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return nn.Sequential(*body, nn.Linear(8, outputs)).eval()


@pytest.mark.parametrize("bias", [-9.0, 9.0])
def test_what_raises_it_and_what_lowers_it_whatever_its_sign(bias):
    """A negative value is no class "negative", whose evidence would be turned round."""
    net = regressor()
    with torch.no_grad():
        net[4].bias.fill_(bias)
    raises = sightline.explain(net, PICTURES, method="grad_cam", outputs="value", classes=["age"])
    lowers = sightline.explain(
        net, PICTURES, method="grad_cam", outputs="value", counterfactual=True
    )
    activations = net[1](net[0](PICTURES))
    wanted = (net[4].weight[0].view(1, 8, 1, 1) * activations).sum(1) / 100
    assert_near(raises.coarse, wanted.detach(), 1e-5)
    assert_near(lowers.coarse, -wanted.detach(), 1e-5)
    assert torch.equal(raises.scores, lowers.scores)
    assert_near(raises.scores, net(PICTURES)[:, 0].detach(), 1e-5)
    assert raises.probabilities is None
    assert raises.top == []
    assert raises.provenance["notes"] == [
        "the outputs are quantities: the map shows what raises age"
    ]
    assert lowers.provenance["notes"] == [
        "the outputs are quantities: the map shows what lowers value"
    ]
    assert raises.provenance["outputs"]["kind"] == "value"


def test_no_word_of_classes_or_confidence():
    net = regressor()
    sightline.describe(net, replace(card_of(net), outputs="value", classes=("age",)))
    with torch.no_grad():
        net[4].weight.copy_(-net[4].weight.abs())
    e = sightline.explain(net, PICTURES)
    assert e.status[0].word == "no positive evidence"
    assert "raises 'age'" in e.status[0].message
    assert "counterfactual=True shows what lowers it" in e.status[0].message
    said = json.loads(e.as_json())
    assert said["maps"][0]["name"] == "age"
    assert said["maps"][0]["probability"] is None
    assert not any(word in json.dumps(said["maps"]) for word in ("class ", "confidence"))
    against = sightline.explain(net, PICTURES, "age", counterfactual=True)
    assert against.status[0].ok
    from sightline.explanation.pictures import how_much

    assert how_much(e, 0, 0) == f"{float(e.scores[0]):.4g}"
    e.sheet()


def test_one_of_several_is_to_be_named():
    net = regressor(3)
    with pytest.raises(TargetError, match=r"one of the model's 3 quantities \(a, b, c\)"):
        sightline.explain(net, PICTURES, outputs="value", classes=["a", "b", "c"])
    e = sightline.explain(net, PICTURES, ["c", 0], outputs="value", classes=["a", "b", "c"])
    assert_near(e.scores, net(PICTURES)[:, [2, 0]].detach(), 1e-5)
    with pytest.raises(TargetError, match="Expected 3 names, one for each quantity"):
        sightline.explain(net, PICTURES, 0, outputs="value", classes=["a"])


def test_maps_of_depths():
    net = nn.Sequential(regressor()[:2], nn.Conv2d(8, 1, 1)).eval()
    e = sightline.explain(net, PICTURES, outputs="value")
    at = sightline.explain(net, PICTURES, Region(0, where=(5, 5)), outputs="value", layer="0")
    with torch.no_grad():
        large = nn.functional.interpolate(net(PICTURES), (12, 12), mode="bilinear")
    assert_near(e.scores, large.mean((1, 2, 3)), 1e-5)
    assert_near(at.scores, large[:, 0, 5, 5], 1e-5)


@pytest.mark.parametrize("method", ["grad_cam_pp_softmax", "grad_cam_pp_sigmoid", "shapley_cam"])
def test_methods_of_probabilities_are_refused(method):
    with pytest.raises(MethodError, match="quantit"):
        sightline.explain(regressor(), PICTURES, method=method, outputs="value")


def test_methods_that_show_masked_pictures_measure_the_value():
    e = sightline.explain(regressor(), PICTURES, method=["occlusion", "score_cam"], outputs="value")
    assert e["occlusion"].status[0].word in ("ok", "no positive evidence")
    assert torch.equal(e["occlusion"].scores, e["score_cam"].scores)


def test_another_word_is_told():
    with pytest.raises(ModelError, match="'sigmoid', 'probability' or 'value', not 'number'"):
        outputs_word("number")
    card = Card("age", None, Preprocess(), ("age",), "me", outputs="value")
    assert Card.from_dict(card.as_dict()) == card
