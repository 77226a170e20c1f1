"""What a result says about itself: the status of each map, and how it was made."""

import json

import pytest
import torch
from torch import nn

import sightline
from helpers.nets import batch, convnet
from sightline import METHODS, explain
from sightline.errors import ModelError
from sightline.supply import requests
from sightline.surgery import capture

LOOKING = [
    name for name in METHODS if not {"look", "look_back"}.isdisjoint(requests(METHODS[name]))
]
"""Their weights are never negative, and come from the picture: what the score makes of the layer
they do not know.
"""
AGNOSTIC = ["eigen_cam", "kpca_cam"]
"""They ask for activations only, and know neither of the score nor of what speaks against a class.
"""
SIGNLESS = [*AGNOSTIC, "eigen_grad_cam"]
"""The sign of a singular vector is settled and not found: what speaks against a class is as bright
as what is for.
"""
GRADIENT_METHODS = [name for name in METHODS if name not in ("cam", *LOOKING, *AGNOSTIC)]


def words(e):
    return [[one.word for one in row] if isinstance(row, list) else row.word for row in e.status]


def signed(axes=2):
    """A network with signed activations and large gradients: Grad-CAM++ leaves its formula."""
    torch.manual_seed(0)
    net = convnet(axes)
    with torch.no_grad():
        net[8].weight.mul_(300)
    return nn.Sequential(*net[:5], nn.Tanh(), *net[6:]).eval()


@pytest.mark.parametrize("alpha", ["paper", "authors"])
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_clamped_places_are_those_counted_by_hand(axes, alpha):
    """Where 2 + g sum(A) < 1 with g > 0, image by image and class by class."""
    net, x = signed(axes), batch(axes)
    e = explain(net, x, [1, 3], alpha=alpha)
    trace = capture(net, x, "5")
    for j, k in enumerate([1, 3]):
        (gradients,) = trace.gradients(trace.outputs[:, k])
        total = trace.activations.flatten(2).sum(2)
        clamped = (
            (2 + gradients.relu() * total.reshape(*total.shape, *[1] * axes) < 1).flatten(1).sum(1)
        )
        assert clamped.sum() > 0, "the network does not do what this test needs"
        assert [row[j].counts for row in e.status] == [{"clamped": int(n)} for n in clamped]
    assert (
        str(e.status[0][0])
        == f"{e.status[0][0].word} (clamped at {e.status[0][0].counts['clamped']} places)"
    )


def test_behind_a_relu_nothing_is_clamped_and_other_methods_count_nothing():
    net, x = convnet(), batch()
    assert [one.counts for one in explain(net, x, 1).status] == [{"clamped": 0}] * 3
    assert [one.counts for one in explain(net, x, 1, "grad_cam").status] == [{}] * 3


def test_guarded_places_of_the_softmax_forms_are_those_counted_by_hand():
    net, x = signed(), batch()
    told = []
    e = explain(net, x, 1, score="softmax")
    trace = capture(net, x, "5")
    class_gradients = trace.gradients(trace.outputs.T)[0]
    METHODS["grad_cam_pp_softmax"](
        trace.activations,
        class_gradients,
        trace.outputs.detach().softmax(1),
        torch.tensor([1, 1, 1]),
        tally=lambda word, places: told.append((word, places.flatten(1).sum(1).tolist())),
    )
    ((word, counts),) = told
    assert sum(counts) > 0
    assert [one.counts for one in e.status] == [{word: n} for n in counts]


@pytest.mark.parametrize(
    "method", [*[name for name in METHODS if name not in LOOKING + SIGNLESS], "guided_grad_cam"]
)
def test_no_positive_evidence(method):
    """Every weight of class 2 is negative, every activation positive."""
    net, x = convnet(), batch()
    with torch.no_grad():
        net[8].weight[2] = -net[8].weight[2].abs()
    e = explain(net, x, [2, 1], method)
    assert words(e) == [["no positive evidence", "ok"]] * 3
    assert not e.maps[:, 0].any()
    assert e.maps[:, 1].amax() == 1
    if method in ("grad_cam", "hires_cam"):
        against = explain(net, x, 2, method, counterfactual=True)
        assert words(against) == ["ok"] * 3


