"""What the reader of a table must know before believing it, in sentences."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow.compute as pc
from jaxtyping import Bool

from sightline.evaluation.report.rows_by_method import RowsByMethod
from sightline.evaluation.report.summary import Caution, Summary
from sightline.evaluation.report.wording import count, heading, title_of, written
from sightline.evaluation.statistics.compare import FEW
from sightline.metrics.metric import Metric


def cautions(summary: Summary, by_method: RowsByMethod, cut: Mapping[str, int]) -> list[Caution]:
    """Everything to be said, the gravest first.

    `cut` says of a breakdown how many groups it left out.
    """
    if by_method.all and all(by_method.failed[name].all() for name in by_method.all):
        return [
            Caution(
                "nothing",
                f"Nothing could be measured: {_every(len(by_method))}. What was wrong is listed"
                " under Errors.",
            )
        ]
    found: list[Caution] = []
    if len(by_method) < FEW:
        found.append(
            Caution(
                "few",
                f"Only {count(len(by_method), 'image')}: with fewer than {FEW}, intervals are too"
                " narrow and differences are chance more often than they say. Measure more images"
                " before you conclude anything.",
            )
        )
    else:
        scarce = _scarce(summary)
        if scarce:
            found.append(
                Caution(
                    "few",
                    f"Fewer than {FEW} images have: {', '.join(scarce)}. Intervals of these are too"
                    " narrow.",
                )
            )
    found += [Caution("note", f"{_sentence(one)}.") for one in summary.run.get("notes") or ()]
    return [
        *found,
        *_controls(summary),
        *_rows(by_method),
        *_assumed(by_method),
        *_nothing(summary),
        *_cut(cut),
    ]


def _sentence(note: str) -> str:
    return note[:1].upper() + note[1:].rstrip(".")


def _scarce(summary: Summary) -> list[str]:
    """Metrics that few images have a say in, with their number."""
    found = []
    for name, metric in summary.metrics.items():
        n = max((one.n for one in summary.scores if one.metric == name and not one.by), default=0)
        if 0 < n < FEW:
            found.append(f"{metric.title} ({n})")
    return found


def _rows(by_method: RowsByMethod) -> list[Caution]:
    """Rows that failed, are not there, or whose map says nothing."""
    found = []
    failed, absent = _by_method(by_method.failed), _by_method(by_method.absent)
    if failed:
        images = int(np.logical_or.reduce(list(by_method.failed.values())).sum())
        if all(failed[name] == images for name in by_method.all):
            said = (
                f"{count(images, 'image')} could not be measured and"
                f" {'counts' if images == 1 else 'count'} nowhere"
            )
        else:
            rows = f"{count(sum(failed.values()), 'row')} ({count(images, 'image')})"
            said = f"{rows} could not be measured and count nowhere: {_listed(failed)}"
        found.append(Caution("errors", f"{said}. What was wrong is listed under Errors."))
    planned = (by_method.run.get("data") or {}).get("items")
    if planned and len(by_method) < planned:
        found.append(
            Caution(
                "unfinished",
                f"{planned - len(by_method):,} of {planned:,} images are not here: the run was"
                " stopped, or other shards are missing. Run the same command again to finish, or"
                " report all shards' folders together.",
            )
        )
    if absent:
        found.append(
            Caution(
                "unfinished",
                f"{count(sum(absent.values()), 'row')} not measured yet ({_listed(absent)}):"
                " comparisons are over the images that both methods measured. Run the same command"
                " again to finish.",
            )
        )
    for word in sorted(set(pc.unique(by_method.table["status"]).to_pylist()) - {None, "", "ok"}):
        said = pc.fill_null(pc.equal(by_method.table["status"], word), False).to_numpy()
        counts = {
            name: int(
                (said[by_method.at[name]] & ~by_method.absent[name] & ~by_method.failed[name]).sum()
            )
            for name in by_method.all
        }
        if any(counts.values()):
            found.append(
                Caution(
                    "status",
                    f"“{word}” is the status of {count(sum(counts.values()), 'map')}: "
                    f"{_listed(counts)}. {_COUNTED.get(word, _AS_NOTHING)}",
                )
            )
    return found


def _assumed(by_method: RowsByMethod) -> list[Caution]:
    """What was assumed of images while they were measured, and of how many."""
    table = by_method.table
    if "notes" not in table.column_names:  # rows that were written before there were any
        return []
    notes = table["notes"].combine_chunks()
    items = table["item"].combine_chunks().take(pc.list_parent_indices(notes))
    said = zip(pc.list_flatten(notes).to_pylist(), items.to_pylist(), strict=True)
    images: dict[str, set[int]] = {}
    for note, item in said:
        images.setdefault(note, set()).add(item)
    return [
        Caution(
            "assumed",
            note if len(own) == len(by_method) else f"{count(len(own), 'image')}: {note}",
        )
        for note, own in images.items()
    ]


_AS_NOTHING = "They count as they are, as maps that show nothing."
_COUNTED = {
    "place not confirmed": (
        "They are left out of what is measured against boxes and masks, and count elsewhere as"
        " they are."
    ),
    "part of the evidence": (
        "They count as they are, as maps of one branch of the network: what the others see is not"
        " in them."
    ),
}


def _nothing(summary: Summary) -> list[Caution]:
    silent = []
    for name, metric in summary.metrics.items():
        if not any(one.n for one in summary.scores if one.metric == name and not one.by):
            silent.append(metric.title)
    if not silent:
        return []
    return [
        Caution(
            "nothing",
            f"Nothing to say on any image: {', '.join(silent)}. What such a metric needs (boxes,"
            " masks, labels, a confidence above 0) is missing from these data.",
        )
    ]


def _controls(summary: Summary) -> list[Caution]:
    """Figures in which a map that explains nothing does as well as the best method."""
    beaten: dict[str, list[tuple[str, str]]] = {}
    equal: dict[str, list[tuple[str, str]]] = {}
    for metric, figure in summary.figures():
        for control in summary.fooled_by(metric.name, figure):
            said = heading(metric, figure), f"({_against(summary, metric, figure, control)})"
            beaten.setdefault(control, []).append(said)
        for control in summary.blind_to(metric.name, figure):
            equal.setdefault(control, []).append((heading(metric, figure), ""))
    found = [
        Caution(
            "fooled",
            f"{title_of(control)}, which explains nothing, beats every method in {_first(said)}. "
            "A good value there is no sign of a good explanation.",
            _all(said),
        )
        for control, said in beaten.items()
    ]
    found += [
        Caution(
            "blunt",
            f"{title_of(control)}, which explains nothing, is not told apart from the best method"
            f" in {_first(said)}. These images do not show that a method explains anything there.",
            _all(said),
        )
        for control, said in equal.items()
    ]
    return found


def _first(said: Sequence[tuple[str, str]]) -> str:
    """The first figure with what is said of it, and how many more there are.

    >>> _first([("Loc(0) ↑", "(0.6 against 0.5 of CAM)"), ("Loc(0.25) ↑", ""), ("Loc(0.5) ↑", "")])
    'Loc(0) ↑ (0.6 against 0.5 of CAM) and in 2 more figures'
    """
    first = " ".join(said[0]).rstrip()
    return first if len(said) == 1 else f"{first} and in {count(len(said) - 1, 'more figure')}"


def _all(said: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Every figure with what is said of it, where the sentence does not name them all."""
    return tuple(" ".join(one).rstrip() for one in said) if len(said) > 1 else ()


def _every(images: int) -> str:
    return "the one image failed" if images == 1 else f"all {images:,} images failed"


def _against(summary: Summary, metric: Metric, figure: str, control: str) -> str:
    winner = str(summary.best(metric.name, figure))
    scores = [summary.score(metric.name, figure, name) for name in (control, winner)]
    ours, theirs = (written(one.estimate, metric.unit) for one in scores if one is not None)
    return f"{ours} against {theirs} of {title_of(winner)}"


def _cut(cut: Mapping[str, int]) -> list[Caution]:
    return [
        Caution(
            "groups",
            f"The breakdown by {by} has the largest groups only; {count(number, 'group')} left"
            " out.",
        )
        for by, number in cut.items()
        if number
    ]


def _by_method(masks: Mapping[str, Bool[np.ndarray, "n"]]) -> dict[str, int]:
    counts = {name: int(mask.sum()) for name, mask in masks.items()}
    return counts if any(counts.values()) else {}


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{title_of(name)} {number:,}" for name, number in counts.items() if number)
