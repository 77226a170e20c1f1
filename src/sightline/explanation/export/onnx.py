"""An explainer as a file that other programs can run, with what they have to know in it."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from sightline.atomic_write import replacing
from sightline.errors import ModelError, SurgeryError, install_advice
from sightline.explanation.export.explainer import Explainer
from sightline.supply import version

_ONE_FILE = 1_900_000_000
"""Bytes of weights up to which an ONNX file holds them itself; the format ends at 2 GiB."""


def to_onnx(explainer: nn.Module, path: str | Path) -> Path:
    """Write an explainer as an ONNX file; ONNX Runtime then runs it without PyTorch.

    Inputs: `images`, and `classes` (int64) for `target="given"`. Outputs: `outputs`, `maps`, and
    `coarse` if it was asked for. The batch may have any size; height and width are fixed unless the
    explainer has `any_size`. The file's metadata holds, as JSON under `sightline`, what a deployed
    program has to know: preprocessing, classes, layer. Weights of more than 1.9 GB are written
    beside the file. Needs the extra `export`.

    Raises `ModelError` without it, `SurgeryError` for a model or a method that the format has no
    operators for.
    """
    if not isinstance(explainer, Explainer):
        raise ModelError(
            f"Expected an explainer; got {type(explainer).__name__}. Make one: "
            "to_onnx(sightline.exportable(model), path)."
        )
    if Path(path).is_dir():
        raise ModelError(
            f"Expected a file to write; {path} is a folder. Name one:"
            f" {Path(path) / 'explainer.onnx'}."
        )
    try:
        # unused here: torch.onnx imports both, but only after a long trace
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ModelError(
            f"Writing ONNX needs the packages onnx and onnxscript ({error})."
            f" {install_advice('export')}"
        ) from error
    path = Path(path)
    try:
        # In two steps: left to itself, the exporter fixes the batch where it cannot follow, and
        # says nothing.
        exported = explainer.exported()
        with torch.no_grad():
            program = torch.onnx.export(
                exported,
                dynamo=True,
                verbose=False,
                input_names=["images", "classes"][: 1 + (explainer.target == "given")],
                output_names=["outputs", "maps", "coarse"][: 2 + explainer.coarse],
            )
    except Exception as error:
        raise SurgeryError(
            f"Expected a model and a method that ONNX has operators for; {explainer.method} at"
            f" {explainer.layer!r} could not be written ({type(error).__name__}: {_reason(error)})."
            " Take grad_cam_pp or grad_cam, or a later layer; torch.export.export(explainer,"
            " explainer.example()) tells more."
        ) from error
    assert program is not None
    program.model.metadata_props["sightline"] = json.dumps(_about(explainer))
    path.parent.mkdir(parents=True, exist_ok=True)
    own = {id(tensor): tensor for tensor in explainer.state_dict().values()}  # shared ones once
    weights = sum(tensor.nbytes for tensor in own.values())
    if weights > _ONE_FILE:  # the weights' own file is named in this one, and cannot be moved
        program.save(str(path), external_data=True)
    else:
        with replacing(path) as beside:
            program.save(str(beside), external_data=False)
    return path


def _reason(error: BaseException) -> str:
    """The first cause, in a line."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error).strip().partition("\n")[0]


def _about(explainer: Explainer) -> dict[str, Any]:
    card = explainer.card
    return {
        "sightline": version(),
        "model": (
            None
            if card is None
            else {"name": card.name, "source": card.source, "licence": card.licence}
        ),
        "preprocess": None if card is None else asdict(card.preprocess),
        "classes": None if card is None else card.classes,
        "layer": explainer.layer,
        "layer_reason": explainer.layer_reason,
        "method": explainer.method,
        "variant": explainer.variant,
        "target": "predicted" if explainer.target is None else explainer.target,
        "input": [
            "b",
            explainer.shape[0],
            *(("height", "width") if explainer.any_size else explainer.shape[1:]),
        ],
    }
