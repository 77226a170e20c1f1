"""The presets named after other libraries: given the same coarse map, the libraries' own metrics
give our numbers.

The libraries' own code scales the map, masks the image, imputes pixels and takes the scores. Where
they define a number differently, the test states the relation. Read: grad-cam 1.5.7 and torchcam
0.5.0.
"""

import importlib
import warnings
from contextlib import nullcontext
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

import sightline
from sightline.evaluation.masking import masked, protocol_map
from sightline.protocol import PRESETS, preset
from sightline.types import Preprocess

NEAR = {"rtol": 0, "atol": 1e-5}
COARSE, FINE = "4", "1"
"""Layers of `net`: a grid of 5 x 5, and one of 20 x 20, the image's own, where nothing is enlarged.
"""

pytestmark = [
    pytest.mark.clients,
    pytest.mark.filterwarnings("ignore"),  # the peers' own
]


@pytest.fixture(scope="module")
def jacobgil():
    """Everything that jacobgil/pytorch-grad-cam calls by a name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("pytorch_grad_cam")
        found = {}
        for name in (
            "",
            ".metrics.cam_mult_image",
            ".metrics.road",
            ".metrics.arcc",
            ".utils.model_targets",
        ):
            found |= vars(importlib.import_module(f"pytorch_grad_cam{name}"))
    return found | {
        "scale_cam_image": importlib.import_module("pytorch_grad_cam.utils.image").scale_cam_image
    }


@pytest.fixture(scope="module")
def frgfm():
    """Everything that frgfm/torch-cam calls by a name."""
    pytest.importorskip("torchcam")
    return vars(importlib.import_module("torchcam.metrics")) | vars(
        importlib.import_module("torchcam.methods")
    )


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    found = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(4),
        nn.Conv2d(8, 12, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(12, 5),
    )
    with torch.no_grad():
        found[7].weight.mul_(8)  # else masking hardly changes anything
    return found.eval()


@pytest.fixture(scope="module")
def images():
    return torch.randn(6, 3, 20, 20, generator=torch.Generator().manual_seed(1))


def summed(activations):
    """A method whose map is the sum of the channels: no two places of it tie, so that an order is
    an order.
    """
    return torch.ones_like(activations[:, :, :1, :1])


def ours(net, images, metrics, name, layer=COARSE, method="grad_cam", **changes):
    """Each image is asked for a class of its own, likely or not: so some gain confidence when they
    are masked.
    """
    protocol = preset(name, layer=layer, explained="given", **changes)
    batch = (images, torch.arange(len(images)) % 5)
    return sightline.evaluate(
        net, [batch], [method], metrics, protocol=protocol, progress=False, views=0
    )


def column(results, name):
    return torch.tensor(results.column(name), dtype=torch.float64).squeeze(-1)


def coarse_of(results):
    return torch.tensor(results.column("coarse")).view(-1, *results.column("coarse_shape")[0])


def assert_same(got, want):
    torch.testing.assert_close(
        torch.as_tensor(got).double(), torch.as_tensor(want).double(), **NEAR
    )


class Fixed:
    """What torch-cam's metrics ask of an extractor, with maps that are given: the coarse ones,
    scaled by torch-cam.
    """

    def __init__(self, model, coarse, frgfm):
        self.model = model
        self.maps = frgfm["GradCAM"]._normalize(coarse.relu().clone(), 2)

    def __call__(self, class_idx=None, scores=None, normalized=True, **_):
        return [self.maps]

    def fuse_cams(self, cams):
        return cams[0]

    def _hooks_off(self):
        return nullcontext()


def jacobgil_maps(jacobgil, coarse, size=(20, 20)):
    """As `BaseCAM` makes them of a coarse map: rectified, scaled, enlarged, averaged over one
    layer, scaled again.
    """
    enlarged = jacobgil["scale_cam_image"](np.maximum(coarse.numpy(), 0), size)
    return jacobgil["scale_cam_image"](enlarged)


def targets_of(jacobgil, results, kind="ClassifierOutputTarget"):
    return [jacobgil[kind](number) for number in results.column("target")]


SCORES = {"logit": "ClassifierOutputTarget", "probability": "ClassifierOutputSoftmaxTarget"}


@pytest.mark.parametrize("score", SCORES)
def test_pytorch_grad_cam_s_drop_and_increase(jacobgil, net, images, score):
    results = ours(net, images, "faithfulness", "pytorch_grad_cam", score=score)
    maps = jacobgil_maps(jacobgil, coarse_of(results))
    asked = (images, maps, targets_of(jacobgil, results, SCORES[score]), net)
    assert_same(column(results, "average_drop"), jacobgil["DropInConfidence"]()(*asked))
    assert_same(
        column(results, "increase_in_confidence"), jacobgil["IncreaseInConfidence"]()(*asked)
    )
    assert 0 < column(results, "increase_in_confidence").mean() < 1, "both outcomes are seen"


def test_pytorch_grad_cam_divides_by_nothing(jacobgil, net, images):
    """Theirs is Y times the paper's."""
    changes = {"score": "probability", "drop": "relative"}
    results = ours(net, images, "average_drop", "pytorch_grad_cam", **changes)
    asked = (
        images,
        jacobgil_maps(jacobgil, coarse_of(results)),
        targets_of(jacobgil, results, SCORES["probability"]),
    )
    theirs = jacobgil["DropInConfidence"]()(*asked, net)
    assert_same(column(results, "average_drop") * column(results, "full_score"), theirs)


