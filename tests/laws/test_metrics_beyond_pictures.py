"""Every metric on a signal of 12 leads, a volume and a picture of 13 bands: what `evaluate` writes
is what the slow twins make of the same network, places, boxes and masks.
"""

import copy
from functools import cache

import pytest
import torch
from torch import nn

from reference import adcc, road
from reference.average_drop import average_drop
from reference.average_gain import average_gain
from reference.correlation import pearson, spearman
from reference.coverage import coverage
from reference.deletion import deletion
from reference.energy_pointing_game import energy_pointing_game
from reference.increase_in_confidence import increase_in_confidence
from reference.inside_outside_ratio import inside_outside_ratio
from reference.instance_recall import instance_recall
from reference.loc import loc
from reference.localisation_error import localisation_error
from reference.max_box_acc import max_box_acc
from reference.measurements import Asked
from reference.order import rank
from reference.pointing_game import pointing_game
from reference.pointing_game_top5 import pointing_game_top5
from reference.pxap import pxap
from reference.randomisation import randomisation
from reference.roc_area import roc_area
from reference.sensitivity import sensitivity
from sightline import Card, Preprocess, describe, evaluate
from sightline.evaluation.measure import LabelledBatch
from sightline.metrics import METRICS, metric
from sightline.protocol import Protocol
from sightline.surgery.harness.randomise import cascade

PROTOCOL = Protocol(
    explained="given", layer="3", steps=4, blur=(3, 1.0), thetas=4, road_percentages=(30, 70),
    road_noise=0.05, deltas=(0, 0.25, 0.5), tolerance=1.5, patch=3, stride=2, noise=0.1, samples=2,
)  # fmt: skip
CUT = 4
"""Activations of the network are those behind its second ReLU."""
BANDS = Preprocess(
    mean=tuple(0.02 * k for k in range(13)), std=tuple(1 + 0.1 * k for k in range(13))
)
KINDS = {
    "a signal of 12 leads": (12, (22,), None, [[2.0, 9.4], [7, 30]], [[4, 11]]),
    "a volume": (
        1,
        (5, 4, 6),
        None,
        [[1, 0, 1.2, 4, 3, 4]],
        [[-2, 1, 0, 3, 4, 9], [0, 0, 0, 2, 2, 2]],
    ),
    "13 bands": (13, (8, 7), BANDS, [[1, 1, 4.6, 6]], [[0, 2, 5, 9], [3, 0, 7, 3]]),
}
"""Channels, size, what the card says of them, and boxes of two images: the last axis first."""


@metric(title="Map", group="faithfulness", higher_is_better=None)
def the_map(image_map):
    """The map that was measured: ties in its order are as it has them."""
    return image_map.flatten(1)


@metric(title="Shuffled", group="sanity", higher_is_better=None)
def the_shuffled(randomised_maps):
    """The maps of the shuffled network, for the same reason."""
    return randomised_maps.flatten(1)


class Measured:
    """A kind of inputs measured by everything, and the same asked slowly."""

    def __init__(self, kind):
        channels, size, preprocess, *boxes = KINDS[kind]
        torch.manual_seed(len(size) + channels)
        axes = len(size)
        convolution = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[axes - 1]
        pool = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)[axes - 1]
        self.net = nn.Sequential(
            convolution(channels, 6, 3, padding=1), nn.ReLU(),
            convolution(6, 8, 3, 2, 1), nn.ReLU(), pool(1), nn.Flatten(), nn.Linear(8, 4),
        ).double().eval()  # fmt: skip
        with torch.no_grad():
            self.net[-1].weight *= 9  # else every class is as likely as the next
        mean, std = (0.0,), (1.0,)
        if preprocess is not None:
            describe(self.net, Card("bands", None, preprocess, None, "a test"))
            mean, std = preprocess.mean, preprocess.std
        self.images = torch.randn(2, channels, *size, dtype=torch.float64)
        labels = self.net(self.images).argmax(1)
        labels[1] = (labels[1] + 1) % 4
        self.labels, self.boxes = labels.tolist(), [torch.tensor(own).double() for own in boxes]
        self.masks = torch.rand(2, *size) < 0.4
        self.std = torch.tensor(std, dtype=torch.float64).view(-1, *[1] * axes)
        black = -torch.tensor(mean, dtype=torch.float64).view(-1, *[1] * axes) / self.std
        black = black.expand(channels, *[1] * axes)
        self.asked = Asked(self.net, CUT, self.images, self.labels, black)
        self.results = evaluate(
            self.net,
            [{"images": self.images, "labels": labels, "boxes": self.boxes, "masks": self.masks}],
            "grad_cam",
            [*METRICS, the_map, the_shuffled],
            protocol=PROTOCOL,
            progress=False,
        )
        self.maps = self.column("the_map").view(2, *size)
        self.shuffled_maps = self.column("the_shuffled").view(2, -1, *size)

    def column(self, name):
        rows = self.results.column(name)
        return torch.tensor([_numbers(row) for row in rows], dtype=torch.float64)

    @property
    def full(self):
        return self.asked.says(self.images)

    @property
    def masked(self):
        return self.asked.says(self.asked.seen(self.maps))

    def again(self):
        return self.asked.maps(self.asked.seen(self.maps), self.labels)

    def drawn(self, purpose, copies=1):
        """The noise of each image, of deviation 1."""
        generators = LabelledBatch(self.images, [0, 1], self.labels).generators(0, purpose)
        draw = {"dtype": torch.float64}
        return [
            torch.stack(
                [torch.randn(self.images.shape[1:], generator=g, **draw) for g in generators]
            )
            for _ in range(copies)
        ]

    @cache  # noqa: B019 (each kind is kept anyhow)
    def road(self, *, strongest):
        order, percentages = rank(self.maps), PROTOCOL.road_percentages
        noise = [PROTOCOL.road_noise * self.drawn(f"road {p}")[0] for p in percentages]
        return self.asked.imputed(order if strongest else order.flip(1), percentages, noise)

    def shuffled(self):
        stages = cascade(copy.deepcopy(self.net), 5, PROTOCOL.seed)
        made = [self.asked.maps(self.images, self.labels, one) for one in stages]
        return torch.stack(made, dim=1)

    def shaken(self):
        moved = [PROTOCOL.noise * one / self.std for one in self.drawn("noise", PROTOCOL.samples)]
        made = [self.asked.maps(self.images + one, self.labels) for one in moved]
        return torch.stack(made, dim=1)

    def likeliest(self):
        """Of every class, the likeliest first: the maps, the coarse maps' peaks, the boxes."""
        order = self.asked.order()
        coarse = [
            [self.asked.coarse(one[None], k) for k in ranked]
            for one, ranked in zip(self.images, order, strict=True)
        ]
        peaks = torch.tensor([[float(map.max()) for map in row] for row in coarse])
        maps = torch.stack(
            [self.asked.maps(self.images, list(k)) for k in zip(*order, strict=True)], 1
        )
        boxes = [
            [own if k == label else torch.zeros(0, own.shape[1]) for k in ranked]
            for own, label, ranked in zip(self.boxes, self.labels, order, strict=True)
        ]
        return maps, peaks, boxes


