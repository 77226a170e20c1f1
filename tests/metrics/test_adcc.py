"""ADCC: by hand, empty maps, the published identity, its slow twin."""

import numpy as np
import pytest
import torch

import reference.adcc as slowly
from sightline.metrics.adcc import adcc, mean_of_images, of_means
from sightline.metrics.metric import about

RAMP = torch.tensor([[0.0, 0.5, 1.0]])


def test_adcc_by_hand():
    """Drop 1/2, coherency 1, complexity 1/2: 3 / (1 + 2 + 2)."""
    row = adcc(torch.tensor([0.8]), torch.tensor([0.4]), RAMP, RAMP / 2)
    assert row.tolist() == [pytest.approx([0.5, 1, 0.5])]
    assert of_means(row.numpy()) == mean_of_images(row.numpy()) == pytest.approx(3 / 5)


@pytest.mark.parametrize(
    ("drop", "coherent", "complicated", "printed"),
    [(66.42, 69.20, 15.65, 53.52), (32.88, 89.34, 26.33, 75.65), (8.61, 98.12, 42.05, 78.14)],
)
def test_the_papers_tables_are_of_means(drop, coherent, complicated, printed):
    values = np.array([[drop, coherent, complicated]]) / 100
    assert about(adcc).scale * of_means(values) == pytest.approx(printed, abs=0.05)


@pytest.mark.parametrize(
    "row", [[1.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.0, 1.0, 1.0]], ids=["drop", "coherency", "all"]
)
def test_one_term_as_bad_as_can_be_is_zero(row):
    assert of_means(np.array([row])) == mean_of_images(np.array([row])) == 0


def test_an_empty_map_gets_nothing_although_it_is_simple():
    empty = torch.zeros(1, 3)
    row = adcc(torch.tensor([0.8]), torch.tensor([0.1]), empty, empty)
    assert row[0, 1:].tolist() == [0, 0]
    assert of_means(row.numpy()) == 0


def test_fake_cam_gets_nearly_nothing_although_nothing_drops():
    fake = torch.ones(1, 400)
    fake[0, 0] = 0
    row = adcc(torch.tensor([0.8]), torch.tensor([0.8]), fake, fake)
    assert row[0].tolist() == pytest.approx([0, 1, 399 / 400])
    assert of_means(row.numpy()) == pytest.approx(3 / (1 + 400 + 1))


def test_an_image_without_confidence_is_counted_apart_as_a_whole():
    rows = adcc(
        torch.tensor([0.0, 0.8]), torch.tensor([0.0, 0.4]), RAMP.repeat(2, 1), RAMP.repeat(2, 1)
    ).numpy()
    assert np.isnan(rows[0]).tolist() == [True, False, False]
    assert of_means(rows) == of_means(rows[1:])
    assert np.isnan(of_means(rows[:1]))
    assert np.isnan(mean_of_images(rows[:1]))


def test_the_mean_of_images_is_never_the_larger_one():
    rows = np.random.default_rng(0).random((50, 3))
    assert mean_of_images(rows) < of_means(rows)


def test_slow_twin():
    torch.manual_seed(0)
    full, masked = torch.rand(2, 6, dtype=torch.float64)
    here, there = torch.rand(2, 6, 5, 4, dtype=torch.float64)
    full[2], here[3], there[4] = 0, 0, 1
    got, want = adcc(full, masked, here, there), slowly.adcc(full, masked, here, there)
    torch.testing.assert_close(got, want, rtol=1e-6, atol=1e-12, equal_nan=True)
    assert of_means(got.numpy()) == pytest.approx(slowly.of_means(want.tolist()), abs=1e-9)
    assert mean_of_images(got.numpy()) == pytest.approx(
        slowly.mean_of_images(want.tolist()), abs=1e-9
    )
