"""Numbers, names and the protocol in words, the same on every page and in every table."""

import inspect
import logging
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from sightline.errors import SightlineError
from sightline.metrics.metric import Metric

logger = logging.getLogger(__name__)

CONTROL_TITLES = {
    "fake_cam": (
        "FakeCAM",
        "1 everywhere but in one corner pixel: it explains nothing, and hides nothing.",
    ),
    "random": ("Random map", "smooth noise, another one for each image."),
    "centre": ("Centre map", "a Gaussian in the middle of the picture, whatever it shows."),
    "edge": ("Edge map", "the picture's own edges, whatever the class."),
}
"""Maps that explain nothing: title, and what they are."""

NOTHING = "–"
"""Stands where there is no number."""


def title_of(method: str) -> str:
    """A method's or control's name as people write it; a name nobody knows stays as it is.

    >>> title_of("grad_cam_pp"), title_of("fake_cam"), title_of("my_cam")
    ('Grad-CAM++', 'FakeCAM', 'my_cam')
    """
    from sightline.methods.names import title_of as of_method

    if method in CONTROL_TITLES:
        return CONTROL_TITLES[method][0]
    try:
        return of_method(method)
    except SightlineError:
        return method


def arrow(metric: Metric) -> str:
    """Which way is better: an arrow, or nothing where neither end is good."""
    return {True: "↑", False: "↓", None: ""}[metric.higher_is_better]


def direction(metric: Metric) -> str:
    """The same in words."""
    return {True: "higher is better", False: "lower is better", None: "neither end is better"}[
        metric.higher_is_better
    ]


def heading(metric: Metric, figure: str) -> str:
    """A figure's name with its unit and direction, as it stands in a table.

    >>> from sightline.metrics import about, average_drop
    >>> heading(about(average_drop), "Average Drop")
    'Average Drop (%) ↓'
    """
    name = named(metric, figure)
    unit = f" ({metric.unit})" if metric.unit and metric.unit not in name else ""
    return f"{name}{unit} {arrow(metric)}".rstrip()


def named(metric: Metric, figure: str) -> str:
    """A figure's name, with its metric's where it would be a riddle alone: `top-1` of what?

    >>> from sightline.metrics import about, average_drop
    >>> named(about(average_drop), "Average Drop"), named(about(average_drop), "median")
    ('Average Drop', 'Average Drop, median')
    """
    return (
        figure if figure.lower().startswith(metric.title.lower()) else f"{metric.title}, {figure}"
    )


def meaning(metric: Metric) -> str:
    """The first sentence of a metric's own description.

    >>> from sightline.metrics import about, average_drop
    >>> meaning(about(average_drop))[:41]
    'Share of the confidence lost when only th'
    """
    first = (inspect.getdoc(metric.function) or "").partition("\n\n")[0].replace("\n", " ")
    return re.sub(r",? `\[[^`]*\]`", "", first)  # shapes are for those who call it


def written(value: float | int, unit: str = "", *, signed: bool = False) -> str:
    """A number as it is printed, with a true minus sign.

    Per cent has one decimal, anything else three.

    >>> (
    ...     written(36.841, "%"),
    ...     written(-0.0512, signed=True),
    ...     written(2.0, signed=True),
    ...     written(float("nan")),
    ... )
    ('36.8', '−0.051', '+2.000', '–')
    """
    if not math.isfinite(value):
        return NOTHING
    decimals = 1 if unit == "%" else 3
    if abs(value) >= 1000:
        decimals = 0
    return f"{round(value, decimals) + 0.0:{'+' if signed else ''}.{decimals}f}".replace("-", "−")


def between(low: float | int, high: float | int, unit: str = "", *, signed: bool = False) -> str:
    """An interval as it is printed; nothing where there is none.

    >>> between(30.0, 41.25, "%"), between(float("nan"), float("nan"))
    ('[30.0, 41.2]', '')
    """
    if not (math.isfinite(low) and math.isfinite(high)):
        return ""
    return f"[{written(low, unit, signed=signed)}, {written(high, unit, signed=signed)}]"


def probability(p: float | int) -> str:
    """A p value as it is printed.

    >>> probability(0.0312), probability(0.0004), probability(1.0)
    ('0.031', '<0.001', '1')
    """
    if not math.isfinite(p):
        return NOTHING
    return "<0.001" if p < 0.001 else f"{p:.3f}" if p < 0.9995 else "1"


def count(n: int, one: str, several: str = "") -> str:
    """A number of things.

    >>> count(1, "image"), count(12345, "image")
    ('1 image', '12,345 images')
    """
    return f"{n:,} {one if n == 1 else several or one + 's'}"


def protocol_sentences(run: Mapping[str, Any], layers: Sequence[str] = ()) -> list[str]:
    """How the numbers were made, in a few sentences; `layers` are those that were looked at.

    Of a protocol from another version: its fields, one by one.
    """
    from sightline.protocol import Protocol

    fields = dict(run.get("protocol") or {})
    try:
        one = Protocol.from_dict(fields)
    except (SightlineError, TypeError) as error:
        logger.debug("a protocol of another version, told field by field: %s", error)
        return ["; ".join(f"{name}: {value}" for name, value in fields.items())] if fields else []
    explained = (
        "the class the model predicts"
        if one.explained == "predicted"
        else "the class the data set gives"
    )
    layer = (
        f"layer {one.layer}"
        if one.layer
        else "the last feature map" + (f" ({', '.join(layers)})" if layers else "")
    )
    score = "its probability" if one.score == "probability" else "its logit (no probability)"
    drop = (
        "the loss divided by that confidence"
        if one.drop == "relative"
        else "the plain loss, divided by nothing"
    )
    measured = f"Each image is explained for {explained}, at {layer}; the confidence is {score}."
    if one.outputs == "value":
        measured = (
            "Each image is explained for what raises the quantity that the model returns, at"
            f" {layer}; wherever a confidence is spoken of, the value itself is measured, in its"
            " own unit."
        )
    random = f"Everything random has seed {one.seed}."
    return [
        measured,
        f"The image seen through a map: {one.masking()}.",
        random if one.outputs == "value" else f"Average Drop is {drop}; {random.lower()}",
    ]


def first_metric(metrics: Mapping[str, Metric]) -> str | None:
    """The metric that galleries and the matrix of wins are about.

    It is Average Drop, else the first with a direction.
    """
    if "average_drop" in metrics:
        return "average_drop"
    return next((name for name, one in metrics.items() if one.higher_is_better is not None), None)
