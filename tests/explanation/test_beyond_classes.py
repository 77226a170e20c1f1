"""Segmentation, detection, similarity: `explain` against derivatives by brute force."""

import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision.models.detection import FCOS, FasterRCNN, RetinaNet, ssdlite320_mobilenet_v3_large
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.rpn import AnchorGenerator as RpnAnchors
from torchvision.models.segmentation import deeplabv3_mobilenet_v3_large, lraspp_mobilenet_v3_large
from torchvision.ops import MultiScaleRoIAlign

from helpers.closeness import assert_near
from helpers.nets import assert_same, photograph
from sightline import Preprocess, explain
from sightline.errors import ImageError, TargetError
from sightline.models import card_of
from sightline.targets import Box, Contrast, Neuron, Output, Region, Similarity


def body():
    """A few convolutions with stride 8, as a detector's backbone."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, 4, 1),
        nn.ReLU(),
        nn.Conv2d(8, 12, 3, 2, 1),
        nn.ReLU(),
        nn.Conv2d(12, 32, 3, 1, 1),
        nn.ReLU(),
    )
    net.out_channels = 32
    return net


def faster_rcnn():
    return FasterRCNN(
        body(),
        num_classes=4,
        min_size=64,
        max_size=128,
        rpn_anchor_generator=RpnAnchors(((16, 32),), ((1.0,),)),
        box_roi_pool=MultiScaleRoIAlign(["0"], 3, 2),
        rpn_post_nms_top_n_test=20,
        box_score_thresh=0.0,
    )


def retinanet():
    return RetinaNet(
        body(),
        4,
        min_size=64,
        max_size=128,
        score_thresh=0.0,
        anchor_generator=AnchorGenerator(((16, 32),), ((1.0,),)),
    )


def fcos():
    return FCOS(
        body(),
        4,
        min_size=64,
        max_size=128,
        score_thresh=0.0,
        anchor_generator=AnchorGenerator(((8,),), ((1.0,),)),
    )


def ssdlite():
    return ssdlite320_mobilenet_v3_large(
        weights=None, weights_backbone=None, num_classes=4, score_thresh=0.0
    )


def gallery(name):
    """One of the gallery's networks, without its weights."""
    pytest.importorskip(
        "transformers", reason="needs transformers: pip install 'sightline-cam[test]'"
    )
    return drawn_world().NETWORKS[name]()


def clip():
    transformers = pytest.importorskip(
        "transformers", reason="needs transformers: pip install 'sightline-cam[test]'"
    )
    shared = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
    }
    config = transformers.CLIPConfig(
        text_config=shared
        | {"vocab_size": 9, "max_position_embeddings": 5, "eos_token_id": 8, "bos_token_id": 1},
        vision_config=shared | {"image_size": 96, "patch_size": 8},
        projection_dim=32,
    )
    return transformers.CLIPModel(config)


def detr():
    transformers = pytest.importorskip(
        "transformers", reason="needs transformers: pip install 'sightline-cam[test]'"
    )
    backbone = transformers.ResNetConfig(
        embedding_size=8,
        hidden_sizes=[8, 16],
        depths=[1, 1],
        layer_type="basic",
        out_features=["stage2"],
    )
    config = transformers.DetrConfig(
        use_timm_backbone=False,
        use_pretrained_backbone=False,
        backbone=None,
        backbone_config=backbone,
        d_model=32,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        num_queries=6,
        num_labels=3,
    )
    return transformers.DetrForObjectDetection(config)


def drawn_world():
    folder = str(Path(__file__).resolve().parents[2] / "docs" / "gallery")
    sys.path.insert(0, folder)
    try:
        import drawn
    finally:
        sys.path.remove(folder)
    return drawn


def segmenter():
    return deeplabv3_mobilenet_v3_large(
        weights=None, weights_backbone=None, num_classes=4, aux_loss=True
    )


def lraspp():
    return lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=4)


VECTOR = torch.randn(32, generator=torch.Generator().manual_seed(3))