def _numbers(row):
    if isinstance(row, list):
        return [_numbers(one) for one in row]
    return float("nan") if row is None else row


@cache
def measured(kind):
    return Measured(kind)


TWINS = {
    "average_drop": lambda m: average_drop(m.full, m.masked),
    "increase_in_confidence": lambda m: increase_in_confidence(m.full, m.masked),
    "average_gain": lambda m: average_gain(m.full, m.masked),
    "deletion": lambda m: deletion(m.asked.deleted(m.maps, PROTOCOL.steps)),
    "insertion": lambda m: deletion(m.asked.inserted(m.maps, PROTOCOL.steps, *PROTOCOL.blur)),
    "roc_area": lambda m: roc_area(
        m.full, *m.asked.occluded(m.maps, PROTOCOL.thetas), PROTOCOL.thetas
    ),
    "road": lambda m: road.road(m.road(strongest=True), m.road(strongest=False)),
    "road_morf_area": lambda m: road.road_morf_area(m.road(strongest=True)),
    "road_lerf_area": lambda m: road.road_lerf_area(m.road(strongest=False)),
    "coherency": lambda m: adcc.coherency(m.maps, m.again()),
    "complexity": lambda m: adcc.complexity(m.maps),
    "adcc": lambda m: adcc.adcc(m.full, m.masked, m.maps, m.again()),
    "loc": lambda m: loc(m.maps, m.boxes, PROTOCOL.deltas),
    "pointing_game": lambda m: pointing_game(m.maps, m.boxes, PROTOCOL.tolerance),
    "energy_pointing_game": lambda m: energy_pointing_game(m.maps, m.boxes),
    "instance_recall": lambda m: instance_recall(m.maps, m.boxes, PROTOCOL.deltas),
    "coverage": lambda m: coverage(m.maps, m.boxes, PROTOCOL.deltas),
    "inside_outside_ratio": lambda m: inside_outside_ratio(m.maps, m.boxes),
    "localisation_error": lambda m: localisation_error(
        m.maps,
        m.boxes,
        torch.tensor([own.index(k) for own, k in zip(m.asked.order(), m.labels, strict=True)]),
        PROTOCOL.box_threshold,
    ),
    "max_box_acc": lambda m: max_box_acc(m.maps, m.boxes),
    "pxap": lambda m: pxap(m.maps, list(m.masks)),
    "pointing_game_top5": lambda m: pointing_game_top5(*m.likeliest(), 0, PROTOCOL.tolerance),
    "occlusion_correlation": lambda m: spearman(
        m.maps, m.asked.occlusion_maps(PROTOCOL.patch, PROTOCOL.stride)
    ),
    "sensitivity": lambda m: sensitivity(m.maps, m.shaken()),
    "randomisation": lambda m: randomisation(m.maps, m.shuffled_maps),
    "class_sensitivity": lambda m: pearson(
        m.maps, m.asked.maps(m.images, [own[-1] for own in m.asked.order()])
    ),
}

kinds = pytest.mark.parametrize("kind", KINDS)


@kinds
@pytest.mark.parametrize("name", METRICS)
def test_each_metric_is_its_slow_twin(name, kind):
    m = measured(kind)
    got, want = m.column(name), TWINS[name](m)
    assert got.isfinite().any()
    # a confidence is kept in float32, whose rounding is divided by one that may be a tenth
    torch.testing.assert_close(got, want.double(), rtol=0, atol=3e-6, equal_nan=True)


@kinds
def test_the_maps_are_grad_cam_s(kind):
    m = measured(kind)
    want = m.asked.maps(m.images, m.labels)
    assert float(want.std()) > 0.1
    torch.testing.assert_close(m.maps, want, rtol=0, atol=1e-9)
    torch.testing.assert_close(m.shuffled_maps, m.shuffled(), rtol=0, atol=1e-9)


@kinds
def test_no_row_has_an_error_and_what_was_assumed_is_told(kind):
    m = measured(kind)
    assert m.results.column("error") == [None, None]
    for said in m.results.column("notes"):
        if m.results.run["model"]["name"] == "bands":
            assert said == []
        else:
            (one,) = said
            assert f"Of inputs {list(m.images.shape[1:])} no mean and standard deviation" in one
            assert "0 and 1 were taken" in one
