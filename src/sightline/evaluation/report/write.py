"""A report on disk: the page, its drawings, every table, all from one summary."""

import os
from collections.abc import Iterable
from pathlib import Path

from sightline.atomic_write import write_atomically
from sightline.errors import StoreError
from sightline.evaluation.report.csv_tables import sheets
from sightline.evaluation.report.gallery import gallery
from sightline.evaluation.report.latex import latex
from sightline.evaluation.report.markdown import markdown
from sightline.evaluation.report.page import page
from sightline.evaluation.report.plots import curve_plot
from sightline.evaluation.report.rows_by_method import RunResults
from sightline.evaluation.report.summarise import Metrics, summarise
from sightline.evaluation.report.summary import Summary
from sightline.evaluation.report.wording import first_metric


def write(
    results: RunResults,
    out: str | os.PathLike[str],
    *,
    title: str = "",
    by: str | Iterable[str] = ("class", "tag"),
    level: int | float = 0.95,
    resamples: int = 2000,
    images: int = 6,
    ranked_by: str | None = None,
    metrics: Metrics | None = None,
    summary: Summary | None = None,
) -> list[Path]:
    """Write the report of some results into the folder `out`.

    Returns what was written, the page first.

    `report.html` (one file, works offline), `report.md`, `report.tex` (booktabs), `tables/*.csv`
    with every number in full precision, `plots/*.svg`. All say the same, because all are made from
    one `summarise`; give a `summary` to use one that was made before. `images` are shown in each
    room of the gallery, ranked by the metric `ranked_by` (Average Drop, where none is named). Files
    that are there already are replaced.

    Raises `StoreError` where nothing can be written, and what `summarise` raises.
    """
    if summary is None:
        summary = summarise(results, by, level=level, resamples=resamples, metrics=metrics)
    model = str((summary.run.get("model") or {}).get("name", "the model")).rpartition("/")[2]
    title = title or f"How far explanations of {model} can be trusted"
    drawings = {
        f"plots/{name}.svg": curve_plot(
            summary, [one for one in summary.curves if one.name == name]
        )
        for name in dict.fromkeys(one.name for one in summary.curves)
    }
    sections = gallery(summary, results, ranked_by or first_metric(summary.metrics), images)
    texts = {
        "report.html": page(title, summary, sections),
        "report.md": markdown(title, summary, list(drawings)),
        "report.tex": latex(summary),
        **{f"tables/{name}.csv": text for name, text in sheets(summary).items()},
        **drawings,
    }
    return [_write(Path(out) / name, text) for name, text in texts.items()]


def _write(path: Path, text: str) -> Path:
    """Whole or not at all: nobody finds half a page."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text)
    except OSError as error:
        raise StoreError(
            f"Expected to write {path}; the system says: {error.strerror or error}. "
            "Make room, or name another folder with --out."
        ) from error
    return path
