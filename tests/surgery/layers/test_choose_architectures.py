"""The layer nobody named, in networks of another build: tokens, windows, backbones that wrap their
features.
"""

import re
from dataclasses import dataclass

import pytest
import torch
from torch import nn

from helpers.nets import assert_same, batch, convnet, photograph
from sightline.surgery import choose


class Attention(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)

    def forward(self, x):
        q, k, v = self.qkv(x).chunk(3, -1)
        return (q @ k.transpose(1, 2) / 4).softmax(-1) @ v


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm1, self.attention = nn.LayerNorm(width), Attention(width)
        self.norm2, self.mlp = (
            nn.LayerNorm(width),
            nn.Sequential(nn.Linear(width, 32), nn.GELU(), nn.Linear(32, width)),
        )

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class ViT(nn.Module):
    """Patches of 2, a class token, two blocks, a norm; the class token is read, or the mean of the
    others.
    """

    def __init__(self, read="token", drawn=True):
        super().__init__()
        torch.manual_seed(0)
        self.patch, self.token = nn.Conv2d(3, 16, 2, 2), nn.Parameter(torch.randn(1, 1, 16))
        self.blocks, self.norm, self.head = (
            nn.Sequential(Block(16), Block(16)),
            nn.LayerNorm(16),
            nn.Linear(16, 5),
        )
        self.read = read
        if not drawn:
            nn.init.zeros_(self.head.weight)

    def forward(self, x):
        y = self.patch(x).flatten(2).transpose(1, 2)
        y = self.norm(self.blocks(torch.cat([self.token.expand(len(x), -1, -1), y], 1)))
        return self.head(y[:, 0] if self.read == "token" else y[:, 1:].mean(1))


def test_behind_the_last_attention_only_the_class_token_matters():
    choice = choose(ViT().eval(), batch())
    assert choice.name == "blocks.1.norm1"
    assert choice.reason.startswith(
        "the last feature map (16 channels, 6 x 5 places, tokens); the outputs do not"
    )
    assert re.search(r"not depend on the places of the \d later ones$", choice.reason)


def test_where_the_mean_of_the_tokens_is_read_the_last_norm_is_taken():
    choice = choose(ViT("mean").eval(), batch())
    assert choice.name == "norm"
    assert choice.reason == "the last feature map (16 channels, 6 x 5 places, tokens)"


@pytest.mark.parametrize("read", ["token", "mean"])
def test_a_head_that_starts_with_zeros_is_looked_past(read):
    """As torchvision's vision transformers have it: the outputs depend on nothing, but what goes in
    does.
    """
    net = ViT(read, drawn=False).eval()
    before = photograph(net)
    assert choose(net, batch()) == choose(ViT(read).eval(), batch())
    assert_same(before, photograph(net))


def test_zeros_elsewhere_are_not_taken_for_the_head():
    """An adapter that starts with zeros, as LoRA's do: what goes into it is not what the model
    says.
    """

    class Adapted(ViT):
        def __init__(self):
            super().__init__("mean")
            self.adapter = nn.Linear(16, 16)
            nn.init.zeros_(self.adapter.weight), nn.init.zeros_(self.adapter.bias)

        def forward(self, x):
            y = self.patch(x)
            return super().forward(x) + self.adapter(y.mean((2, 3)))[:, :5]

    assert choose(Adapted().eval(), batch()).name == "norm"


class Windows(nn.Module):
    """Cuts the maps into windows, each a row of its own batch, as Swin does."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.inside, self.fc = (
            nn.Conv2d(3, 8, 3, padding=1),
            nn.Conv2d(8, 8, 3, padding=1),
            nn.Linear(8, 4),
        )

    def forward(self, x):
        y = self.conv(x)
        y = y.unflatten(3, (2, 5)).unflatten(2, (2, 6)).permute(0, 2, 4, 1, 3, 5).flatten(0, 2)
        return self.fc(self.inside(y).unflatten(0, (len(x), 4)).mean((1, 3, 4)))


def test_a_layer_that_sees_windows_is_no_map_of_the_picture():
    assert choose(Windows().eval(), batch()).name == "conv"


@dataclass
class Features:
    last: torch.Tensor


class Backbone(nn.Module):
    def __init__(self, wrap):
        super().__init__()
        self.net, self.wrap = convnet()[:6], wrap

    def forward(self, x):
        return self.wrap(self.net(x))


class Split(nn.Module):
    def __init__(self, wrap, unwrap):
        super().__init__()
        self.backbone, self.fc, self.unwrap = Backbone(wrap), nn.Linear(8, 5), unwrap

    def forward(self, x):
        return self.fc(self.unwrap(self.backbone(x)).mean((2, 3)))


@pytest.mark.parametrize(
    ("wrap", "unwrap", "name"),
    [
        (lambda y: y, lambda out: out, "backbone"),
        (lambda y: {"out": y}, lambda out: out["out"], "backbone"),
        (lambda y: (y, None), lambda out: out[0], "backbone"),
        (Features, lambda out: out.last, "backbone"),
        (
            lambda y: [(y, 1)],
            lambda out: out[0][0],
            "backbone.net",
        ),  # too deep: the layer inside is taken
    ],
)
def test_a_backbone_may_wrap_its_features(wrap, unwrap, name):
    assert choose(Split(wrap, unwrap).eval(), batch()).name == name
