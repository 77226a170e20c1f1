"""`sightline explain`: a folder of pictures in, a page of explanations out."""

from pathlib import Path
from typing import Any

import click

from sightline.apps.cli.model_options import ModelChoice, model_options
from sightline.apps.cli.options import (
    device_option,
    method_option,
    named_values,
    on,
    out_option,
)


@click.command()
@click.argument("pictures", nargs=-1, required=True)
@model_options
@method_option(("grad_cam_pp",), "A method (see `sightline methods`); may be given several times.")
@click.option(
    "--target",
    "-t",
    "targets",
    multiple=True,
    help="A class number or name, top3, or predicted (the default); may be given several times.",
)
@click.option(
    "--layer",
    default=None,
    help="The layer to explain; left out, it is found (see `sightline layers`).",
)
@out_option("out", "The folder to write into.")
@click.option(
    "--batch",
    "batch_size",
    type=click.IntRange(1),
    default=None,
    help="Pictures at a time; left out, 8 on a CPU and what its memory holds on a GPU.",
)
@click.option(
    "--score",
    type=click.Choice(["exp", "softmax", "log_softmax", "sigmoid"]),
    default=None,
    help="The form of the score Grad-CAM++ explains (the paper's: exp).",
)
@click.option(
    "--alpha",
    type=click.Choice(["paper", "authors", "exact"]),
    default=None,
    help="Grad-CAM++'s alpha.",
)
@click.option(
    "--option",
    "-O",
    "others",
    multiple=True,
    metavar="NAME=VALUE",
    help="Any other option of a method: masks=4000.",
)
@click.option("--counterfactual", is_flag=True, help="What speaks against the target.")
@device_option
def explain(
    pictures: tuple[str, ...],
    model: ModelChoice,
    methods: tuple[str, ...],
    targets: tuple[str, ...],
    layer: str | None,
    out: Path,
    batch_size: int | None,
    score: str | None,
    alpha: str | None,
    others: tuple[str, ...],
    counterfactual: bool,
    device: str,
) -> None:
    """Explain PICTURES: files, folders or glob patterns.

    Writes a page to open in a browser (OUT/index.html), a PNG for each map, all maps as tensors,
    and a line of JSON for each. A file that cannot be read is reported; the rest is done (exit code
    2 tells). Pictures of an earlier run into the same folder stay; the page and the lines are of
    this one.

    \b
    sightline explain photos/ --model resnet50 --weights resnet50.pth
    sightline explain cat.jpg --method grad_cam_pp --method grad_cam --target top3 --out out/
    sightline explain cat.jpg --method rise -O masks=4000 -O seed=1
    sightline explain photos/ --model nets.py:build --weights mine.pth --classes names.txt
    """
    from sightline.explanation import folder

    loaded = model.load()
    files = folder.pictures(pictures, out)
    chosen: dict[str, Any] = {
        "score": score,
        "alpha": alpha,
        "counterfactual": counterfactual or None,
    }
    with click.progressbar(length=len(files), label="Explaining", show_pos=True) as bar:
        outcome = folder.explain_folder(
            on(loaded.model, device),
            files,
            out,
            target=_target(targets),
            method=methods,
            layer=layer,
            batch_size=batch_size,
            progress=bar.update,
            **{name: value for name, value in chosen.items() if value is not None},
            **named_values(others, "-O masks=4000"),
        )
    click.echo(
        f"{len(outcome.done)} explained; open {outcome.page}"
        if outcome.done
        else "Nothing could be explained."
    )
    for path, reason in outcome.failed.items():
        click.echo(f"not done: {reason if str(path) in reason else f'{path}: {reason}'}", err=True)
    if outcome.failed:
        raise SystemExit(2)


def _target(targets: tuple[str, ...]) -> Any:
    if not targets:
        return None
    return targets[0] if len(targets) == 1 else list(targets)