CASES = {
    "faster_rcnn": (faster_rcnn, Box(confidence=0), "backbone.5"),
    "faster_rcnn, a label's p": (
        faster_rcnn,
        Box(label=2, confidence=0, score="probability"),
        "backbone.3",
    ),
    "retinanet": (retinanet, Box(label=1, confidence=0), "backbone.5"),
    "fcos": (fcos, Box(label=3, confidence=0), "backbone.5"),
    "ssdlite": (ssdlite, Box(label=1, confidence=0), "backbone.features.0"),
    "detr": (detr, Box(label=1, confidence=0), "model.input_projection"),
    "conditional detr": (
        lambda: gallery("detr"),
        Box(label=1, confidence=0, kind="sigmoid"),
        "model.input_projection",
    ),
    "deeplabv3": (segmenter, Region(1, where=(10, 20, 40, 60)), "backbone.16"),
    "deeplabv3, an auxiliary head": (segmenter, Output("aux", Region(None)), "backbone.3"),
    "lraspp": (lraspp, Region(None, reduce="sum"), "backbone.16"),
    "segformer": (
        lambda: gallery("segformer"),
        Region(2, where=(50, 40)),
        "decode_head.activation",
    ),
    "segformer, a channel": (
        lambda: gallery("segformer"),
        Neuron(3, "logits", at=(4, 5)),
        "decode_head.activation",
    ),
    "clip": (clip, Similarity(VECTOR), "vision_model.encoder.layers.0"),
    "clip, its own texts": (clip, Output("logits_per_image", Contrast(0, similar=1)), None),
}


def settled(model):
    """Batch norms that have seen something: with fresh ones a deep network's numbers die out."""
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    if norms:
        with torch.no_grad():
            model(torch.rand(4, 3, 72, 100, dtype=next(model.parameters()).dtype))
    return model.eval()


def inputs_of(name, dtype=torch.float64):
    size = (96, 96) if "clip" in name else (72, 100)
    pictures = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(5)).to(dtype)
    if "clip" not in name:
        return pictures
    return {
        "input_ids": drawn_world().tokens(["a red circle", "a blue square"]),
        "pixel_values": pictures,
    }


def brute(model, inputs, target, layer, size):
    """Grad-CAM as its paper has it, with the derivatives of a whole forward pass."""
    kept = {}

    def keep(module, args, output):
        kept["node"] = output

    handle = model.get_submodule(layer).register_forward_hook(keep)
    outputs = model(**inputs) if isinstance(inputs, dict) else model(inputs)
    handle.remove()
    node = kept["node"]
    if isinstance(node, dict):
        node = next(iter(node.values()))
    node = node[0] if isinstance(node, tuple) else node
    scores = target(outputs, None, size)
    (gradient,) = torch.autograd.grad(scores.sum(), node)
    if node.ndim == 3:  # a class token, then 12 x 12 patches
        node, gradient = (t[:, 1:].unflatten(1, (12, 12)).movedim(-1, 1) for t in (node, gradient))
    weights = gradient.mean((2, 3), keepdim=True)
    return (weights * node).sum(1).detach(), scores.detach()


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_derivatives_are_autograd_s(name):
    make, target, layer = CASES[name]
    torch.manual_seed(1)
    model = settled(make().double().eval())
    inputs = inputs_of(name)
    with torch.no_grad():  # transformers hangs its own hooks into some models when they first run
        model(**inputs) if isinstance(inputs, dict) else model(inputs)
    before = photograph(model)
    e = explain(model, inputs, target, "grad_cam", layer=layer or "vision_model.encoder.layers.0")
    after = photograph(model)
    for seen in (before, after):  # a detector keeps its anchors at hand, in every forward
        seen["attributes"] = {}
    assert_same(before, after)
    size = (96, 96) if "clip" in name else (72, 100)
    wanted, scores = brute(model, inputs, target, layer or "vision_model.encoder.layers.0", size)
    assert float(wanted.abs().max()) > 0
    assert_near(e.scores, scores, 1e-9)
    assert_near(e.coarse, wanted, 1e-8)
    assert e.maps.shape == (2, *size)
    assert [str(t) for t in e.targets] == [str(target)] * 2 or isinstance(target, Output)


