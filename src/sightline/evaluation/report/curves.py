"""Mean curves with intervals: of confidence along an order of pixels, of metrics with an axis."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from sightline.evaluation.report.rows_by_method import RowsByMethod
from sightline.evaluation.statistics.resample import Resamples
from sightline.metrics.metric import Metric
from sightline.protocol import Protocol

_GRID = np.linspace(0, 1, 41)
"""Fractions of hidden pixels at which occlusion curves are compared: each image has its own."""

_ORDERS = {
    "deletion_curve": ("Deletion", "pixels taken away, strongest first (%)"),
    "insertion_curve": ("Insertion", "pixels put in, strongest first (%)"),
    "road_morf": ("ROAD, most relevant first", "pixels imputed, strongest first (%)"),
    "road_lerf": ("ROAD, least relevant first", "pixels imputed, weakest first (%)"),
}

_READING = {
    "deletion_curve": (
        "The sooner the curve falls, the more of what the model uses stood first in the map."
    ),
    "insertion_curve": (
        "The sooner the curve rises, the more of what the model uses stood first in the map."
    ),
    "road_morf": (
        "The sooner the curve falls, the better; replaced pixels are blended into their"
        " surroundings."
    ),
    "road_lerf": (
        "The longer the curve stays up, the better; replaced pixels are blended into their"
        " surroundings."
    ),
    "occluded_curve": (
        "The longer the curve stays up while weak places are hidden, the better the map. Where many"
        " equal pixels go at once it falls early, as nothing was measured between."
    ),
}

_AXES = {
    "deltas": "threshold δ on the map",
    "road_percentages": "pixels imputed (%)",
    "thetas": "quantile θ of the map",
}


@dataclass(frozen=True)
class Curve:
    """The mean over the images that say something, at each `x`, with its pointwise interval.

    `title`, `across` and `up` (the axes, with units) and `reading` (a sentence on what is good) are
    the same for all methods of one `name`, the column it was made from.
    """

    name: str
    title: str
    across: str
    up: str
    reading: str
    method: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    n: int


def curves(
    by_method: RowsByMethod, metrics: Mapping[str, Metric], resamples: Resamples, level: int | float
) -> list[Curve]:
    """All curves that the rows hold: measured ones, then those of metrics with an axis."""
    protocol = by_method.run.get("protocol") or {}
    sure = "logit" if protocol.get("score") == "logit" else "confidence"
    if protocol.get("outputs") == "value":
        sure = "value"
    found: list[Curve] = []
    for name, (title, across) in _ORDERS.items():
        if name in by_method:
            for method, values in by_method.measured(name).items():
                x = _along(
                    protocol.get("road_percentages") if name.startswith("road") else None,
                    values.shape[1],
                )
                words = (name, title, across, sure, _READING[name], method)
                found += _curve(words, x, values, resamples, level)
    found += _occluded(by_method, sure, resamples, level)
    for name, metric in metrics.items():
        if metric.axis is None or name not in by_method:
            continue
        up = f"{metric.title} ({metric.unit})" if metric.unit else metric.title
        reading = {True: "Higher is better.", False: "Lower is better.", None: ""}[
            metric.higher_is_better
        ]
        for method, values in by_method.measured(name).items():
            if values.ndim == 2 and values.shape[1] > 1:
                entries = protocol.get(metric.axis)
                x = (
                    _along(entries, values.shape[1])
                    if metric.axis != "deltas"
                    else _as_it_is(entries, values.shape[1])
                )
                across = _AXES.get(metric.axis, metric.axis.replace("_", " "))
                words = (name, metric.title, across, up, reading, method)
                found += _curve(words, x, values * metric.scale, resamples, level)
    return found


def _occluded(
    by_method: RowsByMethod, sure: str, resamples: Resamples, level: int | float
) -> list[Curve]:
    """Relative confidence over the fraction of hidden pixels, on one grid for all images.

    See Grad-CAM++ v3, section 7.2.

    Between an image's own fractions it runs as `roc_area` counts it: straight, but in a jump wider
    than one step of theta, where nothing was measured, it falls within one such step. Images
    without confidence say nothing.
    """
    if not all(
        column in by_method for column in ("occluded_curve", "occluded_fraction", "full_score")
    ):
        return []
    seen, hidden = by_method.measured("occluded_curve"), by_method.measured("occluded_fraction")
    full = by_method.measured("full_score")
    thetas = (by_method.run.get("protocol") or {}).get("thetas", Protocol().thetas)
    words = (
        "occluded_curve",
        "Only the strongest places (ROC)",
        "pixels hidden, weakest first (%)",
        f"{sure}, whole image = 100 %",
        _READING["occluded_curve"],
    )
    found = []
    for method in by_method.all:
        with np.errstate(divide="ignore", invalid="ignore"):
            relative = seen[method] / full[method][:, None]
        values = np.full((len(by_method), len(_GRID)), np.nan)
        for k in np.flatnonzero(np.isfinite(relative).all(1) & np.isfinite(hidden[method]).all(1)):
            values[k] = np.interp(
                _GRID, *_late(hidden[method][k], relative[k], 1 / (thetas - 1)), np.nan, np.nan
            )
        found += _curve((*words, method), tuple(100 * _GRID), 100 * values, resamples, level)
    return found


def _late(
    across: Float[np.ndarray, "t"], up: Float[np.ndarray, "t"], step: float
) -> tuple[Float[np.ndarray, "s"], Float[np.ndarray, "s"]]:
    """The same points, and one more in each jump.

    It stands where the curve has come down (or up) to the point behind it.

    >>> across, up = _late(np.array([0.0, 0.25, 1.0]), np.array([1.0, 0.8, 0.2]), 0.25)
    >>> across.tolist(), up.tolist()
    ([0.0, 0.25, 0.5, 1.0], [1.0, 0.8, 0.2, 0.2])
    """
    jumps = np.flatnonzero(np.diff(across) > step * (1 + 1e-9))  # 1/20 twenty times is not 1
    return np.insert(across, jumps + 1, across[jumps] + step), np.insert(
        up, jumps + 1, up[jumps + 1]
    )


def _curve(
    words: tuple[str, str, str, str, str, str],
    x: tuple[float, ...],
    values: Float[np.ndarray, "n k"],
    resamples: Resamples,
    level: int | float,
) -> list[Curve]:
    """The curve, as a list: empty where no image says anything."""
    said = np.isfinite(values)
    n = int(said.any(1).sum())
    if not n:
        return []
    with np.errstate(invalid="ignore"):
        y = np.where(said, values, 0.0).sum(0) / said.sum(0)
    drawn = resamples.means(values)
    low, high = np.full(len(y), np.nan), np.full(len(y), np.nan)
    for k in np.flatnonzero(said.sum(0) > 1):
        finite = drawn[np.isfinite(drawn[:, k]), k]
        low[k], high[k] = np.quantile(finite, [(1 - level) / 2, (1 + level) / 2])
    mean, least, most = (tuple(map(float, line)) for line in (y, low, high))
    return [Curve(*words, x, mean, least, most, n)]


def _along(entries: Any, length: int) -> tuple[float, ...]:
    """The protocol's percentages of pixels, where they are as many as the points.

    Else equal steps.
    """
    if isinstance(entries, list | tuple) and len(entries) == length:
        return tuple(map(float, entries))
    return tuple(np.linspace(0, 100, length).tolist())


def _as_it_is(entries: Any, length: int) -> tuple[float, ...]:
    """The protocol's own numbers.

    Equal steps in [0, 1] where they are not as many as the curve has points.
    """
    if isinstance(entries, list | tuple) and len(entries) == length:
        return tuple(map(float, entries))
    return tuple(np.linspace(0, 1, length).tolist())