def coarse_numbers(x):
    """Sixteenths: products and sums of a few hundred of them are exact, on every processor."""
    return (16 * x).round() / 16


class Sidetrack(nn.Module):
    """`side` runs, but nothing comes of it; `conv` counts. No score is rounded: the method that
    takes differences of scores finds none at `side`.
    """

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.side, self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3), nn.Linear(4, 3)
        for parameter in self.parameters():
            parameter.data = coarse_numbers(parameter.data)

    def forward(self, x):
        self.side(x)
        return self.fc(self.conv(x).relu().sum((2, 3)) / 128)


@pytest.mark.parametrize("method", GRADIENT_METHODS)
@pytest.mark.parametrize("layers", [["side", "conv"], ["conv", "side"]])
def test_no_gradient_is_said_of_the_layer_that_has_none_only(method, layers):
    found = explain(Sidetrack().eval(), coarse_numbers(batch()), [0, 1, 2], method, layers)
    assert words(found["side"]) == [["no gradient"] * 3] * 3
    assert not found["side"].maps.any()
    assert "no gradient" not in {word for row in words(found["conv"]) for word in row}
    assert found["conv"].maps.any()


def test_a_score_cut_from_the_graph_is_no_gradient():
    for target in (lambda out: out[:, 1].detach(), lambda out: out.argmax(1).float()):
        e = explain(convnet(), batch(), target)
        assert words(e) == ["no gradient"] * 3
        assert "keep the score attached" in e.status[0].message


class Spoils(nn.Module):
    """Passes on what it gets, but for loud images."""

    def __init__(self, into):
        super().__init__()
        self.into = into

    def forward(self, x):
        return torch.where(x.flatten(1).abs().amax(1).reshape(-1, 1, 1, 1) > 100, self.into, x)


@pytest.mark.parametrize("into", [float("inf"), float("nan")])
@pytest.mark.parametrize("loud", [0, 1, 2])
@pytest.mark.parametrize(
    "method", ["grad_cam", "grad_cam_pp", "grad_cam_pp_softmax", "gradient", "guided_grad_cam_pp"]
)
def test_one_image_that_is_no_number_is_named_with_its_layer_and_spares_the_others(
    method, loud, into
):
    net, x = convnet(head="fc"), batch()
    spoiling = nn.Sequential(*net[:3], Spoils(into), *net[3:]).eval()
    x[loud] *= 10_000
    e = explain(spoiling, x, [1, 2], method)
    assert words(e)[loud] == ["non-finite"] * 2
    assert all(one.message.endswith("The first to do so is '3'.") for one in e.status[loud])
    assert not e.maps[loud].any()
    others = [i for i in range(3) if i != loud]
    want = explain(net, x[others], [1, 2], method)
    torch.testing.assert_close(e.maps[others], want.maps)
    assert [words(e)[i] for i in others] == words(want)
    assert "non-finite" not in {word for row in words(want) for word in row}


def test_an_input_that_is_no_number_is_named():
    x = batch()
    x[1, 0, 3, 3] = float("nan")
    e = explain(convnet(), x)
    assert words(e) == ["ok", "non-finite", "ok"]
    assert "'the input itself'" in e.status[1].message


@pytest.mark.parametrize("head", ["pool", "fc"])
@pytest.mark.parametrize("layer", [None, "5"])
def test_broken_weights_are_an_error_that_names_the_parameter(head, layer):
    for index, part in ((0, "weight"), (4, "bias"), (4, "running_var"), (-1, "weight")):
        net = convnet(head=head)
        with torch.no_grad():
            getattr(net[index], part).view(-1)[0] = float("nan")
        name = f"{index % len(net)}.{part}"
        with pytest.raises(
            ModelError, match=rf"'{name}' of Sequential holds NaN or infinity.*earlier checkpoint"
        ):
            explain(net, batch(), 0, layer=layer)


def test_gradients_of_pixels_that_are_all_negative_are_evidence_too():
    """A map of pixels shows magnitudes, and is zero only where they are."""
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    ).eval()
    with torch.no_grad():
        net[0].weight.abs_(), net[3].weight.abs_().neg_()
    e = explain(net, batch(), 0, "gradient")
    assert float(e.pixels.max()) <= 0
    assert words(e) == ["ok"] * 3
    assert torch.equal(e.maps.amax((1, 2)), torch.ones(3))


