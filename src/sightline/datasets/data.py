"""A data set: its records in order, its classes, and what had to be assumed while reading it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar, overload

from sightline.datasets.record import Record
from sightline.errors import DataError

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Data(Sequence[Record]):
    """A sequence of `Record`s.

    Nothing in it is opened yet, and it can be pickled for the workers that will open it.

    `name` is what the data set is called (its folder or file), `kind` how it was read, `path` where
    it lies. `classes` are the names its records and objects use, in the data set's own order; None
    where it has none. `aliases` say what else a class is called: its wnid, its synonyms, its
    number. `notes` are sentences about what was assumed or left aside. `split` is the part that was
    taken, where there are several.

    >>> data = Data(
    ...     "two", "folder", Path("two"), (Record("a.jpg", Path("two/a.jpg")), Record("b.jpg", b""))
    ... )
    >>> len(data), data[1].name, [record.name for record in data], data.classes
    (2, 'b.jpg', ['a.jpg', 'b.jpg'], None)
    """

    name: str
    kind: str
    path: Path
    records: Sequence[Record] = field(repr=False)
    classes: tuple[str, ...] | None = None
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    notes: tuple[str, ...] = ()
    split: str | None = None

    def __len__(self) -> int:
        return len(self.records)

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | Sequence[Record]:
        return self.records[index]

    def __iter__(self) -> Iterator[Record]:
        return iter(self.records)

    @property
    def errors(self) -> dict[str, str]:
        """What is wrong, by the name of the record."""
        return {record.name: record.error for record in self.records if record.error is not None}


def evenly(items: Sequence[T], limit: int | None) -> Sequence[T]:
    """At most `limit` of the items, evenly spaced and in their order; all of them for None.

    Evenly, because data sets lie sorted by class: the first hundred pictures of ImageNet are all
    tench. Raises `DataError` for a limit below 1.

    >>> evenly(range(10), 4), evenly("ab", 5)
    ([0, 2, 5, 7], 'ab')
    """
    if limit is not None and limit < 1:
        raise DataError(
            f"Expected a limit of at least 1 record; came {limit}. Leave it out to take all of"
            " them."
        )
    if limit is None or limit >= len(items):
        return items
    return [items[number * len(items) // limit] for number in range(limit)]


SPLITS = {
    "train": "train",
    "training": "train",
    "trainval": "trainval",
    "val": "val",
    "valid": "val",
}
SPLITS |= {"validation": "val", "dev": "val", "test": "test", "testing": "test"}
"""What the usual parts of a data set are called in names of files and folders."""


def split_of(stem: str) -> str | None:
    """The part of a data set that a file's name speaks of, if it does.

    >>> (
    ...     split_of("train-00001-of-00003"),
    ...     split_of("valid"),
    ...     split_of("data_batch_2"),
    ...     split_of("cats"),
    ... )
    ('train', 'val', 'train', None)
    """
    words = stem.casefold().replace("-", "_").replace(".", "_").split("_")
    if words[:2] == ["data", "batch"]:  # CIFAR-10 calls its training part so
        return "train"
    return next((SPLITS[word] for word in words if word in SPLITS), None)


def files_of_split(
    paths: Sequence[Path], split: str | None, where: Path
) -> tuple[list[Path], str | None]:
    """The files (or folders) of one split, and its name.

    Without `split` all are taken if they do not speak of several parts. Raises `DataError` when a
    choice has to be made, and when there is no such part: pictures that a model was trained on are
    never mixed in silently.

    >>> files_of_split([Path("train.npz"), Path("test.npz")], "test", Path("cifar10"))
    ([PosixPath('test.npz')], 'test')
    """
    parts = {path: split_of(path.stem) for path in paths}
    offered = list(dict.fromkeys(part for part in parts.values() if part))
    listed = ", ".join(path.name for path in list(paths)[:8])
    if split is None:
        if len(offered) > 1:
            raise DataError(
                f"{where}: expected one part of a data set; found several: {', '.join(offered)}"
                f" ({listed}). Name one, as in split={offered[-1]!r} (--split {offered[-1]}), or"
                " give the file itself."
            )
        return list(paths), offered[0] if offered else None
    wanted = SPLITS.get(split.casefold(), split)
    taken = [
        path for path in paths if parts[path] == wanted or path.stem == split or path.name == split
    ]
    if not taken:
        raise DataError(
            f"{where}: expected a part called {split!r}; found {', '.join(offered) or 'no parts'}"
            f" ({listed}). Name one of these, or leave split out."
        )
    return taken, split
