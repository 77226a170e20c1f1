"""The data set's class names -> the model's numbers, by the surest sign, never by a guess."""

import json
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path

from sightline.datasets.class_lists import WNID, imagenet
from sightline.errors import DataError, TargetError
from sightline.targets.class_names import find_class

Mapped = Mapping[str, int | str | None]


def match(
    data_classes: Sequence[str],
    model_classes: Sequence[str] | None,
    mapping: Mapped | str | PathLike[str] | None = None,
    *,
    aliases: Mapping[str, Sequence[str]] | None = None,
    count: int | None = None,
) -> dict[str, int | None]:
    """For each class of the data set the model's class number; None where the model has none.

    The signs, in order: `mapping` (a dict, or a JSON file with one: the data's name to the model's
    number or name, or to None, for "none"); the same wnid; the same name, letter by letter; the
    same name in small letters, with `_` and `-` as spaces; one of the synonyms before and after
    commas. A name that fits several classes fits none. If nothing has matched so far: the same
    number, where all names are numbers; and where the model's names are not known (`model_classes`
    None), the same position, if there are as many classes as `count`, the model's outputs.

    `aliases` say what else the data's classes are called (`Data.aliases`). Words *within* a name do
    not count: VOC's `train` is no `bullet train`.

    Raises `DataError` when nothing matches, and for a mapping that cannot be read or names what is
    not there.

    >>> match(["tabby_cat", "kangaroo"], ["Tabby, tabby cat", "tench"])
    {'tabby_cat': 0, 'kangaroo': None}
    >>> match(["kangaroo", "dog"], ["wallaby", "boxer"], mapping={"kangaroo": "wallaby"})
    {'kangaroo': 0, 'dog': None}
    """
    if count is None:
        count = len(model_classes) if model_classes is not None else None
    given = _given(mapping, data_classes, model_classes, count)
    index = _Index(model_classes or ())
    found: dict[str, int | None] = {}
    for name in data_classes:
        found[name] = (
            given[name] if name in given else index.find(name, (aliases or {}).get(name, ()))
        )
    if not given and all(number is None for number in found.values()):
        found = _by_number(data_classes, aliases or {}, model_classes is not None, count) or found
    if all(number is None for number in found.values()):
        raise _nothing(data_classes, model_classes, count)
    return found


class _Index:
    """The model's names, by each of the ways in which a name is looked up.

    A key with two classes leads to none.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        table = imagenet()
        same = sum(
            _first(ours) == _spelled(name) for ours, (_, name) in zip(classes, table, strict=False)
        )
        self.is_imagenet = len(classes) == len(table) and same >= 0.9 * len(
            table
        )  # makers differ over two names
        self.numbers = {wnid: number for number, (wnid, _) in enumerate(table)}
        self.short = dict(table)
        self.exact = _unique((name, number) for number, name in enumerate(classes))
        self.whole = _unique((_spelled(name), number) for number, name in enumerate(classes))
        self.first = _unique((_first(name), number) for number, name in enumerate(classes))
        self.parts = _unique(
            (part, number) for number, name in enumerate(classes) for part in _parts(name)
        )

    def find(self, name: str, others: Sequence[str]) -> int | None:
        names = [name, *others]
        wnids = [one for one in names if WNID.fullmatch(one)]
        if self.is_imagenet:
            for wnid in wnids:
                if wnid in self.numbers:
                    return self.numbers[wnid]
        names += [self.short[wnid] for wnid in wnids if wnid in self.short]
        for known, keys in (
            (self.exact, names),
            (self.whole, [_spelled(one) for one in names]),
            (self.first, [_first(one) for one in names]),
            (self.parts, [_first(one) for one in names]),
            (self.first, [part for one in names for part in _parts(one)]),
            # Synonyms of the one are not held against synonyms of the other: two pandas share some.
        ):
            for key in keys:
                if key and (number := known.get(key)) is not None:
                    return number
        return None


def _unique(pairs: Iterable[tuple[str, int]]) -> dict[str, int | None]:
    found: dict[str, int | None] = {}
    for key, number in pairs:
        found[key] = number if found.get(key, number) == number else None
    return found


def _spelled(name: str) -> str:
    return " ".join(name.casefold().replace("_", " ").replace("-", " ").split())


def _first(name: str) -> str:
    return _spelled(name.split(",")[0])


def _parts(name: str) -> set[str]:
    return {_spelled(part) for part in name.split(",")}


def _by_number(
    classes: Sequence[str], aliases: Mapping[str, Sequence[str]], named: bool, count: int | None
) -> dict[str, int | None]:
    """Where names tell nothing: the numbers that the data's classes are, or else their position."""
    numbers = [
        next((int(one) for one in (name, *aliases.get(name, ())) if one.isdigit()), None)
        for name in classes
    ]
    known = [number for number in numbers if number is not None]
    if count is not None and len(known) == len(numbers) and max(known, default=count) < count:
        return dict(zip(classes, known, strict=True))
    if count == len(classes) and not named:
        return {name: number for number, name in enumerate(classes)}
    return {}


