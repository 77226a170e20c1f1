"""Files that are written whole or not at all, whatever happens half-way."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path to write to, which takes the place of `path` at the end.

    After an error, a full disk or a key pressed to stop, nothing is left beside `path`, and what
    was there before still is. The name ends as that of `path` does, for who tells formats by it.
    """
    beside = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        yield beside
        os.replace(beside, path)
    except BaseException:  # also a key pressed to stop: nothing is left lying about
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise


def write_atomically(path: Path, content: bytes | str, *, synced: bool = False) -> None:
    """Write bytes, or a text in UTF-8, whole or not at all.

    `synced` waits until they lie on the disk, so that also a power cut leaves no half file.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_atomically(Path(folder) / "a.txt", "whole")
    ...     [one.read_text() for one in Path(folder).iterdir()]
    ['whole']
    """
    with replacing(path) as beside, beside.open("wb") as file:
        file.write(content.encode("utf-8") if isinstance(content, str) else content)
        if synced:
            file.flush()
            os.fsync(file.fileno())
