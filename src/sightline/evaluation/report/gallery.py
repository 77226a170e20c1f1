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
class MapOnImage:
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
    maps: Sequence[MapOnImage]

    @property
    def unseen(self) -> str:
        """Whom there is no picture of, and what they measured."""
        return "; ".join(f"{one.title}: {one.value}" for one in self.maps if one.picture is None)


@dataclass(frozen=True)
class Section:
    """A part of the gallery: its title, how its images were chosen, and the images."""

    title: str
    intro: str
    exhibits: Sequence[Exhibit]


def gallery(
    summary: Summary, results: RunResults, metric: str | None, most: int = 6
) -> list[Section]:
    """The rooms, at most `most` images each.

    They are chosen by a metric with one number an image and a direction.

    Images are ranked by the mean over the methods (controls have no say); the disagreement is the
    largest minus the smallest of the methods' values. Images without a thumbnail among the views
    are not shown.
    """
    ranked_by = summary.metrics.get(metric or "")
    if ranked_by is None or not most or not results.views.num_rows or not summary.methods:
        return []
    by_method = RowsByMethod(results)
    measured = by_method.measured(ranked_by.name)
    values = np.stack([measured[name] for name in summary.methods], axis=1)
    if values.ndim != 2:
        return []
    has_view = np.isin(by_method.items, results.views["item"].to_numpy())
    values = ranked_by.scale * np.where(has_view[:, None], values, np.nan)
    whole = np.isfinite(values).all(1)
    most = min(
        most, -(-int(whole.sum()) // 2)
    )  # of a few images the best are not shown as the worst, too
    mean = np.where(whole, values.sum(1), np.nan) / values.shape[1]
    disagreement = np.where(whole, values.max(1) - values.min(1), np.nan)
    towards = -1.0 if ranked_by.higher_is_better else 1.0
    by = heading(ranked_by, ranked_by.title)
    sections = [
        ("Best images", f"by {by}, the mean over the methods", towards * mean),
        ("Worst images", f"by {by}, the mean over the methods", -towards * mean),
        ("Largest disagreement", f"largest minus smallest {by} of the methods", -disagreement),
    ]
    if len(summary.methods) == 1:
        sections.pop()
    taken = [(title, how, *_best_placed(order, most)) for title, how, order in sections]
    maps = _exhibits(
        summary,
        results,
        by_method,
        ranked_by.name,
        sorted({int(k) for *_, some in taken for k in some}),
    )
    return [
        Section(
            title,
            f"Chosen {how}.{ties}" if how.startswith("by") else f"Chosen by the {how}.{ties}",
            [maps[int(k)] for k in some],
        )
        for title, how, ties, some in taken
        if len(some)
    ]


def _best_placed(order: Float[np.ndarray, "n"], most: int) -> tuple[str, Int[np.ndarray, "m"]]:
    """The first places by `order`, nan never.

    With a sentence where more of them are as good as the last one taken.
    """
    known = np.flatnonzero(np.isfinite(order))
    some = known[np.argsort(order[known], kind="stable")][:most]
    if not len(some):
        return "", some
    equal = int((order[known] == order[some[-1]]).sum())
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
        maps = [
            _map_on_image(name, row, photograph, summary.metrics[metric])
            for name, row in own.items()
        ]
        first = next(iter(own.values()))
        drawn = _outlined(photograph, first)
        found[place] = Exhibit(item, str(first["image"]), _caption(first), drawn, maps)
    return found


def _map_on_image(
    name: str, row: Mapping[str, Any], photograph: Image.Image, metric: Metric
) -> MapOnImage:
    value = row.get(metric.name)
    status = "" if row.get("status") in (None, "ok") else str(row["status"])
    known = written(float("nan") if value is None else metric.scale * value, metric.unit)
    unit = f" {metric.unit}" if metric.unit else ""
    return MapOnImage(
        name, title_of(name), _painted(photograph, row), f"{metric.title} {known}{unit}", status
    )


def _caption(row: Mapping[str, Any]) -> str:
    """What was explained, and how sure the model was; of a quantity, which is not predicted, it."""
    words = f"explained: {row['target_name']}" if row.get("target_name") else ""
    if row.get("full_score") is not None:
        words += ", value" if row.get("predicted") is None else ", confidence"
        words += f" {row['full_score']:.2f}"
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

    coarse = torch.tensor(row["coarse"], dtype=torch.float32, device="cpu")
    coarse = coarse.reshape(1, *row["coarse_shape"])
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
