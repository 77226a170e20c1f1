"""Failure modes: the overlap of two maps, what is seen through them, and the whole program in
small.
"""

import doctest

import failures
import pytest
import small_nets
import torch
from failures import iou, main, mean, samples, through
from PIL import Image
from torch import nn

import sightline
from helpers.data import shared
from sightline import Protocol
from sightline.evaluation.masking import masked


@pytest.mark.parametrize("program", [failures, small_nets], ids=["failures", "small_nets"])
def test_the_examples_in_the_programs_run(program):
    found = doctest.testmod(program, extraglobs={"torch": torch})
    assert found.attempted > 0
    assert found.failed == 0


def test_overlap_by_hand():
    a = torch.arange(10.0).view(1, 2, 5)
    assert iou(a, a).item() == 1
    assert iou(a, -a + 10).item() == 0
    assert iou(a, a.roll(1, 2), 0.4).item() == pytest.approx(3 / 5)  # the fifth wraps round
    assert iou(a, torch.zeros(1, 2, 5)).isnan().all()


def test_unrelated_maps_overlap_by_what_the_page_says():
    torch.manual_seed(0)
    found = iou(torch.rand(200, 30, 30), torch.rand(200, 30, 30))
    assert found.mean().item() == pytest.approx(0.2 / 1.8, abs=0.005)


def test_the_mean_leaves_out_what_says_nothing():
    found = mean(torch.tensor([1.0, float("nan"), 3.0]))
    assert (found.estimate, found.n) == (2.0, 2)


def test_confidences_through_each_map():
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
    ).eval()
    classes = torch.tensor([[0, 1], [2, 0]])
    found = sightline.explain(net, torch.rand(2, 3, 8, 8), target=classes)
    kept = through(net, found, classes)
    assert kept.shape == (2, 2, 2)
    with torch.no_grad():
        seen = net(masked(found.inputs, found.maps[:, 1], Protocol(), found.statistics)).softmax(1)
    torch.testing.assert_close(kept[1, 0, 1], seen[1, 2])
    torch.testing.assert_close(kept[0, 1, 1], seen[0, 1])


def test_samples_are_evenly_spaced():
    data = shared("imagenet-samples").parent
    files, labels = samples(data, 10)
    assert len(files) == len(labels) == 10
    assert all(file.is_file() for file in files)
    every, all_labels = samples(data, None)
    assert len(every) == 200
    assert files == every[::20]
    assert torch.equal(labels, all_labels[::20])


@pytest.mark.slow
def test_the_program_in_small(tmp_path):
    shared("imagenet-weights", "squeezenet1_1.safetensors")
    shared("imagenet-samples", "labels.csv")
    asked = [
        "--limit",
        "12",
        "--network",
        "SqueezeNet 1.1",
        "--out",
        str(tmp_path),
        "--page",
        str(tmp_path / "p.md"),
    ]
    text = main(asked).read_text(encoding="utf-8")
    assert "| true class in the top 5, % |" in text
    assert "SqueezeNet 1.1 (" in text
    with Image.open(tmp_path / "p.jpg") as picture:
        assert picture.width > 400
    html = (tmp_path / "failures" / "failures.html").read_text(encoding="utf-8")
    assert "Predicted: " in html
    assert "http://" not in html.partition("</style>")[2]
