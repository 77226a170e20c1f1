"""alpha="exact": second and third derivatives at a layer, by structure, by directions, and by
nested autograd.

    python benchmarks/exact.py

Heads with random weights on activations of 64 channels and 7 x 7 places, one image, one class,
float32. Brute force differentiates three times along one activation after another; it is timed on a
few of them and multiplied by their number.
"""

import torch
from common import in_turns, ratio
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from sightline.surgery import capture
from sightline.surgery.derivatives.curvature import curvature

CHANNELS, PLACES, SOME = 64, 7, 16


class Tokens(nn.Module):
    """A transformer's last block, read at the mean of its tokens."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block, self.head = block, nn.Linear(CHANNELS, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits."""
        return self.head(self.block(x.flatten(2).transpose(1, 2)).mean(1))


def heads() -> dict[str, nn.Module]:
    end = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(CHANNELS, 10)]
    conv = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1)
    wide = CHANNELS * PLACES**2
    block = nn.TransformerEncoderLayer(
        CHANNELS, 4, 2 * CHANNELS, 0, "gelu", batch_first=True, norm_first=True
    )
    return {
        "convolution, ReLU, pool, linear": nn.Sequential(conv, nn.ReLU(), *end),
        "convolution, batch norm, SiLU, pool, linear": nn.Sequential(
            conv, nn.BatchNorm2d(CHANNELS), nn.SiLU(), *end
        ),
        "linear, GELU, linear": nn.Sequential(
            nn.Flatten(), nn.Linear(wide, 128), nn.GELU(), nn.Linear(128, 10)
        ),
        "pool, linear, hardswish, linear (MobileNetV3)": nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(CHANNELS, 128),
            nn.Hardswish(),
            nn.Linear(128, 10),
        ),
        "pool, layer norm, linear (ConvNeXt)": nn.Sequential(
            *end[:2], nn.LayerNorm(CHANNELS), end[2]
        ),
        "layer norm of tokens, pool, linear (Swin)": Tokens(nn.LayerNorm(CHANNELS)),
        "two 1 x 1 convolutions, SiLU": nn.Sequential(
            nn.Conv2d(CHANNELS, CHANNELS, 1),
            nn.SiLU(),
            nn.Conv2d(CHANNELS, CHANNELS, 1),
            nn.SiLU(),
            *end,
        ),
        "attention and MLP, pool, linear": Tokens(block),
    }


def nested(net: nn.Module, activations: torch.Tensor, index: int) -> None:
    """What is true by definition: one activation moves, its score is differentiated three times."""
    moving = activations.flatten()[index].clone().requires_grad_()
    whole = torch.cat(
        [activations.flatten()[:index], moving.reshape(1), activations.flatten()[index + 1 :]]
    )
    y = net(whole.reshape(activations.shape))[0, 0]
    for _ in range(3):
        if y.requires_grad:
            (y,) = torch.autograd.grad(y, moving, create_graph=True, materialize_grads=True)


def main() -> None:
    torch.manual_seed(0)
    activations = torch.randn(1, CHANNELS, PLACES, PLACES)
    print(
        "| head | way | exact | directions | brute force (estimated) | exact / brute force"
        " |\n|---|---|---|---|---|---|"
    )
    for name, head in heads().items():
        net = nn.Sequential(nn.Identity(), head).eval()

        def again(net: nn.Module = net) -> tuple[object, torch.Tensor]:
            trace = capture(net, activations, "0")
            return trace, trace.outputs[:, :1].T

        trace, scores = again()
        first = trace.gradients(scores)[0]
        way = curvature(again, scores, first).strategy

        def some(net: nn.Module = net) -> None:
            with sdpa_kernel(SDPBackend.MATH):
                for index in range(SOME):
                    nested(net, activations, index)

        seconds = in_turns(
            {
                "exact": lambda a=again, s=scores, f=first: curvature(a, s, f),
                "directions": lambda a=again, s=scores, f=first: curvature(
                    a, s, f, strategies=["directions"]
                ),
                "brute": some,
            },
            rounds=3,
            warm_up=1,
        )
        times = activations.numel() / SOME
        exact, general, brute = (min(seconds[one]) for one in ("exact", "directions", "brute"))
        share = ratio(seconds, "exact", "brute")[0] / times
        cells = (
            f"{1e3 * exact:.0f} ms | {general:.2f} s | {brute * times:.1f} s | 1 / {1 / share:.0f}"
        )
        print(f"| {name} | {way} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
