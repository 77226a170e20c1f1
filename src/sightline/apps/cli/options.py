"""Options that several commands share, and what a TAB offers for them. All without torch."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from sightline.models import Loaded

Command = Callable[..., Any]

CONTROLS = ("fake_cam", "random", "centre", "edge")
"""What `sightline evaluate` takes beside methods: each explains nothing."""


@dataclass(frozen=True)
class ModelChoice:
    """Which model, and whose weights: what loading needs, which takes seconds and comes last."""

    name: str
    weights: Path | None = None
    random: bool = False

    def __post_init__(self) -> None:
        if self.weights is not None and self.random:
            raise click.UsageError(
                "Expected one source of weights; got --weights and --random. Give one of the two."
            )

    def load(self) -> "Loaded":
        """The model with its card; random weights where they were asked for."""
        from sightline.models import load

        return load(self.name, weights=self.weights, pretrained=False if self.random else None)

    def for_shapes(self) -> "ModelChoice":
        """The same, for whom weights do not matter: only those that are there already."""
        there = self.weights is not None or self.name == "lookout"
        return self if there else replace(self, random=True)


def _hands_over_a_model(which: Command, what: str) -> Command:
    """Options for a model and its weights; the command is given them as one `ModelChoice`."""

    def decorate(command: Command) -> Command:
        @wraps(command)
        def with_model(*, model: str, weights: Path | None, random: bool, **others: Any) -> Any:
            return command(model=ModelChoice(model, weights, random), **others)

        for option in (
            click.option(
                "--random",
                is_flag=True,
                help=f"Random weights: to try {what} out without a download.",
            ),
            click.option(
                "--weights",
                "-w",
                type=click.Path(path_type=Path),
                default=None,
                help="A local checkpoint: .safetensors, or .pth read without running code.",
            ),
            which,
        ):
            with_model = option(with_model)
        return with_model

    return decorate


model_options = _hands_over_a_model(
    click.option(
        "--model",
        default="lookout",
        show_default=True,
        help="A model's name (see `sightline models`): lookout is bundled.",
    ),
    "a model",
)
"""`--model`, `--weights`, `--random`: the command's `model` is a `ModelChoice`."""

model_argument = _hands_over_a_model(click.argument("model"), "an export")
"""The same with the model as the command's first word."""


def out_option(default: str | None, help: str) -> Command:
    """`--out`, `-o`: where to write."""
    return click.option(
        "--out",
        "-o",
        type=click.Path(path_type=Path),
        default=None if default is None else Path(default),
        show_default=default is not None,
        help=help,
    )


def method_option(
    default: str | tuple[str, ...] | None, help: str, *, controls: bool = False
) -> Command:
    """`--method`, `-m`: one, or with a tuple of defaults several, given as `methods`."""
    several = isinstance(default, tuple)
    return click.option(
        "--method",
        "-m",
        *(["methods"] if several else []),
        multiple=several,
        default=default,
        show_default=default is not None,
        help=help,
        shell_complete=complete_method_or_control if controls else complete_method,
    )


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


def complete_method(
    context: click.Context, option: click.Parameter, begun: str
) -> list["CompletionItem"]:
    """The methods whose names begin so; guided products once `guided_` is there."""
    from sightline.methods.blackbox.names import BLACK_BOX_NAMES
    from sightline.methods.names import CAM_NAMES
    from sightline.methods.pixel.names import PIXEL_NAMES

    known = {
        line.name: line.title
        for family in (CAM_NAMES, PIXEL_NAMES, BLACK_BOX_NAMES)
        for line in family.lines
    }
    if begun.startswith("guided_"):
        known |= {f"guided_{line.name}": f"Guided {line.title}" for line in CAM_NAMES.lines}
    return _beginning(begun, known)


def complete_method_or_control(
    context: click.Context, option: click.Parameter, begun: str
) -> list["CompletionItem"]:
    """The same, with the controls."""
    controls = _beginning(begun, dict.fromkeys(CONTROLS, "a control"))
    return [*complete_method(context, option, begun), *controls]


def complete_metrics(
    context: click.Context, option: click.Parameter, begun: str
) -> list["CompletionItem"]:
    """Groups and metrics that begin as the last word behind a comma does."""
    from sightline.metrics.names import GROUPS, METRIC_NAMES

    before, comma, last = begun.rpartition(",")
    known = {name: one.title for name, one in METRIC_NAMES.items()}
    known |= {name: f"{len(names)} metrics" for name, names in GROUPS.items()}
    return _beginning(last, known, f"{before}{comma}")


def complete_protocol(
    context: click.Context, option: click.Parameter, begun: str
) -> list["CompletionItem"]:
    """The presets, or else files: a protocol may be one in JSON."""
    from click.shell_completion import CompletionItem

    from sightline.protocol import PRESETS

    found = _beginning(begun, dict.fromkeys(PRESETS, ""))
    return found or [CompletionItem(begun, type="file")]


def _beginning(begun: str, known: dict[str, str], before: str = "") -> list["CompletionItem"]:
    from click.shell_completion import CompletionItem

    return [
        CompletionItem(before + name, help=title or None)
        for name, title in known.items()
        if name.startswith(begun)
    ]
