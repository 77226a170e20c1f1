"""The resampled sets of images behind every interval, the same for every metric and method."""

import math
from collections.abc import Iterator
from copy import copy
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

GROUPS = 10_000
"""Beyond so many images, images are put together at random in so many groups, which are drawn
whole.
"""

_AT_ONCE = 4_000_000
"""Numbers that are worked on at a time: 32 MB."""


class Resamples:
    """`count` sets of `images` images, drawn with replacement.

    Row k of everything here is about the k-th image.

    Because all metrics and methods share these sets, the difference between two methods, set by
    set, is the paired bootstrap's. With more than `GROUPS` images (10,000), groups of images put
    together at random are drawn instead: an interval's width changes by less than 1 %, which is
    less than 2,000 sets know of it, and a million images need no more memory than ten thousand.

    >>> drawn = Resamples(3, count=4, seed=0)
    >>> [int(drawn.rows(k).size) for k in range(4)], drawn.means(np.array([0.1, 0.1, 0.1])).tolist()
    ([3, 3, 3, 3], [0.1, 0.1, 0.1, 0.1])
    """

    def __init__(self, images: int, count: int = 2000, seed: int = 0) -> None:
        self.images, self.count = images, count
        self._weights = _weights(min(images, GROUPS), count, seed)
        self._group: Int[np.ndarray, "n"] = np.arange(images)
        if images > GROUPS:
            self._group = np.random.default_rng([seed, images]).permutation(images) % GROUPS

    def among(self, places: Int[np.ndarray, "m"]) -> "Resamples":
        """The same sets, of which only some of the images count: of a class, or that say something.

        >>> Resamples(3, count=4).among(np.array([1])).means(np.array([7.0])).tolist()
        [7.0, nan, nan, 7.0]
        """
        some = object.__new__(Resamples)
        touched, some._group = np.unique(self._group[places], return_inverse=True)
        some.images, some.count = len(places), self.count
        some._weights = (
            self._weights if len(touched) == self._weights.shape[1] else self._weights[:, touched]
        )
        return some

    def fewer(self, count: int) -> "Resamples":
        """The first of these sets, for what there is a lot of.

        >>> Resamples(3, count=4).fewer(2).count
        2
        """
        some = copy(self)
        some.count = min(count, self.count)
        some._weights = self._weights[: some.count]
        return some

    def rows(self, k: int) -> Int[np.ndarray, "m"]:
        """The images of the k-th set, each as often as it was drawn."""
        return np.repeat(np.arange(self.images), self._weights[k][self._group])

    def means(self, values: Float[np.ndarray, "n *k"]) -> Float[np.ndarray, "r *k"]:
        """Each column's mean over each set, of the images that say something there.

        It is nan where none does.

        Exact where all values of a column are equal: what is averaged is the distance to the first
        one.
        """
        columns = flat(values)
        if (
            columns.shape[1] > 1 and columns.size > _AT_ONCE
        ):  # one after the other: memory is that of one column
            return np.stack([self.means(column) for column in columns.T], axis=1).reshape(
                self.count, *values.shape[1:]
            )
        said = np.isfinite(columns)
        first = np.where(said.any(0), columns[said.argmax(0), np.arange(columns.shape[1])], 0.0)
        sums = self._grouped(np.where(said, columns - first, 0.0))
        counts = self._grouped(said if not said.all() else np.ones((self.images, 1)))
        found = np.empty((self.count, columns.shape[1]))
        for some in self._parts():
            drawn = self._weights[some].astype(np.float64)
            with np.errstate(invalid="ignore"):  # 0 / 0: nobody of this set says anything
                found[some] = (drawn @ sums) / (drawn @ counts) + first
        return found.reshape(self.count, *values.shape[1:])

    def _grouped(
        self, columns: Float[np.ndarray, "n k"] | Bool[np.ndarray, "n k"]
    ) -> Float[np.ndarray, "g k"]:
        groups = self._weights.shape[1]
        if (
            groups == self.images and (self._group == np.arange(groups)).all()
        ):  # each image is its own group
            return columns.astype(np.float64)
        return np.stack([np.bincount(self._group, column, groups) for column in columns.T], axis=1)

    def _parts(self) -> Iterator[slice]:
        step = max(1, _AT_ONCE // max(1, self._weights.shape[1]))
        return (slice(start, start + step) for start in range(0, self.count, step))


def flat(values: Float[np.ndarray, "n *k"]) -> Float[np.ndarray, "n _"]:
    """One row an image, whatever it contributed.

    >>> flat(np.zeros(3)).shape, flat(np.zeros((0, 2, 2))).shape
    ((3, 1), (0, 4))
    """
    return values.reshape(len(values), math.prod(values.shape[1:]))


@lru_cache(maxsize=4)
def _weights(groups: int, count: int, seed: int) -> UInt8[np.ndarray, "r g"]:
    """How often each is drawn in each set: `groups` draws with replacement."""
    generator = np.random.default_rng(seed)
    weights = np.empty(
        (count, groups), np.uint8
    )  # nobody is ever drawn 256 times: on average it is once
    for row in weights if groups else ():
        row[:] = np.bincount(generator.integers(0, groups, groups), minlength=groups)
    weights.flags.writeable = False
    return weights