def test_a_batch_of_pictures_may_come_as_a_list_and_is_its_pictures_one_by_one():
    model = faster_rcnn().eval()
    pictures = inputs_of("rcnn", torch.float32)
    listed = explain(model, list(pictures), Box(confidence=0), layer="backbone.5")
    stacked = explain(model, pictures, Box(confidence=0), layer="backbone.5")
    assert torch.equal(listed.maps, stacked.maps)
    for i in range(2):
        one = explain(model, pictures[i : i + 1], Box(confidence=0), layer="backbone.5")
        assert torch.allclose(one.maps[0], stacked.maps[i], atol=1e-4)
    with pytest.raises(ImageError, match=r"of one size; got .* one by one"):
        explain(model, [torch.rand(3, 60, 60), torch.rand(3, 60, 80)], Box())


def test_several_boxes_share_one_forward_pass():
    model, runs = faster_rcnn().eval(), []
    model.register_forward_hook(lambda *_: runs.append(1))
    asked = {
        "target": [Box(label=k, confidence=0) for k in (1, 2, 3)],
        "layer": "backbone.5",
        "classes": ["nothing", "cat", "dog", "cup"],
    }
    explain(model, inputs_of("rcnn", torch.float32), **asked)  # proves the layer's place
    del runs[:]
    e = explain(model, inputs_of("rcnn", torch.float32), **asked)
    assert len(runs) == 1
    assert e.maps.shape == (2, 3, 72, 100)
    assert e.provenance["layer"]["name"] == "backbone.5"


@pytest.mark.slow
def test_names_reach_the_target_and_an_unknown_one_is_told():
    model, names = segmenter().eval(), ["ground", "cat", "dog", "cup"]
    pictures = torch.rand(1, 3, 72, 100)
    by_name = explain(
        model, pictures, Region("dog", where=(0, 0, 50, 50)), layer="backbone.16", classes=names
    )
    by_number = explain(model, pictures, Region(2, where=(0, 0, 50, 50)), layer="backbone.16")
    assert torch.equal(by_name.maps, by_number.maps)
    assert str(by_name.targets[0]) == "dog in box 0, 0, 50, 50"
    with pytest.raises(TargetError, match=r"no class 'dgo'\. Near names: 'dog'"):
        explain(model, pictures, Region("dgo"), layer="backbone.16", classes=names)


def test_no_detection_is_told_and_the_model_stays_as_it_was():
    model = faster_rcnn().eval()
    model.roi_heads.score_thresh = 0.99
    before = photograph(model)
    with pytest.raises(
        TargetError, match=r"in image 0; the detector found nothing.*roi_heads\.score_thresh"
    ):
        explain(model, inputs_of("rcnn", torch.float32), Box(), layer="backbone.5")
    after = photograph(model)
    for seen in (before, after):
        seen["attributes"] = {}
    assert_same(before, after)


def test_a_detector_s_files_are_neither_cropped_nor_normalised_twice():
    card = card_of(faster_rcnn())
    assert card.preprocess == Preprocess(
        resize=None, crop=None, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)
    )
    picture = (255 * torch.rand(3, 72, 100)).to(torch.uint8)
    e = explain(faster_rcnn(), picture, Box(confidence=0), layer="backbone.5")
    assert torch.allclose(e.inputs[0], picture / 255)


@pytest.mark.slow
def test_a_mean_over_the_region_is_the_same_grad_cam_as_the_sum_and_another_grad_cam_pp():
    torch.manual_seed(1)
    model, pictures = settled(segmenter()), inputs_of("deeplabv3", torch.float32)
    asked = [Region(None, reduce=how) for how in ("mean", "sum")]
    e = explain(model, pictures, asked, ["grad_cam", "grad_cam_pp"], layer="backbone.16")
    plain, plus = e["grad_cam"].coarse, e["grad_cam_pp"].coarse
    assert_near(7200 * plain[:, 0], plain[:, 1], 1e-4)
    slope = (plus[:, 0] * plus[:, 1]).sum() / (plus[:, 0] ** 2).sum()
    assert (slope * plus[:, 0] - plus[:, 1]).abs().amax() > 0.01 * plus[:, 1].abs().amax()
