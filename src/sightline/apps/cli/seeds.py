"""`sightline seeds`: maps as masks and boxes."""

from pathlib import Path

import click

from sightline.apps.cli.options import method_option, out_option


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path))
@method_option(None, "The method whose maps are taken; the run's first, if left out.")
@click.option(
    "--threshold", type=float, default=0.2, show_default=True, help="Share of a map's maximum."
)
@click.option("--largest", is_flag=True, help="A box around the largest region only.")
@out_option("seeds", "The folder to write into.")
def seeds(
    folders: tuple[Path, ...], method: str | None, threshold: float, largest: bool, out: Path
) -> None:
    """Write the maps that `sightline evaluate` made as segmentation seeds (PNG) and boxes (COCO
    JSON).

    FOLDERS are the --out of one run, or of all its shards. Neither the model nor the data is
    needed.
    """
    from sightline.evaluation import store
    from sightline.evaluation.seeds import export_seeds

    found = export_seeds(
        store.read(folders), out, method=method, threshold=threshold, largest=largest
    )
    click.echo(f"{len(found.masks)} masks in {out / 'masks'}, boxes in {found.boxes}")
    if found.empty:
        click.echo(
            f"nothing to write for {len(found.empty)}: {', '.join(found.empty[:10])}", err=True
        )
