"""`sightline export`: a model as an ONNX file that returns outputs and map together."""

from pathlib import Path
from typing import Any

import click

from sightline.apps.cli.options import ModelChoice, method_option, model_argument, out_option


@click.command()
@model_argument
@out_option("explainer.onnx", "The file to write.")
@method_option("grad_cam_pp", "A method (see `sightline methods`).")
@click.option(
    "--layer",
    default=None,
    help="The layer to explain; left out, it is found (see `sightline layers`).",
)
@click.option(
    "--target",
    "-t",
    default=None,
    help="A class number or name; given: classes are a second input; predicted, if left out.",
)
@click.option(
    "--size",
    type=click.IntRange(8),
    default=None,
    help="The input's height and width; the card's, if left out.",
)
@click.option(
    "--any-size", is_flag=True, help="Height and width may vary, where the model allows it."
)
@click.option("--coarse", is_flag=True, help="Also the signed map on the layer's own grid.")
def export(
    model: ModelChoice,
    out: Path,
    method: str,
    layer: str | None,
    target: str | None,
    size: int | None,
    any_size: bool,
    coarse: bool,
) -> None:
    """Write MODEL as an ONNX file that explains itself: outputs and map in one pass, without
    PyTorch.

    \b
    sightline export resnet50 --weights resnet50.pth --out explainer.onnx
    sightline export lookout --target given --coarse
    """
    import torch

    from sightline.explanation.export.exportable import exportable
    from sightline.explanation.export.onnx import to_onnx

    loaded = model.load()
    images: Any = (
        None if size is None else torch.zeros(1, 3, size, size, dtype=torch.float32, device="cpu")
    )
    explainer = exportable(
        loaded.model,
        layer,
        method,
        images=images,
        any_size=any_size,
        coarse=coarse,
        target=int(target) if target is not None and target.isdigit() else target,
    )
    path = to_onnx(explainer, out)
    click.echo(f"{path}: {explainer.method} at {explainer.layer!r}, {explainer.layer_reason}")
