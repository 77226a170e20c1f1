"""The images worth looking at: the best, the worst, those on which the methods disagree."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float, Int
from PIL import Image

from sightline.evaluation.report.rows_by_method import RowsByMethod, RunResults
from sightline.evaluation.report.summary import Summary
from sightline.evaluation.report.wording import count, heading, title_of, written
from sightline.metrics.metric import Metric


@dataclass(frozen=True)
class Shown:
    """One method on one image.

    Its picture (None where there is no map to draw), and what the row says.
    """

    method: str
    title: str
    picture: Image.Image | None
    value: str
    note: str


@dataclass(frozen=True)
class Exhibit:
    """An image: what the model saw, and every method's map over it."""

    item: int
    name: str
    words: str
    photograph: Image.Image
    shown: Sequence[Shown]

    @property
    def unseen(self) -> str:
        """Whom there is no picture of, and what they measured."""
        return "; ".join(f"{one.title}: {one.value}" for one in self.shown if one.picture is None)


@dataclass(frozen=True)
class Room:
    """A part of the gallery: its title, how its images were chosen, and the images."""

    title: str
    intro: str
    exhibits: Sequence[Exhibit]


def gallery(summary: Summary, results: RunResults, metric: str | None, most: int = 6) -> list[Room]:
    """The rooms, at most `most` images each.

    They are chosen by a metric with one number an image and a direction.

    Images are ranked by the mean over the methods (controls have no say); the disagreement is the
    largest minus the smallest of the methods' values. Images without a thumbnail among the views
    are not shown.
    """
    chosen = summary.metrics.get(metric or "")
    if chosen is None or not most or not results.views.num_rows or not summary.methods:
        return []
    by_method = RowsByMethod(results)
    measured = by_method.measured(chosen.name)
    values = np.stack([measured[name] for name in summary.methods], axis=1)
    if values.ndim != 2:
        return []
    seen = np.isin(by_method.items, results.views["item"].to_numpy())
    values = chosen.scale * np.where(seen[:, None], values, np.nan)
    whole = np.isfinite(values).all(1)
    most = min(
        most, -(-int(whole.sum()) // 2)
    )  # of a few images the best are not shown as the worst, too
    mean = np.where(whole, values.sum(1), np.nan) / values.shape[1]
    apart = np.where(whole, values.max(1) - values.min(1), np.nan)
    towards = -1.0 if chosen.higher_is_better else 1.0
    by = heading(chosen, chosen.title)
    rooms = [
        ("Best images", f"by {by}, the mean over the methods", towards * mean),
        ("Worst images", f"by {by}, the mean over the methods", -towards * mean),
        ("Largest disagreement", f"largest minus smallest {by} of the methods", -apart),
    ]
    if len(summary.methods) == 1:
        rooms.pop()
    taken = [(title, how, *_first(order, most)) for title, how, order in rooms]
    shown = _exhibits(
        summary,
        results,
        by_method,
        chosen.name,
        sorted({int(k) for *_, some in taken for k in some}),
    )
    return [
        Room(
            title,
            f"Chosen {how}.{ties}" if how.startswith("by") else f"Chosen by the {how}.{ties}",
            [shown[int(k)] for k in some],
        )
        for title, how, ties, some in taken
        if len(some)
    ]


def _first(order: Float[np.ndarray, "n"], most: int) -> tuple[str, Int[np.ndarray, "m"]]:
    """The first places by `order`, nan never.

    With a sentence where more of them are as good as the last one taken.
    """
    said = np.flatnonzero(np.isfinite(order))
    some = said[np.argsort(order[said], kind="stable")][:most]
    if not len(some):
        return "", some
    equal = int((order[said] == order[some[-1]]).sum())
    left = equal - int((order[some] == order[some[-1]]).sum())
    ties = (
        f" {count(left, 'more image')} as good as the last one shown: the first in the data set's"
        " order are here."
    )
    return ties if left else "", some


def _exhibits(
    summary: Summary,
    results: RunResults,
    by_method: RowsByMethod,
    metric: str,
    places: Sequence[int],
) -> dict[int, Exhibit]:
    """The exhibits of some images: only their rows and thumbnails are read."""
    items = pa.array(by_method.items[list(places)])
    views = results.views.filter(pc.is_in(results.views["item"], items)).to_pylist()
    jpegs = {view["item"]: view["jpeg"] for view in views}
    rows = results.rows.filter(pc.is_in(results.rows["item"], items)).to_pylist()
    by_name: dict[tuple[int, str], Mapping[str, Any]] = {
        (row["item"], row["method"]): row for row in rows
    }
    found = {}
    for place in places:
        item = int(by_method.items[place])
        photograph = Image.open(io.BytesIO(jpegs[item])).convert("RGB")
        own = {name: by_name[item, name] for name in summary.everybody if (item, name) in by_name}
        shown = [
            _shown(name, row, photograph, summary.metrics[metric]) for name, row in own.items()
        ]
        first = next(iter(own.values()))
        drawn = _outlined(photograph, first)
        found[place] = Exhibit(item, str(first["image"]), _words(first), drawn, shown)
    return found


def _shown(name: str, row: Mapping[str, Any], photograph: Image.Image, metric: Metric) -> Shown:
    value = row.get(metric.name)
    status = "" if row.get("status") in (None, "ok") else str(row["status"])
    said = written(float("nan") if value is None else metric.scale * value, metric.unit)
    unit = f" {metric.unit}" if metric.unit else ""
    return Shown(
        name, title_of(name), _painted(photograph, row), f"{metric.title} {said}{unit}", status
    )


def _words(row: Mapping[str, Any]) -> str:
    """What was explained, and how sure the model was."""
    words = f"explained: {row['target_name']}" if row.get("target_name") else ""
    if row.get("full_score") is not None:
        words += f", confidence {row['full_score']:.2f}"
    if row.get("label_name") and row["label_name"] != row.get("target_name"):
        words += f"; labelled: {row['label_name']}"
    return words


def _painted(photograph: Image.Image, row: Mapping[str, Any]) -> Image.Image | None:
    """The stored coarse map over the thumbnail, enlarged and scaled as everywhere else."""
    if not row.get("coarse") or not row.get("coarse_shape") or len(row["coarse_shape"]) != 2:
        return None
    import torch

    from sightline.maps.upsample import image_map
    from sightline.render import overlay

    coarse = torch.tensor(row["coarse"], dtype=torch.float32).reshape(1, *row["coarse_shape"])
    return overlay(photograph, image_map(coarse, (photograph.height, photograph.width))[0])


def _outlined(photograph: Image.Image, row: Mapping[str, Any]) -> Image.Image:
    """The thumbnail with the class's boxes, which are in pixels of the view."""
    if not row.get("boxes") or not row.get("view_width") or not row.get("view_height"):
        return photograph
    from sightline.render import outline

    across, down = photograph.width / row["view_width"], photograph.height / row["view_height"]
    return outline(
        photograph, [(b[0] * across, b[1] * down, b[2] * across, b[3] * down) for b in row["boxes"]]
    )
