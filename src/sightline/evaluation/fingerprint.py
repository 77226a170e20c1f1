"""What was run, and how: written beside the rows, so that they can be told from those of another
run.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from datetime import UTC, datetime
from functools import partial
from importlib import metadata
from pathlib import Path
from types import CellType, CodeType
from typing import Any

import numpy as np
import torch
from torch import nn

from sightline.datasets import Data
from sightline.evaluation.validate import RunRequest
from sightline.models import card_of
from sightline.protocol import Protocol
from sightline.supply import version


def identity(
    model: nn.Module,
    data: Mapping[str, Any],
    request: RunRequest,
    protocol: Protocol,
    *,
    batch_size: int,
    part_size: int,
    classes: Mapping[str, Any] | str | Path | None = None,
) -> dict[str, Any]:
    """What a run is: plain JSON values. Two that agree in it, but for when and where, are the same.

    `data` is how the source describes itself. Of the caller's own methods and metrics a name says
    little, so their contents are in it, under `functions`.
    """
    card = card_of(model)
    own = {name: contents_digest(function) for name, function in request.functions.items()}
    if classes and not isinstance(classes, Mapping):
        classes = Path(classes).read_text("utf-8")
    return ({"functions": own} if own else {}) | {
        "protocol": protocol.as_dict(),
        "protocol_digest": protocol.digest,
        "model": {
            "name": card.name,
            "source": card.source,
            "licence": card.licence,
            "parameters": sum(p.numel() for p in model.parameters()),
            "weights": weights_digest(model),
        },
        "data": dict(data),
        "classes": dict(classes) if isinstance(classes, Mapping) else classes,
        "methods": list(request.names),
        "controls": list(request.controls),
        "metrics": [metric.name for metric in request.metrics],
        "batch": batch_size,
        "part": part_size,
        "versions": {"sightline": version(), "torch": metadata.version("torch")},
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def records_digest(data: Data) -> str:
    """Twelve letters for what a data set holds, so that none is exchanged for another.

    They are made of names, labels, boxes and the sizes of files.
    """
    digest = hashlib.sha256()
    files: dict[Path, int] = {}
    for record in data:
        where = record.picture if isinstance(record.picture, str | Path) else data.path
        if (file := Path(where)) not in files:
            files[file] = file.stat().st_size if file.is_file() else -1
        boxes = [(one.name, one.box, one.difficult, one.crowd) for one in record.objects]
        digest.update(
            repr((record.name, record.labels, boxes, record.error is None, files[file])).encode()
        )
    return digest.hexdigest()[:12]


def weights_digest(model: nn.Module) -> str:
    """Twelve letters that name a model's weights.

    >>> weights_digest(nn.ReLU()) == weights_digest(nn.Tanh()) != weights_digest(nn.Linear(1, 1))
    True
    """
    digest = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        digest.update(name.encode())
        if isinstance(tensor, torch.Tensor):
            digest.update(
                tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
            )
    return digest.hexdigest()[:12]


def contents_digest(function: Any) -> str:
    """Twelve letters that name what a function does: its code, its defaults, and what it has closed
    over.

    Globals are not followed, and of an object only its type, and a module's weights, count.

    >>> scaled = lambda by: lambda x: by * x
    >>> contents_digest(scaled(2)) == contents_digest(scaled(2)) != contents_digest(scaled(3))
    True
    """
    digest = hashlib.sha256()
    for part in _parts(function, set()):
        digest.update(part)
    return digest.hexdigest()[:12]


def _parts(value: Any, above: set[int]) -> Iterator[bytes]:
    """A value as bytes that are the same in another process, as far as it has such; what holds
    itself ends there.
    """
    yield type(value).__qualname__.encode()
    inner: Iterable[Any] = ()
    if id(value) in above:
        return
    if isinstance(value, bool | int | float | complex | str | bytes | range | None):
        yield repr(value).encode()
    elif isinstance(value, CodeType):
        yield value.co_code
        inner = (value.co_consts, value.co_names)
    elif isinstance(value, partial):
        inner = (value.func, value.args, value.keywords)
    elif isinstance(value, nn.Module):
        yield weights_digest(value).encode()
    elif isinstance(value, torch.Tensor | np.ndarray):
        yield repr((value.dtype, value.shape)).encode()
        yield np.asarray(torch.as_tensor(value).detach().cpu().double()).tobytes()
    elif isinstance(value, Mapping):
        inner = value.items()
    elif isinstance(value, Set):
        inner = sorted(value, key=repr)
    elif isinstance(value, Sequence):
        inner = value
    elif hasattr(value, "__code__"):
        closed = [_held(cell) for cell in value.__closure__ or ()]
        inner = (value.__code__, value.__defaults__, value.__kwdefaults__, closed)
    for one in inner:
        yield from _parts(one, above | {id(value)})


def _held(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # a name that is not bound yet
        return None
