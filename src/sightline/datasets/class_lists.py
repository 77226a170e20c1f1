"""Lists of classes: what a data set's numbers and wnids mean."""

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from sightline.errors import DataError

WNID = re.compile(r"n\d{8}")
"""How a WordNet number looks, the name of an ImageNet class's folder."""


@lru_cache(maxsize=1)
def imagenet() -> tuple[tuple[str, str], ...]:
    """The 1000 classes of ImageNet-1k as `(wnid, short name)`, in the order of their wnids.

    >>> imagenet()[281], len(imagenet())
    (('n02123045', 'tabby'), 1000)
    """
    text = files("sightline.datasets").joinpath("imagenet.txt").read_text(encoding="utf-8")
    pairs = (line.split(" ", 1) for line in text.splitlines() if line.strip())
    return tuple((wnid, name) for wnid, name in pairs)


class Names:
    """Class names by number, with what else each is called.

    >>> names = Names.of(
    ...     [
    ...         {"label": 0, "wnid": "n01443537", "name": "goldfish, Carassius auratus"},
    ...         {"name": "cat"},
    ...     ]
    ... )
    >>> names.names, names.aliases["goldfish"]
    (('goldfish', 'cat'), ('n01443537', 'goldfish, Carassius auratus'))
    """

    def __init__(
        self, names: Sequence[str], aliases: Mapping[str, tuple[str, ...]] | None = None
    ) -> None:
        self.names = tuple(names)
        self.aliases = dict(aliases or {})

    @staticmethod
    def of(entries: Any) -> "Names":
        """From a list of names, of dicts (`name`, `wnid`, `label`), or a dict of numbers to names.

        Raises `DataError` for anything else.
        """
        if isinstance(entries, Mapping):
            if not all(str(key).isdigit() for key in entries):
                raise _no_list(entries)
            entries = [{"label": int(key), "name": name} for key, name in entries.items()]
        if not isinstance(entries, Sequence) or isinstance(entries, str | bytes):
            raise _no_list(entries)
        rows = sorted(_row(number, entry) for number, entry in enumerate(entries))
        if [number for number, _, _ in rows] != list(range(len(rows))):
            raise _no_list(entries)
        labels = distinct([(name.split(",")[0].strip() or wnid, wnid) for _, name, wnid in rows])
        aliases = {}
        for label, (_, name, wnid) in zip(labels, rows, strict=True):
            others = dict.fromkeys((wnid, name))  # each once
            aliases[label] = tuple(other for other in others if other and other != label)
        return Names(labels, aliases)

    @staticmethod
    def read(path: Path) -> "Names":
        """From a JSON file, or a text file with one class a line (`name`, or `wnid name`).

        Raises `DataError`.
        """
        try:
            text = path.read_text(encoding="utf-8")
            if path.suffix.lower() == ".json":
                return Names.of(json.loads(text))
        except (OSError, ValueError) as error:
            if isinstance(error, DataError):
                raise DataError(f"{path}: {error}") from error
            raise DataError(
                f"{path}: expected a list of classes; it cannot be read ({error}). Mend it or take"
                " it away."
            ) from error
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        split = [line.split(" ", 1) if WNID.match(line) else ["", line] for line in lines]
        return Names.of([{"wnid": parts[0], "name": parts[-1]} for parts in split])


def distinct(classes: Sequence[tuple[str, str]]) -> list[str]:
    """Names of classes given as `(name, key)`, the key added where two share a name.

    ImageNet has two cranes.

    >>> distinct([("crane", "n02012849"), ("tabby", "n02123045"), ("crane", "n03126707")])
    ['crane (n02012849)', 'tabby', 'crane (n03126707)']
    """
    seen: dict[str, int] = {}
    for name, _ in classes:
        seen[name] = seen.get(name, 0) + 1
    return [
        name if seen[name] == 1 else f"{name} ({key or number})"
        for number, (name, key) in enumerate(classes)
    ]


def _row(number: int, entry: Any) -> tuple[int, str, str]:
    if isinstance(entry, str):
        return number, entry, ""
    if not isinstance(entry, Mapping) or not (entry.get("name") or entry.get("wnid")):
        raise _no_list([entry])
    label = str(next((entry[key] for key in ("label", "index", "id") if key in entry), number))
    if not label.isdigit():
        raise _no_list([entry])
    return int(label), str(entry.get("name") or entry["wnid"]), str(entry.get("wnid") or "")


def _no_list(entries: Any) -> DataError:
    return DataError(
        "Expected a list of class names, a list of {'label', 'wnid', 'name'}, or names by"
        f" number, from 0 without gaps; came {str(entries)[:80]}. Write it as one of these."
    )
