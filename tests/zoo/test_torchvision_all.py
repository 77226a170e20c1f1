"""Every torchvision model of segmentation, detection and video, with random weights and no layer
named.

Classifiers are in `zoo/test_torchvision.py`. Optical flow answers two pictures with vectors: nobody
asks where it looked.
"""

from functools import partial

import pytest
import torch
import torchvision
from torchvision.models import detection, segmentation, video
from torchvision.models.video import mvit

from helpers.random_weights import NoDrawing, assert_untouched, lively, noise, photographed
from sightline import explain
from sightline.surgery.harness.given import Given
from sightline.surgery.layers.candidates import candidates
from sightline.targets import Box

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")

SEGMENTATION = {
    "deeplabv3_mobilenet_v3_large": (4, 4),
    "deeplabv3_resnet101": (8, 8),
    "deeplabv3_resnet50": (8, 8),
    "fcn_resnet101": (8, 8),
    "fcn_resnet50": (8, 8),
    "lraspp_mobilenet_v3_large": (4, 4),
}
"""The grids of 64 x 64 pixels."""

DETECTION = {
    "fasterrcnn_mobilenet_v3_large_320_fpn": (4, 4),
    "fasterrcnn_mobilenet_v3_large_fpn": (4, 4),
    "fasterrcnn_resnet50_fpn": (4, 4),
    "fasterrcnn_resnet50_fpn_v2": (4, 4),
    "fcos_resnet50_fpn": (4, 4),
    "keypointrcnn_resnet50_fpn": (4, 4),
    "maskrcnn_resnet50_fpn": (4, 4),
    "maskrcnn_resnet50_fpn_v2": (4, 4),
    "retinanet_resnet50_fpn": (4, 4),
    "retinanet_resnet50_fpn_v2": (4, 4),
    "ssd300_vgg16": (19, 19),
    "ssdlite320_mobilenet_v3_large": (10, 10),
}
"""The grids of 128 x 128 pixels, which the last two enlarge to 300 and 320."""

VIDEO = {
    "mc3_18": ((8, 56, 56), (8, 4, 4)),
    "mvit_v1_b": ((4, 128, 128), (2, 4, 4)),
    "mvit_v2_s": ((4, 128, 128), (2, 4, 4)),
    "r2plus1d_18": ((16, 56, 56), (2, 4, 4)),
    "r3d_18": ((16, 56, 56), (2, 4, 4)),
    "s3d": ((16, 224, 224), (2, 7, 7)),
    "swin3d_b": ((4, 128, 128), (2, 4, 4)),
    "swin3d_s": ((4, 128, 128), (2, 4, 4)),
    "swin3d_t": ((4, 128, 128), (2, 4, 4)),
}
"""The clips, as small as the architecture allows, and their grids in time and space."""


def build(name, **options):
    with NoDrawing():
        return lively(torchvision.models.get_model(name, weights=None, **options))


def check(model, images, target, grid):
    before = photographed(model)
    e = explain(model, images, target, place="unchecked")
    assert_untouched(model, before)
    assert tuple(e.coarse.shape) == (1, *grid)
    assert tuple(e.maps.shape) == (1, *images.shape[2:])
    assert e.coarse.isfinite().all()
    assert e.coarse.std() > 1e-4 * e.coarse.abs().max() > 0
    return e


def place(model, images, layer):
    """Where in the order of running, from 0 to 1."""
    names = [row.name for row in candidates(Given.of(model, images))[0]]
    return names.index(layer) / len(names)


@pytest.mark.parametrize("name", SEGMENTATION)
def test_segmentation_is_explained_before_its_maps_of_classes(name):
    model, images = build(name, weights_backbone=None), noise(1, 3, 64, 64)
    e = check(model, images, lambda out: out["out"][:, 1].mean((1, 2)), SEGMENTATION[name])
    assert e.layer.startswith("classifier")
    assert place(model, images, e.layer) > 0.9


@pytest.mark.parametrize("name", DETECTION)
def test_detection_is_explained_on_what_the_detection_depends_on(name):
    model = build(name, weights_backbone=None)
    for (
        part,
        parameter,
    ) in model.named_parameters():  # or every random softmax is 0 or 1, which has no derivative
        if any(
            word in part
            for word in (
                "cls_score",
                "cls_logits",
                "bbox",
                "classification_head.module",
                "rpn.head.cls",
            )
        ):
            parameter.data.mul_(1e-3)
    few(model)
    if not name.startswith("ssd"):
        model.transform.min_size, model.transform.max_size = (128,), 160
    images = torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(1))
    e = check(model, images, Box(confidence=0.0), DETECTION[name])
    assert e.layer.startswith("backbone.")


def few(model):
    """Few proposals and detections, however unsure."""
    if hasattr(model, "roi_heads"):
        model.rpn._post_nms_top_n = {"training": 20, "testing": 20}
        model.roi_heads.score_thresh, model.roi_heads.detections_per_img = 0.0, 3
    else:
        model.score_thresh, model.topk_candidates, model.detections_per_img = 0.0, 20, 3


@pytest.mark.parametrize("name", VIDEO)
def test_clips_have_maps_in_time_and_space(name, monkeypatch):
    size, grid = VIDEO[name]
    small = partial(mvit.MViT, spatial_size=size[1:], temporal_size=size[0])
    monkeypatch.setattr(
        mvit, "MViT", lambda **given: small(**_without(given, "spatial_size", "temporal_size"))
    )
    model, clip = build(name), noise(1, 3, *size)
    e = check(model, clip, None, grid)
    assert place(model, clip, e.layer) > 0.5


def _without(given, *words):
    return {word: value for word, value in given.items() if word not in words}


def test_none_is_left_out():
    for module, known in ((segmentation, SEGMENTATION), (detection, DETECTION), (video, VIDEO)):
        assert set(torchvision.models.list_models(module=module)) == set(known)
