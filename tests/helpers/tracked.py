"""Positions read off a graph, against the pixels that autograd says a place is made of."""

from math import prod

import torch
import torch.nn.functional as F

from sightline.surgery.backward.batch_norm import derivatives
from sightline.surgery.place.structure import tracks

SIZES = {1: (24,), 2: (24, 22), 3: (16, 14, 18)}
LARGE = {1: (48,), 2: (48, 46), 3: (24, 23, 25)}
"""So large that four places lie far from the rim behind a stride of three, too."""
CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
BACK = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
MAX = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
AVG = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
TO_AVG = {1: F.adaptive_avg_pool1d, 2: F.adaptive_avg_pool2d, 3: F.adaptive_avg_pool3d}
TO_MAX = {1: F.adaptive_max_pool1d, 2: F.adaptive_max_pool2d}
LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}
AXES = [1, 2, 3]


def ramps(axes, size=None):
    """Two pictures, one rising and one falling: the maxima of a window lie at its both ends, and
    half way between them is its centre.
    """
    size = SIZES[axes] if size is None else size
    rising = torch.linspace(1, 2, prod(size), dtype=torch.double).view(1, 1, *size)
    weights = torch.tensor([1.0, 0.7, 1.3, 0.9], dtype=torch.double).view(1, 4, *[1] * axes)
    return [(rising * weights).requires_grad_(), ((3 - rising) * weights).requires_grad_()]


def seen_by(y, x, axes, place):
    """The pixels `[*s]` that a place of y is made of: |d/dx| of a mixture of its numbers."""
    numbers = y.movedim(list(axes), list(range(len(axes))))[place].flatten()
    mixture = torch.cos(torch.arange(1.0, len(numbers) + 1, dtype=torch.double))
    gradient = derivatives((numbers * mixture).sum(), x, retain_graph=True)
    return gradient.abs().sum((0, 1))


def centre(pixels, axis):
    """The centre of mass along an axis, where the first pixel has its centre at a half."""
    mass = pixels.movedim(axis, 0).flatten(1).sum(1) if pixels.ndim > 1 else pixels
    at = torch.arange(len(mass), dtype=torch.double) + 0.5
    return float((mass * at).sum() / mass.sum())


def middle(y, axes):
    """Four places in a row in the middle of the grid: whatever comes in turns of two or four."""
    first = [(y.shape[axis] - 4) // 2 for axis in axes]
    return [tuple(one + k for one in first) for k in range(4)]


def assert_tracked(f, axes, within=1e-9, grid=None, size=None):
    """The positions in the middle are those of the pixels: each `within`, all together exactly."""
    off = []
    for x in ramps(axes, size):
        y = f(x)
        own = list(range(2, 2 + axes)) if grid is None else grid
        (state,) = tracks(y, x, own)
        for place in middle(y, own):
            pixels = seen_by(y, x, own, place)
            assert float(pixels.sum()) > 0
            for k, track in zip(place, state, strict=True):
                assert track.low == track.high
                said = track.scale * (k + 0.5) + track.low
                off.append(centre(pixels, track.axis - 2) - said)
    off = torch.tensor(off, dtype=torch.double).view(2, 4, axes)
    # Of a maximum each picture shows one end of the window, the mean of both its centre.
    assert float(off.mean(0).abs().max()) <= within
    assert float(off.mean((0, 1)).abs().max()) <= 1e-9


def ones(*shape):
    return torch.ones(*shape, dtype=torch.double)
