"""How far the pixels that places look at lie from where the grid says the places lie.

Pure arithmetic: see `docs/decisions/0020-the-place-of-a-map.md` for where it comes from and what
it was tried on.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

_WIDTH = 0.12
"""The standard deviation of the window in which a place is looked for, in sides of the picture."""


@dataclass(frozen=True)
class Figures:
    """What was measured of a layer's places.

    `correlation` of the declared positions with the centroids of what the places look at, the least
    over the axes; `spread` how wide those lie, the narrowest axis over the widest; `peak` how much
    more than its share the place looks at its most own part of the picture (1: the network does not
    tell places apart); `own` the same where the grid declares it.
    """

    correlation: float
    spread: float
    peak: float
    own: float

    @property
    def share(self) -> float:
        """How much of what is the place's own lies where it is declared; 1 for a right reading."""
        return (self.own - 1) / max(self.peak - 1, 1e-6)


class Looks:
    """What n places looked at, `[2, n, *cells]`, by two independent halves.

    What all places share (the rim, a bright corner) cancels: each cell is divided by its mean over
    the places.

    >>> looks = Looks(torch.eye(4).view(1, 4, 4).repeat(2, 1, 1))  # a signal: place k sees cell k
    >>> centres = torch.tensor([[0.125], [0.375], [0.625], [0.875]])
    >>> round(looks.figures(centres).correlation, 3), round(looks.figures(centres).share, 3)
    (1.0, 1.0)
    >>> round(looks.figures(centres.flip(0)).correlation, 3)
    -1.0
    """

    def __init__(self, looked: Tensor) -> None:
        self.at = _centres(tuple(looked.shape[2:]))
        shares = looked.flatten(2).double()
        shares = shares / shares.sum(2, keepdim=True).clamp_min(1e-300)
        self.relative = shares / shares.mean(1, keepdim=True).clamp_min(1e-300)
        sharp = (self.relative.mean(0) - 1).clamp_min(0) ** 2
        self.centroids = [_centroid(weights, self.at) for weights in (sharp, shares.mean(0))]

    def figures(self, declared: Tensor) -> Figures:
        """The figures of a reading that declares these centres `[n, axes]`, in sides of the
        picture.
        """
        declared = declared.double()
        here = self._windows(declared)
        own = ((here / here.sum(1, keepdim=True)) * self.relative).sum(2).mean()
        return Figures(
            correlation=max(_correlation(one, declared) for one in self.centroids),
            spread=_spread(self.centroids[0], declared),
            peak=self.peak,
            own=float(own),
        )

    @cached_property
    def peak(self) -> float:
        """As `Figures` has it: no reading comes into it."""
        windows = self._windows(self.at)
        smooth = self.relative @ (windows / windows.sum(0))  # [2, n, cells]
        # Where one half sees most is looked up in the other: a peak of noise is none there.
        best = smooth.argmax(2).flip(0)
        return float(smooth.gather(2, best.unsqueeze(2)).mean())

    def _windows(self, centres: Tensor) -> Tensor:
        """A Gaussian about each centre `[m, axes]`, over the cells: `[m, cells]`."""
        return torch.exp(-((centres[:, None] - self.at[None]) ** 2).sum(2) / (2 * _WIDTH**2))


def _centres(cells: tuple[int, ...]) -> Tensor:
    axes = [(torch.arange(n, dtype=torch.double, device="cpu") + 0.5) / n for n in cells]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).flatten(0, -2)


def _centroid(weights: Tensor, at: Tensor) -> Tensor:
    return (weights @ at) / weights.sum(1, keepdim=True).clamp_min(1e-300)


def _moving(declared: Tensor) -> list[int]:
    """The axes along which there is more than one place."""
    return [k for k in range(declared.shape[1]) if float(declared[:, k].std()) > 0]


def _correlation(centroids: Tensor, declared: Tensor) -> float:
    found = []
    for axis in _moving(declared):
        pair = torch.stack([centroids[:, axis], declared[:, axis]])
        pair = pair - pair.mean(1, keepdim=True)
        norms = pair.norm(dim=1)
        found.append(float(pair[0] @ pair[1] / (norms[0] * norms[1]).clamp_min(1e-12)))
    return min(found, default=0.0)


def _spread(centroids: Tensor, declared: Tensor) -> float:
    widths = [
        float(centroids[:, axis].std() / declared[:, axis].std()) for axis in _moving(declared)
    ]
    return min(widths, default=1.0) / max(max(widths, default=1.0), 1e-12)
