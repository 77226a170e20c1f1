"""`sightline layers`, `methods`, `metrics`, `models`: what there is to choose from."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from sightline.apps.cli.options import ModelChoice, method_option, model_options, out_option


@click.command()
@click.argument("name", required=False, metavar="[MODEL]")
@model_options
@click.option(
    "--size",
    type=click.IntRange(8),
    default=None,
    help="The input's height and width; the card's, if left out.",
)
@click.option(
    "--all", "everything", is_flag=True, help="Also layers that only pool, drop or pass on."
)
@click.option(
    "--measure",
    "data",
    type=click.Path(path_type=Path),
    default=None,
    help="A data set: measure on it whether layers beside the automatic one are more faithful.",
)
@method_option("grad_cam_pp", "With --measure: of which maps.")
@click.option(
    "--limit",
    type=click.IntRange(1),
    default=50,
    show_default=True,
    help="With --measure: at most this many pictures, evenly spaced. Below 30 nothing is told.",
)
@click.option(
    "--layer",
    "names",
    multiple=True,
    help="With --measure: a layer to compare, in place of those beside; several times.",
)
@out_option(
    None, "With --measure: a folder for what was measured; a run that was stopped goes on there."
)
@click.pass_context
def layers(
    context: click.Context,
    name: str | None,
    model: ModelChoice,
    size: int | None,
    everything: bool,
    data: Path | None,
    method: str,
    limit: int,
    names: tuple[str, ...],
    out: Path | None,
) -> None:
    """List the layers of a model that can be explained, in the order of running, and the automatic
    choice.

    Weights do not matter for shapes: without a local checkpoint the model is built with random
    ones. With --measure they do, and they are loaded.

    \b
    sightline layers resnet50
    sightline layers resnet50 --weights resnet50.pth --measure photos/
    """
    import torch

    from sightline.surgery.layers.choose import layers as candidates

    chosen = replace(model, name=name or model.name)
    _fitting(context, measuring=data is not None)
    if data is not None:
        _measured(chosen, data, method, limit, names, out)
        return
    loaded = chosen.for_shapes().load()
    crop = loaded.card.preprocess.crop or (224, 224)
    shape = (size, size) if size else crop
    # Looked at is noise of this shape.
    picture = torch.zeros(1, 3, *shape, dtype=torch.float32, device="cpu")
    rows = candidates(loaded.model, picture)
    kept = [row for row in rows if everything or row.chosen or not (row.passes_on or row.inside)]
    _print(
        ("layer", "made by", "channels", "grid", "stride", ""),
        [
            (
                row.name,
                row.kind,
                str(row.channels),
                " x ".join(map(str, row.grid.size)),
                " x ".join(f"{s:g}" for s in row.stride),
                "<- chosen" if row.chosen else "",
            )
            for row in kept
        ],
    )
    for row in rows:
        if row.chosen:
            click.echo(f"\n{row.name}: {row.chosen}.")


@click.command()
def methods() -> None:
    """List the methods, with what each does and where it comes from."""
    from sightline.methods.blackbox.names import BLACK_BOX_NAMES
    from sightline.methods.names import CAM_NAMES
    from sightline.methods.pixel.names import PIXEL_NAMES

    for heading, family in (
        ("Maps of a layer", CAM_NAMES),
        ("In pixel space", PIXEL_NAMES),
        ("Black boxes: the model is only shown pictures", BLACK_BOX_NAMES),
    ):
        click.secho(heading, bold=True)
        for one in family.lines:
            click.echo(f"  {one.name:24} {one.title}: {one.summary}\n{'':27}{one.paper}")
    click.echo(
        "\nguided_ before the name of a map (guided_grad_cam_pp) multiplies it with guided"
        " backpropagation."
    )


@click.command()
def metrics() -> None:
    """List the metrics by group, with what each says, which way is better, and its paper."""
    from sightline.metrics.names import GROUPS, METRIC_NAMES

    for group, names in GROUPS.items():
        if group == "all":
            continue
        click.secho(group, bold=True)
        for one in (METRIC_NAMES[name] for name in names):
            better = "higher is better" if one.higher_is_better else "lower is better"
            unit = f", {one.unit}" if one.unit else ""
            click.echo(f"  {one.name:24} {one.title} ({better}{unit}): {one.summary}")
            click.echo(f"{'':27}{one.paper}")
    click.echo("\nA group's name stands for all of its metrics, all for every one.")


@click.command()
@click.argument("pattern", default="")
def models(pattern: str) -> None:
    """List the models that can be loaded by name: those that hold PATTERN or match it (resnet*)."""
    from sightline.models import find, known

    names = find(pattern) if pattern else known()
    if not names:
        click.echo(f"No model matches {pattern!r}. `sightline models` lists all.", err=True)
        raise SystemExit(1)
    for name in names:
        click.echo(name)


def _fitting(context: click.Context, measuring: bool) -> None:
    """Raise for options of the list with a measurement, and the other way round."""
    strange = ("size", "everything") if measuring else ("method", "limit", "names", "out")
    for option in context.command.params:
        given = (
            context.get_parameter_source(option.name or "")
            is click.core.ParameterSource.COMMANDLINE
        )
        if given and option.name in strange:
            without = "without --measure" if measuring else "with --measure DATA"
            raise click.UsageError(
                f"Expected {option.opts[0]} {without}. Leave one of them out, or add the other."
            )


def _measured(
    model: ModelChoice,
    data: Path,
    method: str,
    limit: int,
    names: tuple[str, ...],
    out: Path | None,
) -> None:
    """The automatic layer against others, on a data set."""
    from sightline.evaluation.compare_layers import advice, compare_layers
    from sightline.methods.names import title_of

    loaded = model.load()
    found = compare_layers(loaded.model, data, method, layers=names or None, limit=limit, out=out)
    lines = []
    for one in found:
        order = (
            "" if one.order is None else _between(one.order.estimate, one.order.low, one.order.high)
        )
        less = (
            "" if one.less is None else _between(one.less.difference, one.less.low, one.less.high)
        )
        grid = " x ".join(map(str, one.grid))
        lines.append((one.layer, str(one.channels), grid, order, less, one.verdict))
    click.echo()
    _print(
        ("layer", "channels", "grid", "insertion - deletion", "minus the automatic layer's", ""),
        lines,
    )
    blank = (
        " A blank layer's places do not matter to what the model says."
        if any(not one.order for one in found)
        else ""
    )
    click.echo(
        f"\n{title_of(method)} of the class predicted; higher is better. Intervals of differences"
        f" hold 95 % for all of them together.{blank}\n\n{advice(found)}"
    )


def _between(mean: float, low: float, high: float) -> str:
    return f"{mean:.3f} [{low:.3f}, {high:.3f}]" if low == low else f"{mean:.3f}"


def _print(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    for row in (head, *rows):
        click.echo(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )
