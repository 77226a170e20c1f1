"""`sightline demo`: the main job on bundled photographs with the bundled model."""

from pathlib import Path

import click

from sightline.apps.cli.options import out_option


@click.command()
@out_option("out", "The folder to write into.")
def demo(out: Path) -> None:
    """Explain a few real photographs with the bundled model, offline, and write a page
    (OUT/index.html).
    """
    from sightline.apps.demo import run

    with click.progressbar(length=1, label="Explaining") as bar:
        page = run(out, bar.update)
    click.echo(f"Open {page}")
