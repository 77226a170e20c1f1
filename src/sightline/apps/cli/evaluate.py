"""`sightline evaluate`: a data set in, numbers with intervals out."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from sightline.apps.cli.model_options import ModelChoice, model_options
from sightline.apps.cli.options import (
    complete_metrics,
    device_option,
    method_option,
    on,
    out_option,
)
from sightline.apps.cli.protocol_options import protocol_options

if TYPE_CHECKING:
    from sightline.protocol import Protocol


def _workers(context: click.Context, option: click.Parameter, asked: int | None) -> int:
    """How many processes may read pictures.

    With two cores one that reads takes the time of the one that measures.
    """
    return min(4, (os.cpu_count() or 1) // 4) if asked is None else asked


def _shard(context: click.Context, option: click.Parameter, text: str) -> tuple[int, int]:
    try:
        which, of = (int(part) for part in text.split("/"))
    except ValueError as error:
        raise click.UsageError(f"Expected a share K/N, such as 2/4; got {text!r}.") from error
    return which, of


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@model_options
@method_option(
    ("grad_cam", "grad_cam_pp", "grad_cam_plus"),
    "A method, or a control that explains nothing (fake_cam, random, centre, edge); may be given"
    " several times.",
    controls=True,
)
@click.option(
    "--metrics",
    default="faithfulness",
    show_default=True,
    help=(
        "Metrics, or groups of them, with commas: faithfulness, curves, road, adcc, localisation,"
        " sanity, all."
    ),
    shell_complete=complete_metrics,
)
@out_option("results", "The folder to write into; a run that was stopped goes on there.")
@protocol_options
@click.option(
    "--batch",
    "batch_size",
    type=click.IntRange(1),
    default=None,
    help="Pictures at a time; 4 on a CPU, where more are slower, and 32 elsewhere, if left out.",
)
@click.option(
    "--part",
    "part_size",
    type=click.IntRange(1),
    default=32,
    show_default=True,
    help="Pictures written at once: what is lost at most when a run is killed.",
)
@click.option(
    "--workers",
    type=click.IntRange(0),
    default=None,
    callback=_workers,
    help=(
        "Processes that read pictures; 0: none beside this one. Left out: one for every four "
        "processor cores, 4 at most."
    ),
)
@click.option(
    "--shard",
    default="1/1",
    show_default=True,
    metavar="K/N",
    callback=_shard,
    help="Do the K-th of N shares; report all folders together.",
)
@click.option(
    "--limit",
    type=click.IntRange(1),
    default=None,
    help="At most this many pictures, evenly spaced.",
)
@click.option(
    "--split",
    default=None,
    help="The part of the data set to take, where it has several: val, test.",
)
@click.option(
    "--kind",
    default=None,
    help="How to read the data: folder, labelled, voc, coco, parquet, cifar.",
)
@click.option(
    "--class-map",
    type=click.Path(path_type=Path, exists=True),
    default=None,
    help="JSON: which class of the model (number or name) each class of the data is.",
)
@click.option(
    "--views",
    type=click.IntRange(0),
    default=128,
    show_default=True,
    help="Longest side of the thumbnails kept for the report, in pixels; 0: none.",
)
@device_option
def evaluate(
    data: Path,
    model: ModelChoice,
    methods: tuple[str, ...],
    metrics: str,
    out: Path,
    protocol: "Protocol",
    limit: int | None,
    split: str | None,
    kind: str | None,
    device: str,
    **how: Any,
) -> None:
    """Measure how far explanations of the pictures in DATA can be trusted.

    DATA is a folder of pictures, a folder for each class, PASCAL VOC, COCO (JSON), Parquet, or
    CIFAR arrays. Every picture and method becomes a row in OUT; a picture that cannot be used
    becomes a row with its error (exit code 2 tells), and the run goes on. Stopped runs (Ctrl-C) go
    on where they were: give the same command again.

    \b
    sightline evaluate photos/ --model resnet50 --weights resnet50.pth --out results/
    sightline evaluate VOC2007/ -m grad_cam_pp -m fake_cam --metrics faithfulness,localisation
    sightline report results/
    """
    from sightline.datasets import open_data
    from sightline.evaluation.evaluate import evaluate as measured
    from sightline.evaluation.validate import needs_truth, validated

    # what can be said without the model is said before it is loaded
    request = validated(list(methods), metrics, how["shard"], out)
    opened = open_data(data, kind=kind, split=split, limit=limit)
    needs_truth(opened, request.metrics, protocol)
    loaded = model.load()
    for note in opened.notes:
        click.echo(note, err=True)
    click.echo(
        f"protocol {protocol.digest}: {protocol.explained} class, {protocol.score};"
        f" {protocol.masking()}"
    )
    try:
        results = measured(
            on(loaded.model, device),
            opened,
            list(methods),
            metrics,
            protocol=protocol,
            out=out,
            **how,  # what is left has the names that `sightline.evaluate` gives it
        )
    except KeyboardInterrupt:
        _stopped(out, how["part_size"])
    _print_figures(results, out)


def _stopped(out: Path, part_size: int) -> NoReturn:
    """A key was pressed: what becomes of the work done so far. Exit code 130, as shells have it."""
    from sightline.evaluation.store import parts_in

    done = len(parts_in(out))
    if done:
        parts = f"{done} part{'s' * (done != 1)} of up to {part_size} pictures"
        kept = f"{out} keeps {parts}: the same command goes on from there."
    else:
        kept = (
            f"the first {part_size} pictures were not done: the same command begins again (see"
            " --part)."
        )
    click.echo(f"\nsightline: stopped; {kept}", err=True)
    raise SystemExit(130)


def _print_figures(results: Any, out: Path) -> None:
    """The figures on the terminal, and what could not be measured."""
    from sightline.evaluation.report import summarise
    from sightline.evaluation.report.wording import between, count, heading, title_of, written

    summary = summarise(results, by=())
    digest = results.run["protocol_digest"]
    for metric, figure in summary.figures():
        scores = [summary.score(metric.name, figure, name) for name in summary.everybody]
        if not any(one is not None and one.n for one in scores):
            continue  # a caution says so
        click.secho(f"{heading(metric, figure)}   (protocol {digest})", bold=True)
        for one in scores:
            if one is not None:
                interval = between(one.low, one.high, metric.unit)
                number = written(one.estimate, metric.unit)
                click.echo(f"  {title_of(one.method):28} {number:>8}  {interval}  n={one.n}")
    for caution in summary.cautions:
        click.echo(f"caution: {caution.sentence}")
    told = zip(results.column("image"), results.column("error"), strict=True)
    broken = {image: error for image, error in told if error is not None}
    click.echo(
        f"{count(summary.images, 'picture')} in {out}. Page and tables: sightline report {out}"
    )
    for image, error in list(broken.items())[:20]:
        click.echo(f"not measured: {error if image in error else f'{image}: {error}'}", err=True)
    if len(broken) > 20:
        click.echo(f"not measured: {len(broken) - 20} more; the report lists them", err=True)
    if broken:
        raise SystemExit(2)
