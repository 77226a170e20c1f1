"""The networks of the zoo with random weights: what each is called, and how it is built.

The tables of the tests say which: the smallest model of every family of timm, every classifier of
torchvision, the transformers built from their configs (`PYTHONPATH=tests`).
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal
from zlib import crc32

import timm
import torch
import torchvision
import transformers
from torch import nn

from helpers.random_weights import NoDrawing, lively, noise
from zoo.timm_table import SMALLEST
from zoo.transformers_table import CASES, Case

Kind = Literal["convolutional", "ViT, Swin", "other mixing"]

NAMES = torchvision.models.list_models(module=torchvision.models)
FIRST = (
    "alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "googlenet", "inception_v3",
    "maxvit_t", "mnasnet0_5", "mobilenet_v2", "mobilenet_v3_small", "regnet_x_400mf",
    "regnet_y_400mf", "resnet18", "resnet50", "shufflenet_v2_x0_5", "squeezenet1_0",
    "squeezenet1_1", "swin_t", "swin_v2_t", "vgg11", "vgg16_bn", "vit_b_16", "vit_b_32",
)  # fmt: skip
"""One or two of each family of torchvision's, which come before the others."""

_TRANSFORMER = re.compile(
    r"(vit|deit|beit|eva|swin|donut swin|data2vec|ijepa|dinov2|dinov3 vit|sam|clip|metaclip|siglip|"
    r"blip|owlvit|yolos|eomt|trocr|dpt|mgp-str|videomae|vivit|vision_transformer|deepseek_vit|"
    r"gemma4_vit|qwen3_vit|naflexvit)(?!amin|_hybrid)"
)
_MIXING = re.compile(
    r"byoanet|cait|coat|convit|cpubone|crossvit|csatv2|davit|edgenext|efficientformer|efficientvim|"
    r"efficientvit|focalnet|gcvit|hiera|iformer|levit|lowformer|maxvit|maxxvit|mlp_mixer|"
    r"mobilenetv5|mobilevit|mvitv2|nest|nextvit|pit|pvt|sequencer|shvit|swiftformer|tiny_vit|tnt|"
    r"twins|visformer|vision_transformer_hybrid|vitamin|volo|xcit|segformer|cvt|.*detr|"
    r"table transformer|mask2former|maskformer|oneformer|glpn"
)


@dataclass(frozen=True)
class Network:
    """A network that is yet to be built; `build` returns it with its inputs, `small` another size.

    The halves of the zoo are drawn by families.
    """

    source: str
    label: str
    build: Callable[[], tuple[nn.Module, Any]]
    small: Callable[[], tuple[nn.Module, Any]] | None = None

    @property
    def name(self) -> str:
        """Where it comes from, and what it is called there."""
        return f"{self.source} {self.label}"

    @property
    def kind(self) -> Kind:
        """By its name; what is neither a transformer nor mixes places has convolutions alone."""
        if _TRANSFORMER.match(self.label):
            return "ViT, Swin"
        return "other mixing" if _MIXING.match(self.label) else "convolutional"

    @property
    def half(self) -> str:
        """A or B, by the letters its name begins with: the family's, in all three libraries."""
        letters = re.match(r"[a-z]*", self.label)[0]  # type: ignore[index]
        return "AB"[crc32(letters.encode()) % 2]


def networks(*, own_weights: bool = False) -> Iterator[Network]:
    """`own_weights`: as the libraries draw them, which takes longer and leaves branches asleep."""
    builder = Builder(own_weights)
    for family in SMALLEST:
        small = partial(builder.timm, family, native=False)
        yield Network("timm", family, partial(builder.timm, family), small)
    for name in (*FIRST, *(name for name in NAMES if name not in FIRST)):
        yield Network("torchvision", name, partial(builder.torchvision, name))
    for name, case in CASES.items():
        yield Network("transformers", name, partial(builder.transformers, case))


@dataclass(frozen=True)
class Builder:
    """How a network of each library is built, and with what a forward pass is asked."""

    own_weights: bool

    def timm(self, family: str, native: bool = True) -> tuple[nn.Module, Any]:
        """At the size it was made for; else at the one of the tests' table."""
        name, size, _, options = SMALLEST[family]
        if native:
            options = {key: value for key, value in options.items() if key != "img_size"}
            size = timm.get_pretrained_cfg(name).input_size[-1]
        return self._drawn(lambda: timm.create_model(name, **options)), noise(1, 3, size, size)

    def torchvision(self, name: str) -> tuple[nn.Module, Any]:
        """At the size of its weights; vision transformers are built for 224 whatever those take."""
        options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
        size = 224
        if not name.startswith("vit_"):
            weights = torchvision.models.get_model_weights(name).DEFAULT
            size = weights.transforms().crop_size[0]
        model = self._drawn(lambda: torchvision.models.get_model(name, weights=None, **options))
        return model, noise(1, 3, size, size)

    def transformers(self, case: Case) -> tuple[nn.Module, Any]:
        """Small, from its config, with all its inputs."""
        model = self._drawn(lambda: getattr(transformers, case.kind)(case.config()))
        shape = (1, case.size[0], 3, *case.size[1:]) if len(case.size) == 3 else (1, 3, *case.size)
        return model, {case.key: noise(*shape), **case.others}

    def _drawn(self, make: Callable[[], nn.Module]) -> nn.Module:
        torch.manual_seed(0)
        if self.own_weights:
            return make().eval()
        with NoDrawing():
            return lively(make())
