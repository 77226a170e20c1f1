"""What black boxes are asked with in tests: pictures, networks, and `shown` by hand."""

import torch
from torch import Tensor, nn

from helpers.nets import batch, convnet


def made(axes=2, b=2):
    """A network in float64 and its inputs."""
    return convnet(axes, head="fc").double(), batch(axes, b=b).double()


def scorer(net: nn.Module, klass: int):
    """The score of one picture `[c, *s]`."""

    def score(picture: Tensor) -> float:
        with torch.no_grad():
            return float(net(picture[None])[0, klass])

    return score


def linear_model(axes: int, size: tuple[int, ...], classes: int = 2) -> nn.Module:
    """Logits that are weighted sums of the pixels, and a constant."""
    torch.manual_seed(3)
    return nn.Sequential(
        nn.Flatten(), nn.Linear(3 * int(torch.tensor(size).prod()), classes)
    ).double()


def contributions(net: nn.Module, picture: Tensor, klass: int) -> Tensor:
    """Weight times pixel, summed over the channels: `[*s]`."""
    return (net[1].weight[klass].detach().view_as(picture) * picture).sum(0)
