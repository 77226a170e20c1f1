"""Two methods on the same images: how much they differ, and how often one beats the other."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from sightline.evaluation.statistics.bootstrap import (
    Columns,
    Interval,
    Of,
    Values,
    estimate,
    has_value,
    interval,
    replicates,
)
from sightline.evaluation.statistics.resample import Resamples

FEW = 30
"""Below so many images a percentile interval is too narrow, and no difference is called clear."""


@dataclass(frozen=True)
class Paired:
    """The first method's figure minus the second's, over the images of which both say something.

    `p` is two-sided: twice the share of resamples in which the difference lies on the other side of
    0, or on it. It cannot be smaller than 2 / (resamples + 1), and is not corrected for the number
    of comparisons made.
    """

    difference: float
    low: float
    high: float
    p: float
    n: int

    @property
    def excludes_zero(self) -> bool:
        """Whether 0 lies outside of the interval.

        >>> (
        ...     Paired(1.0, 0.5, 1.5, 0.01, 50).excludes_zero,
        ...     Paired(1.0, -0.5, 1.5, 0.3, 50).excludes_zero,
        ... )
        (True, False)
        """
        return self.low > 0 or self.high < 0

    @property
    def clear(self) -> bool:
        """Whether 0 lies outside of the interval, and enough images stand behind it.

        >>> Paired(1.0, 0.5, 1.5, 0.01, 50).clear, Paired(1.0, 0.5, 1.5, 0.01, 3).clear
        (True, False)
        """
        return self.excludes_zero and self.n >= FEW


@dataclass(frozen=True)
class SignTest:
    """On how many images the first value is larger, smaller, equal.

    `p` is that of the exact test, which leaves out ties.
    """

    larger: int
    smaller: int
    ties: int
    p: float


@dataclass(frozen=True)
class Win:
    """Shares of the images, in [0, 1], on which the first method is better, equal, worse.

    They add up to 1.
    """

    win: Interval
    tie: Interval
    loss: Interval
    n: int


def paired(
    of: Of,
    values_a: Values,
    values_b: Values,
    columns: Columns | None = None,
    *,
    n: int = 2000,
    seed: int = 0,
    level: int | float = 0.95,
) -> Paired:
    """The difference between two methods' figures, by the paired bootstrap.

    Each resampled set of images serves both.

    Row k of both is the same image. Only images of which both methods say something count. The
    interval is usually much narrower than the two methods' own: an image that is hard for one is
    hard for both.

    >>> easy_and_hard = np.array([0.1, 0.9, 0.2, 0.8])
    >>> paired(lambda values: values.mean(), easy_and_hard + 0.5, easy_and_hard).excludes_zero
    True
    """
    a, b = common(values_a, values_b)
    given, resamples = columns or {}, Resamples(len(a), n, seed)
    drawn = replicates(of, a, given, resamples) - replicates(of, b, given, resamples)
    return paired_from(
        estimate(of, a, given) - estimate(of, b, given), drawn, int(has_value(a).sum()), level
    )


def paired_from(
    difference: float, drawn: Float[np.ndarray, "r"], n: int, level: int | float
) -> Paired:
    """`paired`, from the difference on `n` images and on each resampled set of them."""
    found = interval(difference, drawn, n, level)
    finite = drawn[np.isfinite(drawn)]
    if n < 2 or not finite.size:
        return Paired(found.estimate, found.low, found.high, float("nan"), n)
    across = min(int((finite <= 0).sum()), int((finite >= 0).sum()))
    return Paired(
        found.estimate, found.low, found.high, min(1.0, 2 * (across + 1) / (finite.size + 1)), n
    )


def sign_test(a: Float[np.ndarray, "n"], b: Float[np.ndarray, "n"]) -> SignTest:
    """Whether one of two is larger on more images than chance would have it.

    The test is exact and two-sided, and leaves out ties.

    It asks only for the direction on each image: a method may win most images by little and lose on
    the mean.

    >>> sign_test(np.array([3.0, 2.0, 1.0, 5.0]), np.array([1.0, 1.0, 1.0, np.nan]))
    SignTest(larger=2, smaller=0, ties=1, p=0.5)
    """
    from scipy.stats import binomtest  # only a comparison needs it

    both = np.isfinite(a) & np.isfinite(b)
    larger, smaller = int((a[both] > b[both]).sum()), int((a[both] < b[both]).sum())
    p = float(binomtest(larger, larger + smaller).pvalue) if larger + smaller else 1.0
    return SignTest(larger, smaller, int(both.sum()) - larger - smaller, p)


def win(
    a: Float[np.ndarray, "n"],
    b: Float[np.ndarray, "n"],
    *,
    higher_is_better: bool = False,
    n: int = 2000,
    seed: int = 0,
    level: int | float = 0.95,
) -> Win:
    """Win %: on how many images the first method's value is the better one.

    See Grad-CAM++ v3, section 4.1: smaller drop.

    The paper does not say what becomes of ties; here they are neither won nor lost, and stated
    beside.

    >>> shares = win(np.array([0.1, 0.5, 0.0, 0.0]), np.array([0.3, 0.4, 0.0, 0.2]))
    >>> shares.win.estimate, shares.tie.estimate, shares.loss.estimate
    (0.5, 0.25, 0.25)
    """
    return win_from(a, b, higher_is_better, Resamples(len(a), n, seed), level)


def win_from(
    a: Float[np.ndarray, "n"],
    b: Float[np.ndarray, "n"],
    higher: bool,
    resamples: Resamples,
    level: int | float,
) -> Win:
    """`win`, on sets of images drawn before."""
    outcome = np.sign(a - b) * (1.0 if higher else -1.0)
    both = np.isfinite(outcome)
    shares = np.stack([np.where(both, outcome == side, np.nan) for side in (1, 0, -1)], axis=1)
    drawn, n = resamples.means(shares), int(both.sum())
    found = [
        interval(shares[both, k].mean() if n else np.nan, drawn[:, k], n, level) for k in range(3)
    ]
    return Win(found[0], found[1], found[2], n)


def common(a: Values, b: Values) -> tuple[Values, Values]:
    """Both with nan where one of them says nothing."""
    neither = ~(has_value(a) & has_value(b))
    a, b = a.copy(), b.copy()
    a[neither] = np.nan
    b[neither] = np.nan
    return a, b
