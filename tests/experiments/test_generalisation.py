"""Average Drop against test error: the correlations, the wrong labels, the training, and the whole
program in small.
"""

import math

import generalisation
import numpy as np
import pytest
import small_nets
import torch
from generalisation import (
    Point,
    Recipe,
    correlations,
    kendall,
    main,
    noisy,
    partial,
    rank_correlation,
)
from networks import CIFAR

from helpers.data import shared
from sightline.evaluation.report import Interval


def point(error: float, drop: float, confidence: float = 0.5, blind: float = 0.5) -> Point:
    return Point(
        "net",
        error,
        Interval(drop, drop, drop, 1),
        Interval(blind, blind, blind, 1),
        confidence,
        0.1,
    )


def test_rank_correlations_by_hand():
    assert rank_correlation([1.0, 2.0, 9.0], [0.1, 0.5, 0.6]) == pytest.approx(1)
    assert rank_correlation([1.0, 2.0, 9.0], [3.0, 1.0, 2.0]) == pytest.approx(-0.5)
    assert kendall([1.0, 2.0, 9.0], [3.0, 1.0, 2.0]) == pytest.approx(-1 / 3)


def test_the_partial_correlation_is_its_textbook_formula():
    rng = np.random.default_rng(0)
    z = rng.normal(size=30)
    a, b = z + rng.normal(size=30), z + rng.normal(size=30)
    ab, az, bz = rank_correlation(a, b), rank_correlation(a, z), rank_correlation(b, z)
    assert partial(a, b, z) == pytest.approx(
        (ab - az * bz) / math.sqrt((1 - az**2) * (1 - bz**2)), abs=1e-9
    )


def test_what_only_confidence_explains_is_gone_at_equal_confidence():
    rng = np.random.default_rng(1)
    sure = rng.uniform(size=300)
    points = [point(1 - s + 0.1 * rng.normal(), 1 - s + 0.1 * rng.normal(), s) for s in sure]
    found = correlations(points, 200)
    assert found["Spearman: Average Drop, test error"].low > 0.8
    assert (
        abs(found["Spearman: Average Drop, test error, at equal mean confidence"].estimate) < 0.15
    )


def test_correlations_of_points_in_order():
    found = correlations([point(k / 10, k / 20, 1 - k / 10) for k in range(1, 9)], 20)
    assert found["Spearman: Average Drop, test error"].estimate == pytest.approx(1)
    assert found["Kendall: Average Drop, test error"].estimate == pytest.approx(1)
    assert found["Spearman: test error, mean confidence"].estimate == pytest.approx(-1)
    assert found["Spearman: Average Drop, test error"].n == 8


def test_wrong_labels_are_wrong_and_as_many_as_asked():
    labels = torch.arange(10).repeat(1000)
    made = noisy(labels, 0.4, 10)
    wrong = made != labels
    assert wrong.float().mean().item() == pytest.approx(0.4, abs=0.02)
    assert torch.equal(noisy(labels, 0.0, 10), labels)
    assert set(made.tolist()) == set(range(10))
    shifts = ((made - labels) % 10)[wrong].bincount(minlength=10)
    assert shifts[0] == 0
    assert shifts[1:].min() > 0.8 * shifts[1:].max()


def test_recipes_have_names_of_their_own():
    assert Recipe(8, 4, 100, 0.5, 0.2).name == "d8_w4_n100_e0.5_noise20"
    assert (
        len({recipe.name for recipe in generalisation.RECIPES}) == len(generalisation.RECIPES) >= 12
    )


def test_a_small_net_learns_and_is_found_again(tmp_path):
    labels = torch.arange(128) % 2
    pictures = (labels.view(-1, 1, 1, 1) * 200).to(torch.uint8).expand(-1, 3, 8, 8).contiguous()
    net, calls = small_nets.small_net(8, 4, ("dark", "bright"), 0), []

    def make() -> dict[str, float]:
        calls.append(1)
        small_nets.train(net, pictures, labels, 6, batch=32)
        return {"error": small_nets.error_rate(net, pictures, labels)}

    note = small_nets.kept(tmp_path / "net.safetensors", net, make)
    assert note["error"] == 0
    again = small_nets.small_net(8, 4, ("dark", "bright"), 1)
    assert small_nets.kept(tmp_path / "net.safetensors", again, make) == note
    assert len(calls) == 1
    assert all(
        torch.equal(a, b)
        for a, b in zip(net.state_dict().values(), again.state_dict().values(), strict=True)
    )
    assert not again.training


def test_the_training_is_told_of_epochs():
    told: list[float] = []
    pictures, labels = (
        torch.zeros(10, 3, 8, 8, dtype=torch.uint8),
        torch.zeros(10, dtype=torch.long),
    )
    small_nets.train(
        small_nets.small_net(8, 4, CIFAR, 0), pictures, labels, 1.5, batch=5, seen=told.append
    )
    assert told == [0.5, 1.0, 1.5]


def test_a_figure_and_a_table_are_written():
    assert small_nets.said(Interval(0.5, 0.25, 0.75, 9), 0, 100) == "50 [25, 75]"
    assert small_nets.said(Interval(float("nan"), 0.0, 1.0, 0)) == "-"
    assert small_nets.table(("a", "b"), [("1", "2")]) == ["| a | b |", "| --- | --- |", "| 1 | 2 |"]


def test_cifar_pictures_are_evenly_spaced():
    file = shared("cifar10", "test.npz")
    some, labels = small_nets.cifar_pictures(file, 50)
    assert some.shape == (50, 3, 32, 32)
    assert some.dtype == torch.uint8
    every, _ = small_nets.cifar_pictures(file)
    assert torch.equal(every[::100], some)
    assert len(labels) == 50


@pytest.mark.slow
def test_the_program_in_small(tmp_path):
    shared("cifar10", "train.npz")
    page = main(["--limit", "20", "--out", str(tmp_path), "--page", str(tmp_path / "page.md")])
    text = page.read_text(encoding="utf-8")
    assert text.count("| d8_w4_n256_e") == 4
    assert text.count(" epochs |") == 4
    assert "| ResNet-20 |" in text
    assert "| Spearman: Average Drop, test error |" in text
    before = text.partition("## What holds")[0]
    again = main(["--limit", "20", "--out", str(tmp_path), "--page", str(tmp_path / "page.md")])
    assert again.read_text(encoding="utf-8").partition("## What holds")[0] == before
