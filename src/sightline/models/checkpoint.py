"""Weights from a local file, safely: tensors are read, code is never run.

What a file is is told from its first bytes, not from its name. safetensors files and what
`torch.save` wrote (zip or legacy) are read, the latter with PyTorch's restricted unpickler;
everything else is refused with the way out.
"""

from __future__ import annotations

import argparse
import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from sightline.errors import ModelError

WRAPPERS = (
    "state_dict",
    "model_state_dict",
    "model",
    "model_ema",
    "state_dict_ema",
    "net",
    "weights",
)
"""Where training programs put the weights inside a checkpoint, the first one found counts."""

PREFIXES = ("module.", "model.", "_orig_mod.", "net.")
"""What DistributedDataParallel, Lightning, torch.compile and habit put before every name."""

_SAVE = "torch.save(model.state_dict(), 'weights.pth')"


def read_weights(path: str | Path, *, strip: bool = True) -> dict[str, Tensor]:
    """The weights in a file by name, on the CPU, half precision widened to float32.

    `.safetensors` and `.pth`, `.pt`, `.bin`, `.ckpt` files; a checkpoint with optimiser and epochs
    around the weights is unwrapped (`WRAPPERS`), a prefix that every name has is removed
    (`PREFIXES`, unless `strip` is false).

    Raises `ModelError`, which says what to do, for a file that is missing, empty, cut short or
    damaged, is a web page or a Git LFS pointer, a TorchScript or exported program, or holds Python
    objects: reading those could run code.

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "weights.pth"
    >>> torch.save(
    ...     {"epoch": 3, "state_dict": {"module.fc.bias": torch.ones(2, dtype=torch.float16)}}, file
    ... )
    >>> read_weights(file)
    {'fc.bias': tensor([1., 1.])}
    """
    file = Path(path).expanduser()
    start = _start(file)
    if start[8:9] == b"{":
        stored: Any = _safetensors(file)
    elif start.startswith(b"PK\x03\x04"):
        _refuse_programs(file)
        stored = _torch(file)
    elif start.startswith(b"\x80"):
        stored = _torch(file)
    else:
        raise ModelError(
            f"expected weights (safetensors or torch.save), but '{file.name}' begins with"
            f" {start[:12]!r}. Convert it where it was made: {_SAVE}."
        )
    weights = _unwrap(stored, file)
    return without_prefix(weights) if strip else weights


