"""How to measure, as options of a command: a preset or a file, and what is to be different."""

import json
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sightline.apps.cli.options import Command, complete_protocol

if TYPE_CHECKING:
    from sightline.protocol import Protocol


def protocol_options(command: Command) -> Command:
    """How to measure: a preset or a file, and what is to be different. Given as one `protocol`."""

    @wraps(command)
    def with_protocol(
        *,
        protocol: str,
        changes: tuple[str, ...],
        explained: str | None,
        layer: str | None,
        **others: Any,
    ) -> Any:
        return command(protocol=_protocol(protocol, changes, explained, layer), **others)

    for option in (
        click.option("--layer", default=None, help="The layer to explain; left out, it is found."),
        click.option(
            "--explain",
            "explained",
            type=click.Choice(["predicted", "given"]),
            default=None,
            help="The class explained: the predicted one (the paper's) or the data's.",
        ),
        click.option(
            "--set",
            "changes",
            multiple=True,
            metavar="FIELD=VALUE",
            help="Change a field of the protocol, such as fill=mean; may be given several times.",
        ),
        click.option(
            "--protocol",
            default="paper",
            show_default=True,
            help=(
                "How to measure: paper, score_cam, rise, torch_cam, pytorch_grad_cam, or a JSON"
                " file."
            ),
            shell_complete=complete_protocol,
        ),
    ):
        with_protocol = option(with_protocol)
    return with_protocol


def _protocol(
    name: str, changes: tuple[str, ...], explained: str | None, layer: str | None
) -> "Protocol":
    from sightline.errors import ProtocolError
    from sightline.protocol import Protocol, preset

    fields: dict[str, Any] = {}
    for change in changes:
        word, equals, value = change.partition("=")
        if not equals:
            raise ProtocolError(
                f"Expected --set FIELD=VALUE; got {change!r}. For example --set fill=mean."
            )
        fields[word.strip()] = _value(value.strip())
    fields |= {
        word: value
        for word, value in (("explained", explained), ("layer", layer))
        if value is not None
    }
    if Path(name).suffix == ".json":
        try:
            known = json.loads(Path(name).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ProtocolError(
                f"{name}: expected a protocol in JSON; {error}. Take a preset: paper."
            ) from error
        return Protocol.from_dict({**known, **fields})
    return preset(
        name, **{word: tuple(v) if isinstance(v, list) else v for word, v in fields.items()}
    )


def _value(text: str) -> Any:
    """A number, a list or a word, as JSON would read it."""
    try:
        return json.loads(text)
    except ValueError:
        return text
