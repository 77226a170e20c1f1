"""The resampled sets of images behind every interval: drawn once, and the same for every metric and method."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Float, Int, UInt8

GROUPS = 10_000
"""Beyond so many images, images are put together at random in so many groups, which are resampled whole."""

_AT_ONCE = 4_000_000
"""Weights that are turned into float64 at a time: 32 MB."""


class Resamples:
    """`count` sets of `images` images, drawn with replacement. Row k of everything here is about the k-th image.

    Because all metrics and methods share these sets, the difference between two methods, resample by resample, is the
    paired bootstrap's. With more than `GROUPS` images (10,000), groups of images put together at random are drawn
    instead: an interval's width changes by less than 1 %, which is less than 2,000 resamples know of it, and
    a million images need no more memory than ten thousand.

    >>> drawn = Resamples(3, count=4, seed=0)
    >>> [int(drawn.rows(k).size) for k in range(4)], drawn.means(np.array([2.0, 2.0, 2.0])).tolist()
    ([3, 3, 3, 3], [2.0, 2.0, 2.0, 2.0])
    """

    def __init__(self, images: int, count: int = 2000, seed: int = 0) -> None:
        self.images, self.count = images, count
        self.groups = min(images, GROUPS)
        self.weights = _weights(self.groups, count, seed)
        self.group: Int[np.ndarray, "n"] | None = None
        if images > GROUPS:
            self.group = np.random.default_rng([seed, images]).permutation(images) % GROUPS

    def rows(self, k: int) -> Int[np.ndarray, "m"]:
        """The images of the k-th set, each as often as it was drawn."""
        drawn = self.weights[k] if self.group is None else self.weights[k][self.group]
        return np.repeat(np.arange(self.images), drawn)

    def means(self, values: Float[np.ndarray, "n *k"]) -> Float[np.ndarray, "r *k"]:
        """Each column's mean over each set. nan says nothing: a mean is that of the others; nan where there is none.

        Exact where all values of a column are equal: what is averaged is the distance to the first one.
        """
        columns = values.reshape(self.images, -1)
        said = np.isfinite(columns)
        first = np.take_along_axis(columns, said.argmax(0)[None], axis=0)[0]
        first = np.where(said.any(0), first, 0.0)
        sums = self._grouped(np.where(said, columns - first, 0.0))
        counts = None if said.all() else self._grouped(said.astype(np.float64))
        found = np.empty((self.count, columns.shape[1]))
        for some in self._parts():
            drawn = self.weights[some].astype(np.float64)
            sizes = drawn @ self._sizes() if counts is None else drawn @ counts
            with np.errstate(invalid="ignore"):  # 0 / 0: nobody of this set says anything
                found[some] = (drawn @ sums) / sizes + first
        return found.reshape(self.count, *values.shape[1:])

    def _grouped(self, columns: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "g k"]:
        if self.group is None:
            return columns
        return np.stack([np.bincount(self.group, column, self.groups) for column in columns.T], axis=1)

    def _sizes(self) -> Float[np.ndarray, "g 1"]:
        if self.group is None:
            return np.ones((self.groups, 1))
        return np.bincount(self.group, minlength=self.groups).astype(np.float64)[:, None]

    def _parts(self) -> Iterator[slice]:
        step = max(1, _AT_ONCE // max(1, self.groups))
        return (slice(start, start + step) for start in range(0, self.count, step))


@lru_cache(maxsize=8)
def _weights(groups: int, count: int, seed: int) -> UInt8[np.ndarray, "r g"]:
    """How often each is drawn in each set: `groups` draws with replacement."""
    generator: Any = np.random.default_rng(seed)
    weights = np.empty((count, groups), np.uint8)  # to be drawn 256 times of n is as good as impossible
    for row in weights:
        row[:] = np.bincount(generator.integers(0, groups, groups), minlength=groups)
    weights.flags.writeable = False
    return weights
