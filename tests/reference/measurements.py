"""What a metric is given about a classifier, slowly and in any number of axes: each picture is
shown by itself, each map made from its equation.

The network is a `Sequential` whose part before `cut` makes the layer's activations, and whose rest
goes on from them.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from reference.blur import blur
from reference.combine import combine
from reference.deletion_steps import deletion_steps
from reference.grad_cam import grad_cam
from reference.image_map import image_map
from reference.impute import impute
from reference.occlusion import occlusion
from reference.order import quantile_mask, rank


@dataclass
class Asked:
    """Pictures `[b, c, *s]`, each asked for its class; `black` is what the model sees as that."""

    net: nn.Sequential
    cut: int
    images: Tensor
    classes: list[int]
    black: Tensor

    def says(self, images: Tensor) -> Tensor:
        """The confidence in each picture's class."""
        with torch.no_grad():
            said = [
                self.net(one[None]).softmax(1)[0, k]
                for one, k in zip(images, self.classes, strict=True)
            ]
        return torch.stack(said)

    def maps(self, images: Tensor, classes: list[int], net: nn.Sequential | None = None) -> Tensor:
        """Grad-CAM's maps in [0, 1], of any of the classes."""
        made = [self.coarse(one[None], k, net) for one, k in zip(images, classes, strict=True)]
        return image_map(torch.cat(made), list(images.shape[2:]))

    def coarse(self, one: Tensor, klass: int, net: nn.Sequential | None = None) -> Tensor:
        net = net or self.net
        activations = net[: self.cut](one).detach().requires_grad_()
        (gradients,) = torch.autograd.grad(net[self.cut :](activations)[0, klass], activations)
        return combine(grad_cam(gradients), activations.detach())

    def order(self) -> list[list[int]]:
        """Each picture's classes, the likeliest first."""
        with torch.no_grad():
            return [self.net(one[None])[0].argsort(descending=True).tolist() for one in self.images]

    def seen(self, maps: Tensor) -> Tensor:
        """What the maps let through, black elsewhere (eq. 25)."""
        seen = torch.zeros_like(self.images)
        for channel in range(self.images.shape[1]):
            black = float(self.black[channel].flatten()[0])
            seen[:, channel] = maps * self.images[:, channel] + (1 - maps) * black
        return seen

    def deleted(self, maps: Tensor, steps: int) -> Tensor:
        """Confidences while the mean colour, 0, takes the strongest places: `[b, steps + 1]`."""
        nothing = torch.zeros_like(self.images)
        return self._along(deletion_steps(self.images, nothing, rank(maps), steps))

    def inserted(self, maps: Tensor, steps: int, size: int, sigma: float) -> Tensor:
        """Confidences while the strongest places enter a blurred picture."""
        return self._along(
            deletion_steps(blur(self.images, size, sigma), self.images, rank(maps), steps)
        )

    def occluded(self, maps: Tensor, thetas: int) -> tuple[Tensor, Tensor]:
        """Confidences at each quantile, and the share of places hidden there; then all of them."""
        pictures, shares = [], []
        for k in range(thetas):
            kept = quantile_mask(maps, k / (thetas - 1))
            pictures.append(torch.where(kept[:, None], self.images, self.black))
            shares.append([sum(not on for on in one.flatten().tolist()) for one in kept])
        pictures.append(self.black.expand_as(self.images))
        places = maps[0].numel()
        fractions = torch.tensor([*shares, [places] * len(maps)], dtype=torch.float64).T / places
        return self._along(pictures), fractions

    def imputed(self, order: Tensor, percentages: tuple[int, ...], noise: list[Tensor]) -> Tensor:
        """Confidences after the first places of an order were imputed, `noise` on top of them."""
        pictures = []
        for percentage, own in zip(percentages, noise, strict=True):
            count = round(percentage / 100 * order.shape[1])
            gone = torch.zeros(order.shape, dtype=torch.bool)
            for row, places in zip(gone, order.tolist(), strict=True):
                row[places[:count]] = True
            gone = gone.view(len(order), *self.images.shape[2:])
            filled = impute(self.images, gone) + own
            pictures.append(torch.where(gone[:, None], filled, self.images))
        return self._along(pictures)

    def occlusion_maps(self, patch: int, stride: int) -> Tensor:
        """What hiding each place by 0 costs."""
        maps = []
        for one, klass in zip(self.images, self.classes, strict=True):

            def score(picture: Tensor, klass: int = klass) -> float:
                with torch.no_grad():
                    return float(self.net(picture[None]).softmax(1)[0, klass])

            maps.append(occlusion(score, one, torch.zeros_like(one), patch, stride))
        return torch.stack(maps)

    def _along(self, pictures: list[Tensor]) -> Tensor:
        return torch.stack([self.says(some) for some in pictures], dim=1)