def test_pytorch_grad_cam_s_own_map_and_masked_image(jacobgil, net, images):
    """Its Grad-CAM from end to end: the map in [0, 1], and what the model is shown."""
    protocol = preset("pytorch_grad_cam", layer=COARSE)
    explained = sightline.explain(net, images, layer=COARSE, method="grad_cam")
    targets = [jacobgil["ClassifierOutputTarget"](int(one.index)) for one in explained.targets]
    with jacobgil["GradCAM"](model=net, target_layers=[net[4]]) as cam:
        theirs = cam(input_tensor=images, targets=targets)
    maps = protocol_map(explained.coarse, explained.maps, protocol)
    assert_same(maps, theirs)
    _, shown = jacobgil["CamMultImageConfidenceChange"]()(
        images, theirs, targets, net, return_visualization=True
    )
    assert_same(masked(images, maps, protocol, Preprocess()), shown)


def test_pytorch_grad_cam_s_complexity_and_coherency(jacobgil, net, images):
    """An empty map has no correlation: 0 here and in ADCC's own code, 1/2 there, where 1e-8 is
    added below.
    """
    results = ours(net, images, "complexity,coherency", "pytorch_grad_cam")
    maps = jacobgil_maps(jacobgil, coarse_of(results))
    assert_same(column(results, "complexity"), jacobgil["Complexity"]()(maps))
    with jacobgil["GradCAM"](model=net, target_layers=[net[4]]) as cam:
        theirs = jacobgil["Coherency"]()(images, maps, targets_of(jacobgil, results), net, cam)
    own = column(results, "coherency")
    assert_same(torch.where(own == 0, 0.5, own), theirs)
    assert 0 < (own == 0).sum() < len(own), "both kinds are seen"


@pytest.mark.parametrize("percentile", [10, 50, 80])
def test_pytorch_grad_cam_s_road_without_noise(jacobgil, net, images, percentile):
    """Its percentile is what stays: p there is 100 - p removed. It prints the change, so ours minus
    Y.
    """
    changes = {"road_percentages": (100 - percentile,), "road_noise": 0}
    results = ours(net, images, "road", "pytorch_grad_cam", FINE, summed, **changes)
    maps, targets = jacobgil_maps(jacobgil, coarse_of(results)), targets_of(jacobgil, results)
    found = {}
    for name, metric in (
        ("road_morf_area", "ROADMostRelevantFirst"),
        ("road_lerf_area", "ROADLeastRelevantFirst"),
    ):
        theirs = jacobgil[metric](percentile)
        theirs.perturbation.imputer.noise = 0
        found[name] = torch.from_numpy(theirs(images, maps, targets, net))
        assert_same(column(results, name) - column(results, "full_score"), found[name])
    assert_same(column(results, "road"), (found["road_lerf_area"] - found["road_morf_area"]) / 2)
    assert column(results, "road").abs().max() > 1e-3, (
        "an order that changes nothing proves nothing"
    )


