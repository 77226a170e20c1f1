"""The command line: one command, one function of the library. Parse, call, print."""

import os
import sys

import click

from sightline.apps.cli.demo import demo
from sightline.apps.cli.evaluate import evaluate, report
from sightline.apps.cli.explain import explain
from sightline.apps.cli.export import export
from sightline.apps.cli.lists import layers, methods, models
from sightline.apps.cli.seeds import seeds
from sightline.errors import DISTRIBUTION, SightlineError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name=DISTRIBUTION)
def commands() -> None:
    """See what a vision network looked at, and know how far to trust that picture."""


for command in (explain, export, evaluate, report, seeds, layers, methods, models, demo):
    commands.add_command(command)


def main() -> None:
    """Run a command; an error raised on purpose is one clear line and exit code 1.

    Large tensors get large memory pages, unless the user has decided: a forward pass on a CPU is
    faster by a quarter.
    """
    os.environ.setdefault(
        "THP_MEM_ALLOC_ENABLE", "1"
    )  # PyTorch asks when it makes its first tensor
    try:
        commands(standalone_mode=True)
    except (
        SightlineError,
        OSError,
    ) as error:  # OSError: a folder that cannot be written, a full disk
        click.echo(f"sightline: {error}", err=True)
        sys.exit(1)