def without_prefix(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same weights without the prefixes that all of their names share.

    >>> list(
    ...     without_prefix(
    ...         {"module.model.fc.bias": torch.ones(1), "module.model.fc.weight": torch.ones(1, 1)}
    ...     )
    ... )
    ['fc.bias', 'fc.weight']
    """
    weights = dict(weights)
    while prefix := next(
        (p for p in PREFIXES if weights and all(key.startswith(p) for key in weights)), ""
    ):
        weights = {key.removeprefix(prefix): tensor for key, tensor in weights.items()}
    return weights


def _start(file: Path) -> bytes:
    """The first bytes of a file that is there, has some, and is no text put in its place."""
    try:
        with file.open("rb") as stream:
            start = stream.read(512)
    except IsADirectoryError as error:
        inside = sorted(
            p.name
            for p in file.iterdir()
            if p.suffix in (".safetensors", ".pth", ".pt", ".bin", ".ckpt")
        )
        hint = (
            f"Name one of the files in it: {', '.join(inside[:5])}."
            if inside
            else "There is no weight file in it."
        )
        raise ModelError(f"expected a weight file, but '{file}' is a folder. {hint}") from error
    except OSError as error:
        raise ModelError(
            f"expected a weight file, but '{file}' cannot be opened ({error.strerror}). Check the"
            " path."
        ) from error
    if not start:
        raise ModelError(
            f"expected weights, but '{file.name}' is empty (0 bytes). Download or save it again."
        )
    text = start.lstrip().lower()
    if text.startswith(b"<"):
        raise ModelError(
            f"expected weights, but '{file.name}' is a web page, as a download leaves it that ended"
            " at a login or an error. Download the file itself."
        )
    if text.startswith(b"version https://git-lfs"):
        raise ModelError(
            f"expected weights, but '{file.name}' is a Git LFS pointer to them. Run `git lfs pull`"
            " where it comes from."
        )
    return start


def _safetensors(file: Path) -> dict[str, Tensor]:
    try:
        return load_file(file, device="cpu")
    except (SafetensorError, OSError, KeyError) as error:
        raise ModelError(_damaged(file, error)) from error


def _refuse_programs(file: Path) -> None:
    """A zip file is what `torch.save` wrote, a TorchScript or exported program, or else."""
    try:
        with zipfile.ZipFile(file) as archive:
            names = {name.partition("/")[2] for name in archive.namelist()}
    except (zipfile.BadZipFile, OSError) as error:
        raise ModelError(_damaged(file, error)) from error
    if "constants.pkl" in names:
        raise ModelError(
            f"expected weights, but '{file.name}' is a TorchScript program, which cannot be looked"
            " into. Build the model in Python and give it the weights; to get them out, if you"
            f" trust the program: torch.save(torch.jit.load('{file.name}').state_dict(),"
            " 'weights.pth')."
        )
    if "data.pkl" not in names:
        kind = (
            "an exported program (torch.export)"
            if "archive_format" in names
            else "a zip file of another kind"
        )
        raise ModelError(
            f"expected weights, but '{file.name}' is {kind}. Save the weights alone: {_SAVE}."
        )


def _torch(file: Path) -> Any:
    """What `torch.save` wrote, read by the unpickler that knows tensors and plain containers only.

    One class is let in besides: argparse.Namespace, in which many training programs keep their
    settings; it is a bag of attributes and runs nothing.
    """
    try:
        with (
            file.open("rb") as stream,  # given a name, torch.load would go by its ending
            warnings.catch_warnings(),
            torch.serialization.safe_globals([argparse.Namespace]),
        ):
            warnings.simplefilter("ignore", UserWarning)  # about the pickle protocol
            return torch.load(stream, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL ([\w.]+)", str(error))
        what = f" (it names {found[1]})" if found else ""
        raise ModelError(
            f"expected weights alone, but '{file.name}' holds Python objects{what}. It was refused,"
            " because reading those can run any code. If you trust whoever made it, take the"
            f" weights out of it once: model = torch.load('{file.name}', weights_only=False);"
            f" {_SAVE}, or safetensors.torch.save_file(model.state_dict(), 'weights.safetensors')."
        ) from error
    except Exception as error:  # reading instructions from a damaged file can fail in any way
        raise ModelError(_damaged(file, error)) from error


def _unwrap(stored: Any, file: Path) -> dict[str, Tensor]:
    """The named tensors in the middle of a checkpoint."""
    inner = stored
    while isinstance(inner, Mapping) and (
        key := next((k for k in WRAPPERS if isinstance(inner.get(k), Mapping)), None)
    ):
        inner = inner[key]
    if isinstance(inner, Mapping):
        weights = {
            str(key): _widened(value) for key, value in inner.items() if isinstance(value, Tensor)
        }
        if weights:
            return weights
    top = (
        ", ".join(repr(key) for key in list(stored)[:6])
        if isinstance(stored, Mapping)
        else type(stored).__name__
    )
    raise ModelError(
        f"expected tensors by name (a state dict), but '{file.name}' holds {top or 'nothing'}. "
        f"Save the weights: {_SAVE}."
    )


def _widened(tensor: Tensor) -> Tensor:
    """float16, bfloat16 and smaller to float32; everything else as it is."""
    return tensor.float() if tensor.is_floating_point() and tensor.element_size() < 4 else tensor


def _damaged(file: Path, error: Exception) -> str:
    reason = str(error).splitlines()[0][:160] if str(error) else type(error).__name__
    return (
        f"expected weights, but '{file.name}' ({file.stat().st_size:,} bytes) is damaged or cut"
        f" short: {reason}. Download or save it again."
    )
