"""Options that several commands share, and what a TAB offers for them. All without torch."""

import ast
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

Command = Callable[..., Any]

CONTROLS = ("fake_cam", "random", "centre", "edge")
"""What `sightline evaluate` takes beside methods: each explains nothing."""


def named_values(given: Iterable[str], example: str) -> dict[str, Any]:
    """Options given as NAME=VALUE: values are read as Python's, or else they are words.

    >>> named_values(["widths=(8, 16)", "norm=true", "act=gelu"], "")
    {'widths': (8, 16), 'norm': True, 'act': 'gelu'}
    """
    found: dict[str, Any] = {}
    for one in given:
        name, is_there, value = one.partition("=")
        if not is_there or not name.isidentifier():
            raise click.UsageError(
                f"Expected an option as NAME=VALUE; got {one!r}. For instance: {example}"
            )
        if name in found:
            raise click.UsageError(f"Expected {name!r} once; got it twice. Leave one of them out.")
        try:
            found[name] = ast.literal_eval(
                {"true": "True", "false": "False", "none": "None"}.get(value.lower(), value)
            )
        except (ValueError, SyntaxError):
            found[name] = value
    return found


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
