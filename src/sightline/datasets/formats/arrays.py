"""Files that hold many small pictures in one array: opened once a process, whatever their form."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightline.datasets.formats.safe_pickle import load
from sightline.datasets.stored import Stored, as_ppm
from sightline.errors import DataError, ImageError

PICTURES = ("x", "images", "image", "data", "pictures", "arr_0")
LABELS = ("y", "label", "labels", "fine_label", "fine_labels", "target", "targets", "arr_1")
NAMES = ("classes", "class_names", "names", "label_names", "fine_label_names")
Array = NDArray[Any]


@dataclass(frozen=True)
class Arrays:
    """The pictures `[n, h, w]` or `[n, h, w, 3]`, or files one after the other with their offsets.

    With them come labels and names.
    """

    pictures: Array
    offsets: Array | None
    labels: Array | None
    names: tuple[str, ...] | None
    files: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.pictures) if self.offsets is None else max(0, len(self.offsets) - 1)


@dataclass(frozen=True)
class InArray(Stored):
    """The picture in one row of such a file.

    `part` is the split whose arrays are meant, where a file has several.
    """

    part: str = ""

    def read(self) -> bytes:
        """The file as it is stored, or the pixels as a PPM file. Raises `ImageError`."""
        try:
            held = opened(Path(self.path), self.part)
            if held.offsets is None:
                return as_ppm(np.asarray(held.pictures[self.row]))
            return held.pictures[held.offsets[self.row] : held.offsets[self.row + 1]].tobytes()
        except (OSError, DataError, IndexError) as error:
            raise ImageError(
                f"{self.name}: expected a picture in this file; it cannot be read ({error}). Copy"
                " it again."
            ) from error


def opened(path: Path, part: str = "") -> Arrays:
    """What a file holds; kept for the process until the file changes.

    Raises `DataError` for a file that cannot be read, or has no array of pictures.
    """
    try:
        beside = _beside(path)
        stamps = (path.stat().st_mtime_ns, 0 if beside is None else beside.stat().st_mtime_ns)
        return _opened(path, part, beside, stamps)
    except OSError as error:
        raise DataError(
            f"{path}: expected a file of arrays; it cannot be opened ({error}). Look for it."
        ) from error


@lru_cache(maxsize=8)
def _opened(path: Path, part: str, beside: Path | None, changed: tuple[int, int]) -> Arrays:
    content = _content(path, beside)
    jpeg, offsets = (_pick(content, (key,), part) for key in ("jpeg", "offset"))
    labels, names = _pick(content, LABELS, part), _pick(content, NAMES, "")
    pictures = jpeg if offsets is not None and jpeg is not None else _pick(content, PICTURES, part)
    if pictures is None:
        parts = sorted(
            {key.rpartition("_")[2] for key in content if key.rpartition("_")[0] in PICTURES}
        )
        hint = "Leave split out, or rename the arrays." if part else "Rename the arrays."
        hint = f"Name one of the parts {', '.join(parts)} with split." if parts else hint
        raise DataError(
            f"{path}: expected an array of pictures called x, images or"
            f" data{f' (_{part})' if part else ''}; found"
            f" {', '.join(map(repr, content)) or 'nothing'}. {hint}"
        )
    files = _pick(content, ("filenames",), part)
    whole = (
        np.asarray(pictures)
        if jpeg is not None and offsets is not None
        else _shaped(pictures, path)
    )
    return Arrays(
        whole,
        None if jpeg is None or offsets is None else np.asarray(offsets),
        None if labels is None else np.asarray(labels).reshape(-1),
        None if names is None else tuple(map(_text, names)),
        None if files is None else tuple(map(_text, files)),
    )


def _content(path: Path, beside: Path | None) -> Mapping[str, Any]:
    if path.suffix.lower() not in (".npz", ".npy"):
        content = load(path)
        if not isinstance(content, dict):
            raise DataError(
                f"{path}: expected a dict of arrays, as CIFAR is published; came"
                f" {type(content).__name__}. Save it with numpy.savez(x=..., y=...)."
            )
        return {_text(key): value for key, value in content.items()}
    try:
        if path.suffix.lower() == ".npy":
            labels = {} if beside is None else {"y": np.load(beside, allow_pickle=False)}
            return {"x": np.load(path, mmap_mode="r", allow_pickle=False), **labels}
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return dict(arrays)
    except (OSError, ValueError, EOFError, KeyError) as error:
        raise DataError(
            f"{path}: expected numpy's arrays of numbers or text; it cannot be read ({error}). Save"
            " it again."
        ) from error
    except Exception as error:
        if type(error).__name__ != "BadZipFile":
            raise
        raise DataError(
            f"{path}: expected numpy's .npz; it is broken ({error}). Copy it again."
        ) from error


def _beside(path: Path) -> Path | None:
    """Where the labels of a lone array of pictures lie: `labels.npy` or `y.npy` in its folder."""
    places = (path.with_name(f"{name}.npy") for name in LABELS if path.suffix.lower() == ".npy")
    return next((one for one in places if one.is_file() and one != path), None)


def _pick(content: Mapping[str, Any], names: Sequence[str], part: str) -> Any:
    wanted = [f"{name}_{part}" for name in names] if part else names
    return next((content[key] for key in wanted if key in content), None)


def _shaped(pictures: Any, path: Path) -> Array:
    """Pixels as `[n, h, w]` or `[n, h, w, 3]`.

    CIFAR's rows are the channels of a square, one after the other.
    """
    found = np.asarray(pictures) if not isinstance(pictures, np.memmap) else pictures
    if (
        found.ndim == 2
        and found.shape[1] % 3 == 0
        and (side := round((found.shape[1] / 3) ** 0.5)) ** 2 * 3 == found.shape[1]
    ):
        found = found.reshape(len(found), 3, side, side)
    if found.ndim == 4 and found.shape[1] == 3 and found.shape[3] != 3:
        found = found.transpose(0, 2, 3, 1)
    if found.ndim == 4 and found.shape[3] == 1:
        found = found[..., 0]
    if (
        found.dtype != np.uint8
        or found.ndim not in (3, 4)
        or (found.ndim == 4 and found.shape[3] != 3)
    ):
        raise DataError(
            f"{path}: expected pictures [n, h, w, 3], [n, h, w] or [n, 3, h, w] in uint8; came"
            f" {found.dtype} {list(found.shape)}. Convert them, and save with numpy.savez(x=...,"
            " y=...)."
        )
    return found


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
