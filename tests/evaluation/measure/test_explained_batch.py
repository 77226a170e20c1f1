"""One batch, explained once: its classes, its confidences, its batches."""

import pytest
import torch

import sightline
from helpers.closeness import assert_near
from helpers.measured_batch import labelled, measured, net
from sightline.errors import MethodError
from sightline.evaluation.measure import (
    ExplainedBatch,
    LabelledBatch,
    Measurements,
)
from sightline.protocol import Protocol


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
