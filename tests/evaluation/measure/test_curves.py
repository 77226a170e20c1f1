"""Confidence along an order of pixels, each point beside what it is by hand."""

import pytest
import torch

from helpers.closeness import assert_near
from helpers.measured_batch import BLACK, measured, say
from sightline.evaluation.measure import (
    LabelledBatch,
)
from sightline.maps import blur


def test_curves_take_pixels_away_and_put_them_in(material):
    model, explained, m, classes = material
    x = explained.labelled.inputs
    ends = {"deletion_curve": (x, BLACK.expand_as(x)), "insertion_curve": (blur(x, 3, 1.0), x)}
    for word, (start, end) in ends.items():
        for name in ("grad_cam_pp", "edge"):
            curve = m.of(name)[word]
            assert curve.shape == (3, 6)
            for i in range(3):
                order = explained.maps[name][i].flatten().argsort(descending=True, stable=True)
                for k in range(6):
                    picture = start[i].clone().flatten(1)
                    some = order[: round(k * 120 / 5)]
                    picture[:, some] = end[i].flatten(1)[:, some]
                    assert_near(
                        curve[i, k : k + 1],
                        say(model, picture.view(1, 3, 12, 10), classes[i : i + 1]),
                        1e-5,
                    )


def test_occlusion_by_the_map_s_own_quantiles(material):
    model, explained, m, classes = material
    for name in ("grad_cam", "fake_cam"):
        curve, hidden = m.of(name)["occluded_curve"], m.of(name)["occluded_fraction"]
        assert curve.shape == hidden.shape == (3, 5)
        for i in range(3):
            values = explained.maps[name][i].double()
            for k in range(4):
                kept = values >= torch.quantile(values, k / 3, interpolation="higher")
                picture = torch.where(kept, explained.labelled.inputs[i], BLACK)
                assert_near(curve[i, k : k + 1], say(model, picture, classes[i : i + 1]), 1e-5)
                assert float(hidden[i, k]) == pytest.approx(
                    1 - kept.double().mean().item(), abs=1e-12
                )
            assert_near(
                curve[i, 4:], say(model, BLACK.expand(1, 3, 12, 10), classes[i : i + 1]), 1e-5
            )
            assert hidden[i, 4] == 1


def test_road_keeps_what_is_not_removed_and_does_not_depend_on_the_batch(material):
    model, explained, m, _ = material
    both = m.of("grad_cam")
    alone_explained, alone = measured(
        model=model,
        batch=LabelledBatch(explained.labelled.inputs[1:2], [8], [None], [{}], [{}], [True]),
    )
    for word in ("road_morf", "road_lerf"):
        assert both[word].shape == (3, 2)
        assert_near(alone.of("grad_cam")[word], both[word][1:2], 1e-4)
    assert not torch.allclose(both["road_morf"], both["road_lerf"])
    assert len(alone_explained.labelled) == 1
