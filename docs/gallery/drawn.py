"""Drawn pictures whose truth is known, and four small networks that learned to read them: no
program by itself.

Circles, squares and triangles in red, green and blue on a noisy ground. `training/drawn.py` trained
the networks and wrote `weights/`; their outputs have the form of the large ones'.
"""

import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

KINDS = ["circle", "square", "triangle"]
COLOURS = {"red": (0.85, 0.2, 0.2), "green": (0.2, 0.7, 0.25), "blue": (0.25, 0.35, 0.9)}
CAPTIONS = [f"a {colour} {kind}" for colour in COLOURS for kind in KINDS]
WORDS = ["<pad>", "a", *COLOURS, *KINDS, "<end>"]
WEIGHTS = Path(__file__).parent / "weights"


@dataclass
class Scene:
    """A picture `[3, h, w]` in [0, 1] with what is on it: kinds, colours, boxes `[n, 4]` and a
    class map `[h, w]`.
    """

    picture: Tensor
    kinds: list[int]
    colours: list[int]
    boxes: Tensor
    classes: Tensor

    @property
    def captions(self) -> list[int]:
        return [3 * colour + kind for colour, kind in zip(self.colours, self.kinds, strict=True)]


def scene(seed: int, shapes: int = 2, size: tuple[int, int] = (96, 96)) -> Scene:
    """One picture; shapes do not overlap, and no two have the same kind."""
    source = torch.Generator().manual_seed(seed)

    def draw(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=source))

    h, w = size
    ground = torch.rand(1, 1, h // 8, w // 8, generator=source)
    picture = 0.35 + 0.3 * nn.functional.interpolate(ground, size, mode="bilinear")[0].repeat(
        3, 1, 1
    )
    picture += 0.04 * torch.randn(picture.shape, generator=source)
    classes = torch.zeros(h, w, dtype=torch.long)
    kinds = torch.randperm(3, generator=source)[:shapes].tolist()
    colours = torch.randint(3, (shapes,), generator=source).tolist()
    boxes: list[tuple[float, ...]] = []
    while len(boxes) < shapes:
        r = draw(10, 17)
        x, y = draw(r + 1, w - r - 1), draw(r + 1, h - r - 1)
        box = (x - r, y - r, x + r, y + r)
        if any(box[0] < b[2] and b[0] < box[2] and box[1] < b[3] and b[1] < box[3] for b in boxes):
            continue
        inside = _inside(kinds[len(boxes)], x, y, r, h, w)
        picture[:, inside] = torch.tensor(list(COLOURS.values())[colours[len(boxes)]])[:, None]
        classes[inside] = 1 + kinds[len(boxes)]
        boxes.append(box)
    return Scene(picture.clamp(0, 1), kinds, colours, torch.tensor(boxes), classes)


def _inside(kind: int, x: float, y: float, r: float, h: int, w: int) -> Tensor:
    down, across = (torch.arange(h) + 0.5 - y)[:, None], (torch.arange(w) + 0.5 - x)[None]
    if kind == 0:
        return down**2 + across**2 <= r**2
    if kind == 1:
        return (down.abs() <= r) & (across.abs() <= r)
    return (down <= r) & (2 * across.abs() <= down + r)  # apex at the top


def tokens(captions: list[str]) -> Tensor:
    """Word numbers `[n, 5]`, `<end>` last."""
    return torch.tensor(
        [[WORDS.index(word) for word in [*caption.split(), "<end>"]] for caption in captions]
    )


def segformer() -> nn.Module:
    from transformers import SegformerConfig, SegformerForSemanticSegmentation

    config = SegformerConfig(
        num_labels=4,
        hidden_sizes=[16, 24, 40, 64],
        depths=[1, 1, 1, 1],
        num_attention_heads=[1, 2, 4, 4],
        decoder_hidden_size=48,
        drop_path_rate=0.0,
        classifier_dropout_prob=0.0,
    )
    return SegformerForSemanticSegmentation(config)


def faster_rcnn() -> nn.Module:
    from torchvision.models.detection import FasterRCNN
    from torchvision.models.detection.faster_rcnn import TwoMLPHead
    from torchvision.models.detection.rpn import AnchorGenerator
    from torchvision.ops import MultiScaleRoIAlign

    widths = [3, 16, 32, 48, 48]
    body = nn.Sequential()
    for i, (before, after) in enumerate(pairwise(widths)):
        body += nn.Sequential(
            nn.Conv2d(before, after, 3, stride=2 if i < 3 else 1, padding=1),
            nn.BatchNorm2d(after),
            nn.ReLU(),
        )
    body.out_channels = widths[-1]
    model = FasterRCNN(
        body,
        min_size=96,
        max_size=192,
        num_classes=None,
        image_mean=[0.5] * 3,
        image_std=[0.25] * 3,
        rpn_anchor_generator=AnchorGenerator(((20, 28, 36),), ((1.0,),)),
        box_roi_pool=MultiScaleRoIAlign(["0"], 5, 2),
        box_head=TwoMLPHead(25 * widths[-1], 64),
        box_predictor=_predictor(64, 4),
        rpn_pre_nms_top_n_train=100,
        rpn_post_nms_top_n_train=50,
        rpn_pre_nms_top_n_test=100,
        rpn_post_nms_top_n_test=50,
        box_batch_size_per_image=32,
    )
    return model


def _predictor(width: int, classes: int) -> nn.Module:
    from torchvision.models.detection.faster_rcnn import FastRCNNPredictor

    return FastRCNNPredictor(width, classes)


def detr() -> nn.Module:
    """Conditional DETR: the answers of DETR, with a sigmoid, sooner learnt. Its labels are the
    colours.
    """
    from transformers import ConditionalDetrConfig, ConditionalDetrForObjectDetection, ResNetConfig

    backbone = ResNetConfig(
        embedding_size=16,
        hidden_sizes=[32, 64],
        depths=[1, 1],
        layer_type="basic",
        out_features=["stage2"],
    )
    config = ConditionalDetrConfig(
        use_timm_backbone=False,
        use_pretrained_backbone=False,
        backbone=None,
        backbone_config=backbone,
        d_model=64,
        encoder_layers=1,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=128,
        decoder_ffn_dim=128,
        num_queries=9,
        num_labels=3,
        dropout=0.0,
        auxiliary_loss=True,
    )
    return ConditionalDetrForObjectDetection(
        config
    ).requires_grad_()  # its backbone comes frozen, for known weights


class TwoTowers(nn.Module):
    """CLIP in small: convolutions for the picture, a bag of words for the caption, one space for
    both.
    """

    def __init__(self) -> None:
        super().__init__()
        self.visual = nn.Sequential()
        for before, after, stride in ((3, 24, 2), (24, 48, 2), (48, 64, 2), (64, 64, 1)):
            self.visual += nn.Sequential(
                nn.Conv2d(before, after, 3, stride, 1), nn.BatchNorm2d(after), nn.ReLU()
            )
        self.image_projection = nn.Linear(64, 32)
        self.text = nn.Sequential(nn.EmbeddingBag(len(WORDS), 64), nn.ReLU(), nn.Linear(64, 32))
        self.log_scale = nn.Parameter(torch.tensor(2.0))

    def forward(self, input_ids: Tensor, pixel_values: Tensor) -> dict[str, Tensor]:
        image = nn.functional.normalize(
            self.image_projection(self.visual(pixel_values).mean((2, 3)))
        )
        text = nn.functional.normalize(self.text(input_ids))
        return {
            "image_embeds": image,
            "text_embeds": text,
            "logits_per_image": self.log_scale.exp() * image @ text.T,
        }


NETWORKS = {"segformer": segformer, "faster_rcnn": faster_rcnn, "detr": detr, "clip": TwoTowers}


def trained(name: str) -> nn.Module:
    """One of the networks with its weights, in eval mode."""
    model = NETWORKS[name]()
    model.load_state_dict(
        {
            key: value.float() if value.is_floating_point() else value
            for key, value in load_file(WEIGHTS / f"{name}.safetensors").items()
        }
    )
    return model.eval()


def measured(name: str) -> float:
    """How well the network reads pictures it was not trained on, as `training/drawn.py` measured
    it.
    """
    return float(json.loads((WEIGHTS / "measured.json").read_text(encoding="utf-8"))[name])
