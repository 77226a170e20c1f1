"""Small networks that are not made of straight pieces, trained here in minutes on CIFAR-10: SiLU,
GELU, attention.

No real weights of such networks were at hand. Ten thousand pictures make none of them good; their
error stands on every page that uses them.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from networks import CIFAR
from small_nets import PLAIN, learnt
from torch import nn

from sightline import Card, describe

ADAM = partial(torch.optim.AdamW, lr=2e-3, weight_decay=0.05)


def convolutions(act: Callable[[], nn.Module], hidden: int = 0) -> nn.Module:
    """Six convolutions from 32 x 32 to 8 x 8, each with batch norm and `act`; pool, linear.

    With `hidden`, the pooled features go through another linear layer and `act` first, as in
    MobileNetV3.
    """
    layers: list[nn.Module] = []
    inside = 3
    for outside, stride in ((16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (64, 1)):
        steps = nn.Conv2d(inside, outside, 3, stride, 1, bias=False), nn.BatchNorm2d(outside), act()
        layers, inside = [*layers, nn.Sequential(*steps)], outside
    head = (
        [nn.Linear(inside, hidden), act(), nn.Linear(hidden, 10)]
        if hidden
        else [nn.Linear(inside, 10)]
    )
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), *head)


def convnext() -> nn.Module:
    """ConvNeXt's blocks in three stages, 16 x 16 to 4 x 4 places; pool, layer norm, linear."""
    from timm.layers import LayerNorm2d
    from timm.models.convnext import ConvNeXtStage

    stem = nn.Sequential(nn.Conv2d(3, 32, 2, 2), LayerNorm2d(32))
    stages = [
        ConvNeXtStage(
            inside, outside, stride=stride, depth=2, ls_init_value=None, norm_layer=LayerNorm2d
        )
        for inside, outside, stride in ((32, 32, 1), (32, 64, 2), (64, 128, 2))
    ]
    return nn.Sequential(
        stem, *stages, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LayerNorm(128), nn.Linear(128, 10)
    )


def swin() -> nn.Module:
    """A Swin of three stages, 16 x 16 to 4 x 4 places."""
    from timm.models.swin_transformer import SwinTransformer

    net: nn.Module = SwinTransformer(
        img_size=32,
        patch_size=2,
        window_size=4,
        embed_dim=32,
        depths=(2, 2, 2),
        num_heads=(2, 4, 4),
        mlp_ratio=2,
        num_classes=10,
    )
    return net


def vit() -> nn.Module:
    """A ViT with a class token: 8 x 8 places, five blocks."""
    from timm.models.vision_transformer import VisionTransformer

    net: Any = VisionTransformer(
        img_size=32, patch_size=4, embed_dim=64, depth=5, num_heads=4, mlp_ratio=2, num_classes=10
    )
    for block in net.blocks:
        block.attn.fused_attn = False  # the same numbers; fused, training takes three times as long
    return cast(nn.Module, net)


def mixer() -> nn.Module:
    """An MLP-Mixer: 8 x 8 places, five blocks."""
    from timm.models.mlp_mixer import MlpMixer

    net: nn.Module = MlpMixer(img_size=32, patch_size=4, num_blocks=5, embed_dim=64, num_classes=10)
    return net


TRAINED: dict[str, tuple[Callable[[], nn.Module], float]] = {
    "SiLU": (partial(convolutions, nn.SiLU), 8),
    "Hardswish": (partial(convolutions, nn.Hardswish, 128), 6),
    "ConvNeXt": (convnext, 5),
    "Swin": (swin, 5),
    "Mixer": (mixer, 12),
    "ViT": (vit, 15),
}
"""What each is called, how it is made, and for how many epochs it is trained."""


def trained(
    name: str, data: Path, place: Path, limit: int | None = None
) -> tuple[nn.Module, dict[str, float]]:
    """The network with its weights of an earlier run, or trained now, and its test `error` in [0,
    1] and `seconds`.

    `limit` trains one epoch of so many pictures: for a test.
    """
    make, epochs = TRAINED[name]
    torch.manual_seed(0)
    net = make()
    describe(net, Card(f"small_{name.lower()}", None, PLAIN, CIFAR, "trained by this program"))
    return net, learnt(net, data, place / name, epochs, limit, optimiser=ADAM)
