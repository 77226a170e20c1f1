"""A plain folder of pictures: nothing is known about them but their names."""

from pathlib import Path

from sightline.datasets.data import Data, evenly
from sightline.datasets.record import Record
from sightline.errors import DataError, ImageError
from sightline.images import SUFFIXES, find, read


def image_folder(path: Path, split: str | None = None, limit: int | None = None) -> Data:
    """Every picture of a folder and those in it (or one picture), in the order of `images.find`.

    Records are called by their path within the folder. `split` names a folder in it. Raises
    `DataError` when there is no picture: a lone file that is not called as one is opened at once.

    >>> from tempfile import mkdtemp
    >>> folder = Path(mkdtemp())
    >>> for name in ["10.png", "9.png"]:
    ...     _ = (folder / name).write_bytes(b"")
    >>> [record.name for record in image_folder(folder)]
    ['9.png', '10.png']
    """
    root = path if split is None else path / split
    try:
        files = find(root)
        if root.is_file() and root.suffix.lower() not in SUFFIXES:
            read(root)
    except ImageError as error:
        raise DataError(str(error)) from error
    base = root if root.is_dir() else root.parent
    records = [Record(file.relative_to(base).as_posix(), file) for file in evenly(files, limit)]
    return Data(path.name or str(path), "folder", path, records, split=split)
