"""The command line: one command, one function of the library. Parse, call, print."""

import os
import sys

import click

from sightline.apps.cli.demo import demo
from sightline.apps.cli.evaluate import evaluate
from sightline.apps.cli.explain import explain
from sightline.apps.cli.export import export
from sightline.apps.cli.lists import layers, methods, metrics, models
from sightline.apps.cli.report import report
from sightline.apps.cli.seeds import seeds
from sightline.errors import SightlineError
from sightline.supply import version


def _version(context: click.Context, option: click.Parameter, asked: bool) -> None:
    """What `click.version_option` does, also in a checkout that nobody installed."""
    if asked:
        click.echo(f"{context.info_name}, version {version()}")
        context.exit()


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_version,
    help="Show the version and exit.",
)
def commands() -> None:
    """See what a vision network looked at, and know how far to trust that picture."""


for command in (explain, export, evaluate, report, seeds, layers, methods, metrics, models, demo):
    commands.add_command(command)


def main() -> None:
    """Run a command; an error raised on purpose is one clear line and exit code 1.

    Large tensors get large memory pages, unless the user has decided: a forward pass on a CPU is
    faster by a quarter.
    """
    # PyTorch asks when it makes its first tensor
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    try:
        commands(standalone_mode=True)
    except (SightlineError, OSError) as error:  # a full disk, a folder that cannot be written
        click.echo(f"sightline: {error}", err=True)
        sys.exit(1)