def test_provenance_is_plain_json_and_says_how_the_map_was_made():
    net, x = convnet(), batch()
    e = explain(net, x, [1, 0], "grad_cam_pp", "5", alpha="authors", counterfactual=True)
    made = json.loads(json.dumps(e.provenance))
    assert made == e.provenance
    assert made["sightline"] == sightline.__version__
    assert made["torch"] == torch.__version__
    assert made["model"]["class"] == "Sequential"
    assert made["input"] == {"shape": [3, 3, 12, 10], "dtype": "torch.float32", "device": "cpu"}
    assert made["preprocess"]["mean"] == [0.485, 0.456, 0.406]
    assert made["layer"] == {
        "name": "5",
        "reason": "named by the caller",
        "calls": 1,
        "call": 0,
        "grid": {"kind": "channels first", "size": [12, 10], "prefix": 0},
        "place": {
            "outcome": "confirmed",
            "way": "structure",
            "seen": "every place within 0 places of its own",
            "share": 1.0,
        },
    }
    assert (made["method"], made["variant"]) == (
        "grad_cam_pp",
        {"alpha": "authors", "counterfactual": True},
    )
    assert made["notes"] == []
    assert (
        explain(net, x, 1)
        .provenance["layer"]["reason"]
        .startswith("the last feature map (8 channels")
    )


def test_json_holds_every_map_with_its_target_score_and_status():
    net, x = convnet(), batch()
    e = explain(net, x, [1, 0], classes=["tabby", "crane", "cup", "car", "key"])
    rows = json.loads(e.as_json())["maps"]
    assert [(row["image"], row["target"], row["name"]) for row in rows] == [
        (f"image {i}", k, name) for i in range(3) for k, name in ((1, "crane"), (0, "tabby"))
    ]
    for i in range(3):
        for j in range(2):
            row = rows[2 * i + j]
            assert row["score"] == pytest.approx(float(e.scores[i, j]))
            assert row["probability"] == pytest.approx(float(e.probabilities[i, j]))
            assert (row["status"], row["counts"]) == (e.status[i][j].word, {"clamped": 0})


def test_json_has_null_where_a_number_is_none():
    """NaN and Infinity are no JSON, though python's own parser takes them."""
    x = batch()
    x[1] = float("nan")

    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    rows = json.loads(explain(convnet(), x, 1).as_json(), parse_constant=refuse)["maps"]
    assert [row["score"] is None for row in rows] == [False, True, False]
    rows = json.loads(
        explain(convnet(), x, lambda out: out[:, 0]).as_json(), parse_constant=refuse
    )["maps"]
    assert [row["probability"] for row in rows] == [None] * 3


def test_notes_tell_outputs_that_are_probabilities():
    net = convnet()
    told = explain(nn.Sequential(*net, nn.Softmax(1)).eval(), batch(), 1).provenance["notes"]
    assert told == [
        "the model's outputs are probabilities already (they come from a softmax), and taken as"
        " they are",
        "explained are the scores before its softmax",
    ]
    assert explain(net, batch(), 1).provenance["notes"] == []


def test_notes_tell_a_layer_that_ran_twice():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.conv, self.act, self.fc = nn.Conv2d(3, 3, 3), nn.ReLU(), nn.Linear(3, 4)

        def forward(self, x):
            for _ in range(2):
                x = self.act(self.conv(x))
            return self.fc(x.mean((2, 3)))

    net = Twice().eval()
    for call, run in ((-1, 1), (0, 0), (1, 1)):
        made = explain(net, batch(), 1, layer="act", call=call).provenance
        assert made["notes"] == [f"layer 'act' ran 2 times; run {run} (from 0) is explained"]
        assert (made["layer"]["calls"], made["layer"]["call"]) == (2, run)
        assert made["layer"]["grid"]["size"] == ([8, 6] if run else [10, 8])


def test_notes_tell_how_many_activations_a_rule_governed():
    made = explain(convnet(head="fc"), batch(), 1, "guided_backprop").provenance
    assert made["notes"] == ["backward rule applied to 3 ReLU"]
    assert made["layer"]["name"] == "input"
    assert made["layer"]["grid"] is None
