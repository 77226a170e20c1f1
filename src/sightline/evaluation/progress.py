"""How a run tells how far it is: to the caller's function, on a bar, or not at all."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def reporting(
    progress: bool | Callable[[int], None], length: int | None, unit: str
) -> Iterator[Callable[[int], None]]:
    """What is called after each batch, with the number of its images that were measured.

    The caller's `progress` is called so. A bar of `length` is drawn for True, one step for each
    `unit`, an "image" or a "batch"; where nobody knows the length, there is none.

    >>> seen = []
    >>> with reporting(seen.append, None, "batch") as report:
    ...     report(3)
    >>> seen
    [3]
    """
    if callable(progress):
        yield progress
    elif not progress or length is None:
        yield lambda images: None
    else:
        import click

        with click.progressbar(length=length, label="Measuring", show_pos=True) as bar:
            yield lambda images: bar.update(images if unit == "image" else 1)
