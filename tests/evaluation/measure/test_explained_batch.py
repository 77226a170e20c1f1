"""One batch, explained once: its classes, its confidences, its batches."""

import pytest
import torch
from torch import nn

import sightline
from helpers.closeness import assert_near
from helpers.measured_batch import STATISTICS, labelled, measured, net
from helpers.nets import convnet
from sightline import Card, describe
from sightline.errors import MethodError
from sightline.evaluation.measure import (
    ExplainedBatch,
    LabelledBatch,
    Measurements,
)
from sightline.protocol import Protocol
from sightline.surgery.harness.randomise import cascade


def test_small_batches_are_shown_together(monkeypatch):
    sizes = []
    _, m = measured(batch_size=8)
    at_once = ExplainedBatch._confidences_at_once
    monkeypatch.setattr(
        ExplainedBatch,
        "_confidences_at_once",
        lambda self, run, p: sizes.append(len(p) * 3) or at_once(self, run, p),
    )
    m.of("grad_cam")["masked_score"]  # 5 maps of 3 images
    assert sizes == [9, 6]


def test_given_classes_need_no_second_map():
    batch = LabelledBatch(labelled().inputs, [0, 1, 2], [1, 2, 3], [{}] * 3)
    explained = ExplainedBatch(
        net(), batch, ["grad_cam"], Protocol(explained="given"), columns=["given"]
    )
    assert explained.classes.tolist() == [1, 2, 3]
    assert explained.explanations["grad_cam"].maps.shape == (3, 12, 10)
    m = Measurements(explained)
    assert torch.equal(m.of("grad_cam")["given_map"], explained.maps["grad_cam"])


def test_a_logit_protocol_measures_logits():
    model = net()
    explained, m = measured(Protocol(score="logit"), model=model)
    rows = model(explained.labelled.inputs)
    assert_near(m.of("grad_cam")["full_score"], rows.max(1).values.detach(), 1e-5)
    masked = model(explained.seen_through("grad_cam")).gather(1, explained.classes[:, None])[:, 0]
    assert_near(m.of("grad_cam")["masked_score"], masked.detach(), 1e-5)


def test_controls_alone_say_nothing():
    with pytest.raises(MethodError, match="at least one method beside the controls"):
        ExplainedBatch(net(), labelled(), [], Protocol(), controls=["edge"])


def test_the_least_likely_class_can_be_asked_for():
    model = net()
    e = sightline.explain(model, labelled().inputs, "least")
    assert torch.equal(
        torch.tensor([t.index for t in e.targets]), model(labelled().inputs).argmin(1)
    )


class Turned(nn.Module):
    """Shows its network the picture mirrored; or as it is and then mirrored."""

    def __init__(self, *views):
        super().__init__()
        self.net, self.views = convnet(classes=7), views

    def forward(self, x):
        return sum(self.net(view(x)) for view in self.views)


@pytest.mark.parametrize("views", [(lambda x: x.flip(3),), (lambda x: x, lambda x: x.flip(3))])
def test_maps_that_are_made_again_are_opened_as_the_first_were(views):
    """At the run, and by the turn, that lie right: of the model and of a shuffled copy."""
    torch.manual_seed(0)
    model = Turned(*views).eval()
    describe(model, Card("test", None, STATISTICS, None, "a test"))
    batch, _ = measured(model=model)
    first = batch.explanations["grad_cam"]
    said = first.provenance["layer"]
    assert (said["call"], said["grid"].get("turn")) == (
        (0, "mirrored along the width") if len(views) == 1 else (0, None)
    )
    again = batch.explained(model, batch.pictures, ["grad_cam"])["grad_cam"]
    torch.testing.assert_close(again.coarse, batch.coarse_of("grad_cam"))
    copy = next(iter(cascade(model, 5, 0)))
    shuffled = batch.explained(copy, batch.pictures, ["grad_cam"])["grad_cam"]
    other = shuffled.provenance["layer"]
    assert (other["call"], other["grid"]) == (said["call"], said["grid"])
