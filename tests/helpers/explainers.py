"""Small networks to make explainers of, and what an explainer has to agree with."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import sightline
from sightline import Explainer


class Narrow(nn.Module):
    """A tail with what PyTorch leaves to kernels: strided, grouped and transposed convolutions,
    pools, norms.
    """

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU())
        self.tail = nn.Sequential(
            nn.MaxPool2d(3, 2, 1, ceil_mode=True),
            nn.Conv2d(8, 12, 3, stride=2, padding=1, groups=4),
            nn.GELU(),
            nn.ConvTranspose2d(12, 6, 3, stride=2, padding=1),
            nn.GroupNorm(2, 6),
            nn.SiLU(),
            nn.AvgPool2d(3, 2, 1, count_include_pad=False),
            nn.ReLU(inplace=True),
            nn.AdaptiveAvgPool2d((3, 2)),
        )
        self.head = nn.Sequential(
            nn.Flatten(), nn.LayerNorm(36), nn.Linear(36, 16), nn.Hardswish(), nn.Linear(16, 5)
        )

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"logits": self.head(self.tail(self.body(images)))}


class Tokens(nn.Module):
    """Patches, a class token, attention: a small transformer, with the token alone in the head."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.patches = nn.Conv2d(3, 16, 4, stride=4)
        self.token = nn.Parameter(torch.randn(1, 1, 16))
        self.mix = nn.Linear(16, 16)
        self.block = nn.TransformerEncoderLayer(
            16, 2, 32, batch_first=True, norm_first=True, activation="gelu"
        )
        self.head = nn.Linear(16, 5)

    def forward(self, images: Tensor) -> Tensor:
        patches = self.patches(images).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.token.expand(images.shape[0], -1, -1), patches], dim=1)
        return self.head(self.block(self.mix(tokens))[:, 0])


class Normed(nn.Module):
    """Pooled, but with a norm before the linear layer, as ConvNeXt's head: any size, and no closed
    form.
    """

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.ReLU())
        self.norm, self.head = nn.LayerNorm(8), nn.Linear(8, 5)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.norm(F.adaptive_avg_pool2d(self.body(images), 1).flatten(1)))


def noise(b: int, *size: int) -> Tensor:
    return torch.randn(b, 3, *size, generator=torch.Generator().manual_seed(2))


def agree(
    explainer: Explainer,
    model: nn.Module,
    images: Tensor,
    found: Any,
    target: Any = None,
    **asked: Any,
) -> None:
    """Raise unless outputs and maps are those of `explain`; maps must have something in them."""
    want = sightline.explain(
        model, images, target=target, layer=explainer.layer, method=explainer.method, **asked
    )
    assert want.layer == explainer.layer
    shown = want.maps.flatten(1).std(1) > 0.02
    assert all(status.word in ("ok", "no positive evidence") for status in want.status), want.status
    assert 2 * shown.sum() > len(images), "maps that are the same everywhere show nothing"
    with torch.no_grad():
        said = model(images)
    said = said["logits"] if isinstance(said, dict) else said
    close = {"rtol": 1e-4, "atol": 1e-5}
    torch.testing.assert_close(torch.as_tensor(found[0]), said, **close)
    torch.testing.assert_close(torch.as_tensor(found[1]), want.maps, rtol=0, atol=2e-5)
    if len(found) == 3:
        torch.testing.assert_close(
            torch.as_tensor(found[2]), want.coarse, rtol=1e-3, atol=1e-5 * want.coarse.abs().max()
        )
