"""Runs over quantities, and over segmentation networks: measured rightly, or refused in words."""

import pytest
import torch
from torch import nn

import sightline
from helpers.closeness import assert_near
from sightline import Protocol
from sightline.errors import ProtocolError, TargetError
from sightline.evaluation.quantities import check_measurable, told
from sightline.evaluation.report.wording import protocol_sentences
from sightline.metrics import METRICS, about

PICTURES = torch.rand(2, 3, 12, 12, generator=torch.Generator().manual_seed(1))
MEASURED = {
    "deletion", "insertion", "road", "road_morf_area", "road_lerf_area", "occlusion_correlation",
    "complexity", "coherency", "sensitivity", "randomisation",
}  # fmt: skip


def regressor(outputs=1):
    torch.manual_seed(0)
    body = (nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return nn.Sequential(*body, nn.Linear(8, outputs)).eval()


def evaluated(net, data, *args, **options):
    return sightline.evaluate(net, data, "grad_cam", *args, progress=False, **options)


def test_the_value_is_what_is_measured():
    net = regressor()
    labels = torch.tensor([31.5, 48.0])  # the ages themselves, and no class's number
    found = evaluated(net, [(PICTURES, labels)], ["deletion", "complexity"], outputs="value")
    values = net(PICTURES)[:, 0].detach()
    assert found.column("error") == [None, None]
    assert_near(torch.tensor(found.column("full_score")), values, 1e-5)
    hidden = net(torch.zeros_like(PICTURES))[:, 0].detach()  # the mean colour
    curve = torch.tensor(found.column("deletion_curve"))
    assert_near(curve[:, 0], values, 1e-5)
    assert_near(curve[:, -1], hidden, 1e-5)
    area = (curve[:, 1:-1].sum(1) + (curve[:, 0] + curve[:, -1]) / 2) / (curve.shape[1] - 1)
    assert_near(torch.tensor(found.column("deletion")), area, 1e-5)
    assert found.column("target_name") == ["value", "value"]
    assert found.column("predicted") == [None, None]
    assert found.run["protocol"]["outputs"] == "value"


def test_the_report_speaks_of_a_value():
    found = evaluated(regressor(), [PICTURES], "deletion", outputs="value")
    assert {curve.up for curve in sightline.summarise(found).curves} == {"value"}
    (first, *_, last) = protocol_sentences(found.run)
    assert "what raises the quantity" in first
    assert last == "Everything random has seed 0."
    said = protocol_sentences({"protocol": Protocol().as_dict()})
    assert said[-1].endswith("that confidence; everything random has seed 0.")


def test_a_card_may_say_it():
    net = regressor()
    card = sightline.Card("age", None, sightline.Preprocess(), ("age",), "me", outputs="value")
    sightline.describe(net, card)
    found = evaluated(net, [PICTURES], "complexity")
    assert found.column("target_name") == ["age", "age"]
    assert found.run["protocol"]["outputs"] == "value"


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_is_measured_or_refused(name):
    metric, protocol = about(METRICS[name]), Protocol(outputs="value")
    check_measurable([metric], Protocol())
    if name in MEASURED:
        check_measurable([metric], protocol)
    else:
        with pytest.raises(ProtocolError, match=f"outputs='value'.*{name} .*Take deletion"):
            check_measurable([metric], protocol)


def test_the_usual_metrics_are_refused_before_the_model_runs():
    net = regressor()
    net.register_forward_pre_hook(lambda *_: pytest.fail("the model ran"))
    with pytest.raises(ProtocolError, match=r"average_drop is a share of the confidence"):
        evaluated(net, [PICTURES], outputs="value")
    with pytest.raises(ProtocolError, match="no class of the data is one of the model's"):
        evaluated(
            net, [PICTURES], "deletion", outputs="value", protocol=Protocol(explained="given")
        )


def test_several_quantities_are_measured_one_by_one():
    with pytest.raises(TargetError, match=r"one quantity to measure.*model\(x\)\[:, 2:3\]"):
        evaluated(regressor(3), [PICTURES], "deletion", outputs="value")


def test_two_words_for_the_outputs_must_agree():
    assert told(Protocol(outputs="value"), None, "softmax").outputs == "value"
    assert told(Protocol(), "value", "softmax") == Protocol(outputs="value")
    assert told(Protocol(), None, "sigmoid") == Protocol()
    with pytest.raises(ProtocolError, match="one word for what the outputs are"):
        told(Protocol(outputs="value"), "softmax", "softmax")
    with pytest.raises(ProtocolError, match="outputs to be one of 'softmax', 'sigmoid', 'pro"):
        Protocol(outputs="probably")


@pytest.mark.parametrize("named", [False, True])
def test_a_segmentation_network_is_refused_before_anything_is_explained(named, tmp_path):
    net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 3, 1)).eval()
    if named:
        names = ("ground", "cat", "dog")
        sightline.describe(net, sightline.Card("s", None, sightline.Preprocess(), names, "me"))
    runs = []
    net.register_forward_hook(lambda *_: runs.append(1))
    with pytest.raises(TargetError, match=r"are a segmentation.*AdaptiveAvgPool2d.*Region\(1\)"):
        evaluated(net, [PICTURES], "average_drop", out=tmp_path / "run")
    assert len(runs) == 1
    whole = nn.Sequential(net, nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    found = evaluated(whole, [PICTURES], "average_drop", out=tmp_path / "run")
    with torch.no_grad():
        rows = whole(PICTURES)
    assert found.column("predicted") == rows.argmax(1).tolist()
    assert_near(torch.tensor(found.column("full_score")), rows.softmax(1).amax(1), 1e-5)
