"""What holds for every faithfulness and sanity metric: a batch is its images one by one, in any
precision.
"""

from inspect import signature

import pytest
import torch

from sightline.metrics.adcc import adcc
from sightline.metrics.average_drop import average_drop
from sightline.metrics.average_gain import average_gain
from sightline.metrics.class_sensitivity import class_sensitivity
from sightline.metrics.coherency import coherency
from sightline.metrics.complexity import complexity
from sightline.metrics.deletion import deletion
from sightline.metrics.increase_in_confidence import increase_in_confidence
from sightline.metrics.insertion import insertion
from sightline.metrics.metric import about
from sightline.metrics.occlusion_correlation import occlusion_correlation
from sightline.metrics.randomisation import randomisation
from sightline.metrics.road import road
from sightline.metrics.road_lerf_area import road_lerf_area
from sightline.metrics.road_morf_area import road_morf_area
from sightline.metrics.roc_area import roc_area
from sightline.metrics.sensitivity import sensitivity

METRICS = [
    adcc, average_drop, average_gain, class_sensitivity, coherency, complexity, deletion,
    increase_in_confidence, insertion, occlusion_correlation, randomisation, road,
    road_lerf_area, road_morf_area, roc_area, sensitivity,
]  # fmt: skip
IMAGES = 5
each = pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.__name__)


def asked(metric, dtype=torch.float64):
    """Measurements for a metric, among them no confidence, an empty map and ties."""
    torch.manual_seed(0)
    made = {
        "full_score": torch.rand(IMAGES), "masked_score": torch.rand(IMAGES),
        "image_map": torch.rand(IMAGES, 6, 5).round(decimals=1),
        "masked_map": torch.rand(IMAGES, 6, 5),
        "other_map": torch.rand(IMAGES, 6, 5), "occlusion_map": torch.randn(IMAGES, 6, 5),
        "noisy_maps": torch.rand(IMAGES, 4, 6, 5), "randomised_maps": torch.rand(IMAGES, 3, 6, 5),
        "deletion_curve": torch.rand(IMAGES, 8), "insertion_curve": torch.rand(IMAGES, 8),
        "road_morf": torch.rand(IMAGES, 9), "road_lerf": torch.rand(IMAGES, 9),
        "occluded_curve": torch.rand(IMAGES, 21),
        "occluded_fraction": torch.rand(IMAGES, 21).sort(1).values,
    }  # fmt: skip
    made["full_score"][1], made["masked_score"][2] = 0, made["full_score"][2]
    made["image_map"][3] = 0
    words = [name for name, p in signature(metric).parameters.items() if p.default is p.empty]
    return {word: made[word].to(dtype) for word in words}


@each
def test_a_batch_is_its_images_one_by_one(metric):
    given = asked(metric)
    alone = [
        metric(**{word: value[k : k + 1] for word, value in given.items()}) for k in range(IMAGES)
    ]
    torch.testing.assert_close(
        metric(**given), torch.cat(alone), rtol=1e-12, atol=1e-15, equal_nan=True
    )


@each
def test_no_images_are_no_values(metric):
    assert len(metric(**{word: value[:0] for word, value in asked(metric).items()})) == 0


@each
def test_single_precision_changes_only_the_last_digits(metric):
    got, want = metric(**asked(metric, torch.float32)).double(), metric(**asked(metric))
    torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-6, equal_nan=True)


@each
def test_what_was_measured_is_not_changed(metric):
    given = asked(metric)
    before = {word: value.clone() for word, value in given.items()}
    metric(**given)
    assert all(torch.equal(given[word], before[word]) for word in given)


@each
def test_its_figures_are_numbers_whatever_is_missing(metric):
    values = metric(**asked(metric)).double().numpy()
    for figure in about(metric).figures.values():
        assert figure(values) == figure(values), "nan although there are rows that say something"
        assert isinstance(figure(values), float)
        nothing = figure(values[:0])
        assert nothing != nothing, "a figure of no rows at all"


@each
def test_its_place_in_the_tables(metric):
    said = about(metric)
    assert (said.name, said.function) == (metric.__name__, metric)
    assert said.group in ("faithfulness", "sanity")
    assert isinstance(said.higher_is_better, bool)
    assert "arXiv" in said.paper
    assert (said.unit == "%") == (said.scale == 100)