def test_pytorch_grad_cam_s_combined_road_with_its_noise(jacobgil, net, images):
    """Each draws its own noise, of a standard deviation of 0.01: near, and not the same."""
    results = ours(net, images, "road", "pytorch_grad_cam", FINE, summed)
    maps = jacobgil_maps(jacobgil, coarse_of(results))
    torch.manual_seed(0)
    theirs = jacobgil["ROADCombined"]()(images, maps, targets_of(jacobgil, results), net)
    assert (column(results, "road") - torch.from_numpy(theirs)).abs().max() < 5e-3
    assert column(results, "road").abs().max() > 0.02


@pytest.mark.parametrize(
    ("score", "function"), [("probability", partial(torch.softmax, dim=-1)), ("logit", None)]
)
def test_torch_cam_s_drop_and_increase(frgfm, net, images, score, function):
    """It adds 1e-7 to Y before it divides."""
    results = ours(net, images, "faithfulness", "torch_cam", score=score)
    coarse, full = coarse_of(results), column(results, "full_score")
    drops, increases = [], []
    for image, one, number in zip(images, coarse, results.column("target"), strict=True):
        metric = frgfm["ClassificationMetric"](Fixed(net, one[None], frgfm), function)
        metric.update(image[None], number)
        drops.append(metric.summary()["avg_drop"])
        increases.append(metric.summary()["conf_increase"])
    assert_same(column(results, "average_drop") * full / (full + 1e-7), drops)
    assert_same(column(results, "increase_in_confidence"), increases)
    together = frgfm["ClassificationMetric"](Fixed(net, coarse, frgfm), function)
    together.update(images, results.column("target"))
    assert_same(column(results, "average_drop").mean(), together.summary()["avg_drop"])
    assert 0 < column(results, "increase_in_confidence").mean() < 1, "both outcomes are seen"


def test_torch_cam_s_masked_image(frgfm, net, images):
    protocol = preset("torch_cam", layer=COARSE)
    explained = sightline.explain(net, images, layer=COARSE, method="grad_cam")
    shown = []
    hook = net.register_forward_pre_hook(lambda _, inputs: shown.append(inputs[0].clone()))
    frgfm["ClassificationMetric"](Fixed(net, explained.coarse, frgfm)).update(images)
    hook.remove()
    maps = protocol_map(explained.coarse, explained.maps, protocol)
    assert_same(masked(images, maps, protocol, Preprocess()), shown[-1])


def test_torch_cam_explains_what_it_scores(frgfm, net, images):
    """Its metrics hand the scores on to the extractor: with a softmax its map is that of the
    probability, not ours.
    """
    given = []

    class Spy(Fixed):
        def __call__(self, class_idx=None, scores=None, **_):
            given.append(scores)
            return [self.maps]

    extractor = Spy(net, torch.rand(6, 5, 5), frgfm)
    frgfm["ClassificationMetric"](extractor, partial(torch.softmax, dim=-1)).update(images)
    assert_same(given[0].sum(1).detach(), torch.ones(6))


def test_torch_cam_s_deletion_and_insertion(frgfm, net, images):
    """Its defaults: 20 steps, both ends zeros of the normalised image. 400 pixels are 20 steps of
    20.
    """
    results = ours(net, images, "deletion,insertion", "torch_cam", FINE, summed)
    for image, one, number, deletion, insertion in zip(
        images,
        coarse_of(results),
        results.column("target"),
        results.column("deletion"),
        results.column("insertion"),
        strict=True,
    ):
        metric = frgfm["DeletionInsertionMetric"](
            Fixed(net, one[None], frgfm), partial(torch.softmax, dim=-1)
        )
        assert metric.steps == PRESETS["torch_cam"].steps
        metric.update(image[None], number)
        assert_same(
            [deletion, insertion],
            [metric.summary()["deletion_auc"], metric.summary()["insertion_auc"]],
        )