def _given(
    mapping: Mapped | str | PathLike[str] | None,
    data_classes: Sequence[str],
    model_classes: Sequence[str] | None,
    count: int | None,
) -> dict[str, int | None]:
    """The user's own mapping, checked: the data's name -> the model's number."""
    if mapping is None:
        return {}
    where = "the mapping"
    if not isinstance(mapping, Mapping):
        where = str(mapping)
        mapping = _read(Path(mapping).expanduser())
    plain = {_spelled(name): name for name in reversed(data_classes)}
    found = {}
    for key, value in mapping.items():
        name = key if key in data_classes else plain.get(_spelled(str(key)))
        if name is not None:  # a mapping may serve several data sets
            found[name] = (
                None if value is None else _number(key, value, where, model_classes, count)
            )
    if mapping and not found:
        raise DataError(
            f"{where}: expected names of the data set's classes as keys ({_listed(data_classes)});"
            f" came {_listed([str(key) for key in mapping])}. Write them as the data set does."
        )
    return found


def _number(
    key: str, value: object, where: str, classes: Sequence[str] | None, count: int | None
) -> int:
    if isinstance(value, str):
        try:
            return find_class(value, classes, len(classes) if classes is not None else count or 0)
        except TargetError as error:
            raise DataError(
                f"{where}: expected a class of the model for {key!r}. {error}"
            ) from error
    if (
        isinstance(value, int)
        and not isinstance(value, bool)
        and value >= 0
        and (count is None or value < count)
    ):
        return value
    raise DataError(
        f"{where}: expected for {key!r} the number of one of the model's {count or 'unknown'}"
        f" classes, its name, or null for none; came {value!r}. Change the entry."
    )


def _read(path: Path) -> Mapped:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f'{path}: expected a mapping in JSON, such as {{"kangaroo": "wallaby"}}; it cannot be'
            f" read ({error}). Mend it."
        ) from error
    if not isinstance(content, dict):
        raise DataError(
            f'{path}: expected a dict in JSON, such as {{"kangaroo": "wallaby"}}; came'
            f" {type(content).__name__}. Write one entry for each class of the data set."
        )
    return content


def _nothing(
    data_classes: Sequence[str], model_classes: Sequence[str] | None, count: int | None
) -> DataError:
    theirs = (
        f"{count or 'unknown'} classes without names"
        if model_classes is None
        else _listed(model_classes)
    )
    return DataError(
        "Expected classes that the data set and the model share; found none. The data set's:"
        f" {_listed(data_classes)}. The model's: {theirs}. Say which is which in a JSON file, as in"
        f" {{{json.dumps(next(iter(data_classes), 'cat'))}: 281}}, and pass it with --class-map"
        " FILE (class_map=)."
    )


def _listed(names: Sequence[str], most: int = 8) -> str:
    listed = ", ".join(repr(name) for name in names[:most])
    return f"{listed}, and {len(names) - most} more" if len(names) > most else listed or "none"
