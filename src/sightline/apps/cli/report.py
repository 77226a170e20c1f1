"""`sightline report`: what was measured, as a page and as tables."""

from pathlib import Path

import click

from sightline.apps.cli.options import out_option


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path))
@out_option(None, "The folder to write into; left out, the first of the FOLDERS.")
def report(folders: tuple[Path, ...], out: Path | None) -> None:
    """Write what `sightline evaluate` measured as a page, and as Markdown, CSV and LaTeX tables.

    FOLDERS are the --out of one run, or of all its shards, in any order. Neither the model nor the
    data is needed.
    """
    from sightline.evaluation import store
    from sightline.evaluation.arrow import import_pyarrow

    import_pyarrow()  # or what to install: the report computes with it throughout
    from sightline.evaluation.report import write

    for path in write(store.read(folders), out or folders[0]):
        click.echo(path)
