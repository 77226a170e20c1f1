"""Each measurement beside what it is by hand, whatever the batch."""

import pytest
import torch

from helpers.closeness import assert_near
from helpers.measured_batch import BLACK, CONTROLS, METHODS, measured, say
from sightline import explain
from sightline.evaluation.measure import (
    RECORDED,
    WORDS,
    LabelledBatch,
)


def test_the_whole_image_and_what_is_seen_through_each_map(material):
    model, explained, m, classes = material
    x = explained.labelled.inputs
    for name in (*METHODS, *CONTROLS):
        assert_near(m.of(name)["full_score"], say(model, x, classes), 1e-5)
        seen = x * explained.maps[name].unsqueeze(1) + BLACK * (
            1 - explained.maps[name].unsqueeze(1)
        )
        assert_near(m.of(name)["masked_score"], say(model, seen, classes), 1e-5)
    assert torch.equal(classes, model(x).argmax(1))
    assert_near(m.of("grad_cam")["image_map"], explain(model, x, method="grad_cam").maps, 1e-5)


def test_other_classes_of_the_same_image_come_with_the_same_pass(material):
    model, explained, m, _ = material
    x, order = (
        explained.labelled.inputs,
        model(explained.labelled.inputs).argsort(1, descending=True),
    )
    for name in ("grad_cam", "gradient"):
        for word, classes in (
            ("other_map", order[:, -1]),
            ("given_map", torch.tensor([2, int(order[1, 0]), 5])),
        ):
            assert_near(m.of(name)[word], explain(model, x, classes, name).maps, 1e-5)
        for k in range(5):
            one = explain(model, x, order[:, k], name)
            assert_near(m.of(name)["top_maps"][:, k], one.maps, 1e-5)
            assert_near(m.of(name)["top_peaks"][:, k], one.coarse.flatten(1).amax(1), 1e-5)
    assert torch.equal(m.of("edge")["top_maps"][:, 3], explained.maps["edge"])
    assert m.of("edge")["top_peaks"].min() == torch.inf


def test_the_rank_of_the_given_class(material):
    model, explained, m, _ = material
    order = model(explained.labelled.inputs).argsort(1, descending=True)[:, :5].tolist()
    want = [
        row.index(label) if label in row else 5 for row, label in zip(order, [2, 0, 5], strict=True)
    ]
    want[1] = -1  # unknown
    assert m.of("grad_cam")["rank"].tolist() == want


@pytest.mark.parametrize(
    "word", [w for w in WORDS if w not in ("boxes", "given_boxes", "top_boxes", "mask")]
)
def test_an_image_s_numbers_do_not_depend_on_its_batch(word, material):
    model, explained, m, _ = material
    alone = measured(
        model=model,
        batch=LabelledBatch(explained.labelled.inputs[2:], [9], [5], [{}], [{}], [True]),
    )[1]
    for name in ("grad_cam_pp", "edge"):
        got, want = alone.of(name)[word], m.of(name)[word][2:]
        assert torch.allclose(got.double(), want.double(), atol=2e-4, rtol=1e-3), word


def test_only_what_was_made_is_recorded(material):
    _, m = measured()
    assert m.recorded("grad_cam") == {}
    m.of("grad_cam")["masked_score"]
    assert list(m.recorded("edge")) == ["masked_score"]
    assert set(RECORDED) < set(WORDS)
