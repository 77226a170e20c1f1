"""Python's pickles, read without running any code in them.

A pickle is a small program, and `pickle.load` runs what it names. This reader knows a handful of
names, those with which numpy writes its arrays, and answers them with stand-ins of its own: not
even numpy's own unpickling, which trusts its input with memory, gets to see the file. Any other
name ends the reading before it is looked up.
"""

import io
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightline.errors import DataError


def load(path: Path) -> Any:
    """The content of a pickle of numpy arrays, bytes, strings, numbers, lists, tuples and dicts.

    Strings that Python 2 wrote come back as bytes, as the CIFAR files' keys do. Arrays are of
    numbers or text. Raises `DataError` for a pickle that names anything else (nothing of it is
    run), and for a file that is none.
    """
    try:
        return _settled(_Reader(io.BytesIO(path.read_bytes()), encoding="bytes").load())
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    except Exception as error:  # a broken pickle raises nearly anything
        raise DataError(
            f"{path}: expected a pickle of arrays, as CIFAR is published; it cannot be read "
            f"({type(error).__name__}: {error}). Copy it again."
        ) from error


class _Dtype:
    """What the file says about an array's numbers: a code such as `u1`, the order of its bytes."""

    def __init__(self, code: Any = "", *_: Any) -> None:
        self.code, self.order = _text(code), "="

    def __setstate__(self, state: Any) -> None:
        self.order = _text(state[1])

    def real(self) -> np.dtype[Any]:
        if not re.fullmatch(r"[biufSU]\d{1,4}", self.code):
            raise _forbidden("numpy", f"dtype({self.code!r})")
        return np.dtype({"<": "<", ">": ">"}.get(self.order, "") + self.code)


class _Array:
    """What the file says about an array: `(version, shape, dtype, column by column, bytes)`."""

    def __init__(self, *_: Any) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def real(self) -> NDArray[Any]:
        *_, shape, dtype, by_columns, raw = self.state
        return _array(raw, dtype, shape, "F" if by_columns else "C")


def _array(raw: Any, dtype: _Dtype, shape: Any, order: Any = "C") -> NDArray[Any]:
    kind = dtype.real()
    content = raw.encode("latin1") if isinstance(raw, str) else raw
    return (
        np.frombuffer(content, dtype=kind)
        .reshape(shape, order="F" if _text(order) == "F" else "C")
        .copy()
    )


def _scalar(dtype: _Dtype, raw: Any) -> Any:
    return _array(raw, dtype, (1,))[0]


def _encoded(text: str, encoding: str = "latin1") -> bytes:
    """How Python 3 writes bytes for Python 2: text, and the one encoding this may ask for."""
    if encoding not in ("latin1", "latin-1"):
        raise _forbidden("_codecs", f"encode(..., {encoding!r})")
    return text.encode("latin1")


def _nothing() -> bytes:
    """The same for no bytes at all, which have a name of their own."""
    return b""


_KNOWN: dict[tuple[str, str], Callable[..., Any]] = {
    ("_codecs", "encode"): _encoded,
    ("__builtin__", "bytes"): _nothing,
    ("numpy", "dtype"): _Dtype,
    ("numpy", "ndarray"): _Array,
}
for _core in ("core", "_core"):  # numpy 2 moved them
    _KNOWN[f"numpy.{_core}.multiarray", "_reconstruct"] = _Array
    _KNOWN[f"numpy.{_core}.multiarray", "scalar"] = _scalar
    _KNOWN[f"numpy.{_core}.numeric", "_frombuffer"] = _array


class _Reader(pickle._Unpickler):
    """The reader written in Python.

    A broken file can make the one in C ask for all the memory there is.
    """

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _KNOWN[module, name]
        except KeyError:
            raise _forbidden(module, name) from None

    def persistent_load(self, pid: Any) -> Any:
        raise _forbidden("pickle", "persistent_load")


def _settled(value: Any) -> Any:
    """The content with real arrays in the place of the stand-ins."""
    if isinstance(value, _Array):
        return value.real()
    if isinstance(value, dict):
        return {key: _settled(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_settled(one) for one in value)
    return value


def _text(value: Any) -> str:
    return value.decode("latin1") if isinstance(value, bytes) else str(value)


def _forbidden(module: str, name: str) -> DataError:
    return DataError(
        "expected a pickle of arrays, bytes, text, numbers, lists and dicts; this one asks for"
        f" {module}.{name}, which could run code or break memory, and nothing of it was run. If you"
        " trust it, load it yourself and save it with numpy.savez."
    )
