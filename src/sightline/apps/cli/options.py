"""Options that several commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

Command = Callable[..., Any]


def model_options(command: Command) -> Command:
    """Which model, and where its weights come from."""
    for option in (
        click.option(
            "--random", is_flag=True, help="Random weights: to try a model out without a download."
        ),
        click.option(
            "--weights",
            "-w",
            type=click.Path(path_type=Path),
            default=None,
            help="A local checkpoint: .safetensors, or .pth read without running code.",
        ),
        click.option(
            "--model",
            default="lookout",
            show_default=True,
            help="A model's name (see `sightline models`): lookout is bundled.",
        ),
    ):
        command = option(command)
    return command


device_option = click.option(
    "--device", default="cpu", show_default=True, help="Where to run: cpu, cuda, cuda:1, mps."
)


def on(model: Any, device: str) -> Any:
    """The model on that device, or a `ModelError`: this machine may not have it."""
    from sightline.errors import ModelError

    try:
        return model.to(device)
    except (RuntimeError, AssertionError) as error:  # torch asserts that it was built with CUDA
        reason = str(error).partition("\n")[0]
        raise ModelError(
            f"Expected a device of this machine; {device!r} is none ({reason}). Try --device cpu."
        ) from error
