"""The names of a model's outputs from what people have: a text file, JSON, a folder of classes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sightline.errors import ModelError

_WNID = re.compile(r"n\d{8}\s+")


def read_names(path: str | Path) -> tuple[str, ...]:
    """The names of a model's outputs, in their order.

    - a text file has one a line (a wnid before the name, as in `n02123045 tabby`, is left out);
    - a JSON file has a list of names, a name for each index, `{"0": "cat"}`, or an index for each
      name, `{"cat": 0}`, as torchvision's `class_to_idx`;
    - a folder has a sub-folder for each, and their order is that of the sorted names, as
      torchvision's `ImageFolder` counts them. Hidden ones are left out.

    Raises `ModelError` for what is none of these, for a gap, and for an index that comes twice.

    >>> from tempfile import mkdtemp
    >>> file = Path(mkdtemp()) / "names.json"
    >>> _ = file.write_text('{"1": "dog", "0": "cat"}')
    >>> read_names(file)
    ('cat', 'dog')
    """
    file = Path(path).expanduser()
    if file.is_dir():
        names = sorted(p.name for p in file.iterdir() if p.is_dir() and not p.name.startswith("."))
        if not names:
            raise _wrong(file, "it is a folder without sub-folders")
        return tuple(names)
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or f"it is no text in UTF-8: {error}"
        raise _wrong(file, f"it cannot be read ({reason})") from error
    return _from_json(text, file) if file.suffix.lower() == ".json" else _from_lines(text, file)


def _from_lines(text: str, file: Path) -> tuple[str, ...]:
    lines = text.rstrip().splitlines()
    names = [_WNID.sub("", line.strip()) for line in lines]
    if not names:
        raise _wrong(file, "it is empty")
    if "" in names:
        at = names.index("") + 1
        raise _wrong(file, f"its line {at} is empty, and output {at - 1} without a name")
    return tuple(names)


def _from_json(text: str, file: Path) -> tuple[str, ...]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise _wrong(file, f"it is no JSON ({error})") from error
    if isinstance(found, Mapping):
        found = _in_order(found, file)
    if not isinstance(found, list) or not found:
        raise _wrong(
            file, "its list is empty" if found == [] else f"it holds a {type(found).__name__}"
        )
    return tuple(_name(entry, file) for entry in found)


def _in_order(found: Mapping[str, Any], file: Path) -> list[Any]:
    """Names by their index, or indices by their name, as a list."""
    if found and all(isinstance(value, int) for value in found.values()):
        pairs = [(value, key) for key, value in found.items()]
    elif all(key.isdecimal() for key in found):
        pairs = [(int(key), value) for key, value in found.items()]
    else:
        raise _wrong(file, "its mapping has indices neither for all keys nor for all values")
    numbers = sorted(number for number, _ in pairs)
    if numbers != list(range(len(numbers))):
        gap = next((n for n in range(len(numbers)) if n not in numbers), None)
        what = f"output {gap} has no name" if gap is not None else "an index comes twice"
        raise _wrong(file, what)
    by_number = dict(pairs)
    return [by_number[number] for number in numbers]


def _name(entry: Any, file: Path) -> str:
    """A name; of `[wnid, name]`, as the well-known file of ImageNet has them, the name."""
    if isinstance(entry, list) and len(entry) == 2 and all(isinstance(one, str) for one in entry):
        entry = entry[1]
    if not isinstance(entry, str) or not entry.strip():
        raise _wrong(file, f"it has {entry!r} among the names")
    return entry.strip()


def _wrong(file: Path, came: str) -> ModelError:
    return ModelError(
        "expected the names of the model's outputs, in their order, as a text file with one a line,"
        ' JSON (["cat", "dog"] or {"0": "cat", "1": "dog"}) or a folder with a sub-folder each;'
        f" got '{file}': {came}. Mend it, or name another."
    )
