"""Every number of a report; see each part's own words.

Methods and metrics are in the order of the run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sightline.evaluation.report.curves import Curve
from sightline.evaluation.statistics.compare import Paired, SignTest, Win
from sightline.metrics.metric import Metric


@dataclass(frozen=True)
class Score:
    """One figure of one method, in the metric's unit, with its interval.

    `n` images say something, `missing` have nothing to say (nan: no box, no confidence), `errors`
    failed. `by` and `group` name the subset; both are empty for all images.
    """

    metric: str
    figure: str
    method: str
    estimate: float
    low: float
    high: float
    n: int
    missing: int
    errors: int
    by: str = ""
    group: str = ""


@dataclass(frozen=True)
class Pair:
    """Method `a` minus method `b` in the metric's unit, over the images both measured.

    `signs` counts images: of metrics with one number an image; None of others.
    """

    metric: str
    figure: str
    a: str
    b: str
    paired: Paired
    signs: SignTest | None

    def turned(self) -> "Pair":
        """The same comparison seen from the other side."""
        d, s = self.paired, self.signs
        paired = Paired(-d.difference, -d.high, -d.low, d.p, d.n)
        signs = None if s is None else SignTest(s.smaller, s.larger, s.ties, s.p)
        return Pair(self.metric, self.figure, self.b, self.a, paired, signs)


@dataclass(frozen=True)
class Failure:
    """A row that has an error and no measurements."""

    item: int
    image: str
    method: str
    error: str


@dataclass(frozen=True)
class Caution:
    """A short sentence, the details it leaves out (a list to look into), and what it is about.

    `kind` is `few`, `note` (what `run.json` notes), `errors`, `status`, `unfinished`, `nothing`
    (that metrics had to say), `groups` (a breakdown that was cut), `assumed` (what nobody said of
    the inputs), `fooled` (a control beats every method) or `blunt` (a control is not told apart
    from the best of them).
    """

    kind: str
    sentence: str
    details: Sequence[str] = ()


@dataclass(frozen=True)
class Summary:
    """Every number of a report; see each part's own words.

    Methods and metrics are in the order of the run.
    """

    run: Mapping[str, Any]
    images: int
    methods: Sequence[str]
    controls: Sequence[str]
    metrics: Mapping[str, Metric]
    scores: Sequence[Score]
    pairs: Sequence[Pair]
    wins: Mapping[tuple[str, str], Win]
    curves: Sequence[Curve]
    failures: Sequence[Failure]
    level: float
    resamples: int
    breakdowns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    cautions: Sequence[Caution] = ()
    layers: Sequence[str] = ()

    @property
    def everybody(self) -> list[str]:
        """The methods, then the controls."""
        return [*self.methods, *self.controls]

    def figures(self) -> list[tuple[Metric, str]]:
        """Every metric with each of its figures, in order."""
        return [(one, title) for one in self.metrics.values() for title in one.figures]

    def score(
        self, metric: str, figure: str, method: str, by: str = "", group: str = ""
    ) -> Score | None:
        """One score; None where it was not measured."""
        return self._scores.get((metric, figure, method, by, group))

    def pair(self, metric: str, figure: str, a: str, b: str) -> Pair | None:
        """Method `a` minus method `b`, in whichever order it was computed; else None."""
        found = self._pairs.get((metric, figure, a, b))
        if found is not None:
            return found
        other = self._pairs.get((metric, figure, b, a))
        return None if other is None else other.turned()

    def best(self, metric: str, figure: str) -> str | None:
        """The method (no control) with the best figure.

        It is None where neither end is better or nobody has one.
        """
        higher = self.metrics[metric].higher_is_better
        found = [self.score(metric, figure, method) for method in self.methods]
        kept = [one for one in found if one is not None and one.n]
        if higher is None or not kept:
            return None
        return (max if higher else min)(kept, key=lambda one: one.estimate).method

    def stands_out(self, metric: str, figure: str) -> str | None:
        """The best method, where its difference to every other method is `clear`.

        None where it is not.
        """
        winner = self.best(metric, figure)
        others = [name for name in self.methods if name != winner]
        if winner is None or not others:
            return None
        found = [self.pair(metric, figure, winner, one) for one in others]
        return winner if all(pair is not None and pair.paired.clear for pair in found) else None

    def fooled_by(self, metric: str, figure: str) -> list[str]:
        """The controls that beat the best method, their paired interval to it excluding 0."""
        return [control for control in self.controls if self._lead(metric, figure, control)[0] > 0]

    def blind_to(self, metric: str, figure: str) -> list[str]:
        """The controls that are not told apart from the best method.

        Their paired interval to it holds 0.
        """
        leads = {control: self._lead(metric, figure, control) for control in self.controls}
        return [control for control, (least, most) in leads.items() if least <= 0 <= most]

    def _lead(self, metric: str, figure: str, control: str) -> tuple[float, float]:
        """By how much a control is better than the best method, at least and at most; else nan."""
        winner = self.best(metric, figure)
        pair = None if winner is None else self.pair(metric, figure, control, winner)
        if pair is None:
            return float("nan"), float("nan")
        low, high = pair.paired.low, pair.paired.high
        return (low, high) if self.metrics[metric].higher_is_better else (-high, -low)

    @cached_property
    def _scores(self) -> dict[tuple[str, str, str, str, str], Score]:
        return {(one.metric, one.figure, one.method, one.by, one.group): one for one in self.scores}

    @cached_property
    def _pairs(self) -> dict[tuple[str, str, str, str], Pair]:
        return {(one.metric, one.figure, one.a, one.b): one for one in self.pairs}
