"""What was run, and how: written beside the rows, to tell them from those of another run."""

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
from sightline.protocol import Protocol, twelve_letters
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
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """What a run is: plain JSON values. Two that agree in it, but for when and where, are the same.

    `data` is how the source describes itself. Of the caller's own methods and metrics a name says
    little, so their contents are in it, under `functions`. `notes` are what a reader should know.
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
        "notes": list(notes),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def records_digest(data: Data) -> str:
    """Twelve letters for what a data set holds, so that none is exchanged for another.

    They are made of names, labels, boxes and the sizes of files.
    """
    return twelve_letters(_records(data))


def _records(data: Data) -> Iterator[bytes]:
    sizes: dict[Path, int] = {}
    for record in data:
        where = record.picture if isinstance(record.picture, str | Path) else data.path
        if (file := Path(where)) not in sizes:
            sizes[file] = file.stat().st_size if file.is_file() else -1
        boxes = [(one.name, one.box, one.difficult, one.crowd) for one in record.objects]
        yield repr((record.name, record.labels, boxes, record.error is None, sizes[file])).encode()


def weights_digest(model: nn.Module) -> str:
    """Twelve letters that name a model's weights.

    >>> weights_digest(nn.ReLU()) == weights_digest(nn.Tanh()) != weights_digest(nn.Linear(1, 1))
    True
    """
    return twelve_letters(_weights(model))


def _weights(model: nn.Module) -> Iterator[bytes]:
    for name, tensor in model.state_dict().items():
        yield name.encode()
        if isinstance(tensor, torch.Tensor):
            flat = tensor.detach().cpu().contiguous().flatten()
            yield flat.view(torch.uint8).numpy().tobytes()


def contents_digest(function: Any) -> str:
    """Twelve letters that name what a function does: its code, defaults, and what it closed over.

    Globals are not followed, and of an object only its type, and a module's weights, count.

    >>> scaled = lambda by: lambda x: by * x
    >>> contents_digest(scaled(2)) == contents_digest(scaled(2)) != contents_digest(scaled(3))
    True
    """
    return twelve_letters(_contents(function, set()))


def _contents(value: Any, above: set[int]) -> Iterator[bytes]:
    """A value as bytes that are the same in another process; what holds itself ends there."""
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
        known = torch.from_numpy(value) if isinstance(value, np.ndarray) else value
        yield np.asarray(known.detach().cpu().double()).tobytes()
    elif isinstance(value, Mapping):
        inner = value.items()
    elif isinstance(value, Set):
        inner = sorted(value, key=repr)
    elif isinstance(value, Sequence):
        inner = value
    elif hasattr(value, "__code__"):
        closed = [_in_cell(cell) for cell in value.__closure__ or ()]
        inner = (value.__code__, value.__defaults__, value.__kwdefaults__, closed)
    for one in inner:
        yield from _contents(one, above | {id(value)})


def _in_cell(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # a name that is not bound yet
        return None
