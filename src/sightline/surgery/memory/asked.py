"""What is asked of a model, as a key: in this process, and as a digest for all others."""

import logging
import sys
from collections.abc import Hashable, Iterator, Mapping
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sightline.surgery.harness.fallback import reason
from sightline.surgery.harness.given import Given
from sightline.surgery.harness.grids import Grid, Shape
from sightline.surgery.memory.code_of import library
from sightline.surgery.memory.identity import same
from sightline.surgery.memory.transcript import Transcript, numbers

logger = logging.getLogger(__name__)

_WORDS = (bool, int, float, str)
_OF_EACH = 16
_AS_THEY_ARE = (*_WORDS, type(None), type)


def arguments(given: Given) -> Hashable:
    """Of the arguments whatever a model may go by, but for the picture's size.

    Shapes of all others, types, names, flags and numbers.
    """
    if "arguments" in given._known:
        known: Hashable = given._known["arguments"]
        return known
    image = given.image
    shapes = tuple(
        ((one.ndim, given.shape[1]) if one is image else tuple(one.shape[1:]), one.dtype)
        for one in given.tensors
    )
    words = tuple(_words_in((given.args, list(given.kwargs.values()))))
    found = given._known["arguments"] = given.axes, shapes, tuple(given.kwargs), words
    return found


def _words_in(value: Any) -> Iterator[Any]:
    """Names, flags and numbers in a nest of arguments."""
    if isinstance(value, _WORDS):
        yield value
    elif isinstance(value, Mapping):
        for name, one in value.items():
            yield name
            yield from _words_in(one)
    elif isinstance(value, tuple | list):
        for one in value:
            yield from _words_in(one)


def size_of(given: Given) -> Shape:
    """The picture's size, as it was handed in and as it is read."""
    return (*given.size, *given.image.shape[1:])


def key(about: Any) -> tuple[Hashable, tuple[Any, ...]]:
    """What is asked as something that can be looked up, and what of it cannot be read.

    A function is known by what it does and holds: a fresh `lambda` that does the same is the same.
    All that cannot be read has one key, and is known by being the same object: a fresh one each
    time takes the place of the last one.

    >>> key(["1", lambda out: out[0]]) == key(["1", lambda out: out[0]])
    True
    >>> key(["1", lambda out: out[0]]) == key(["1", lambda out: out[1]])
    False
    """
    unread: list[Any] = []
    return _key(about, unread), tuple(unread)


def _key(about: Any, unread: list[Any]) -> Hashable:
    if isinstance(about, _AS_THEY_ARE) or (isinstance(about, Grid) and about.reader is None):
        return about
    if isinstance(about, tuple | list):
        return tuple(_key(one, unread) for one in about)
    read = Transcript()
    try:
        read.read(about)
    except Exception as error:  # whatever an object of somebody's own may raise when it is read
        _say(error)
        unread.append(same(about))
        return "cannot be read"
    return read.digest


def digest(given: Given, about: Any, *, weights: bool = False) -> str | None:
    """The same of all that decides an answer but the picture's size; None where it is not read.

    `weights` belong to it where they are asked for, or where code samples at places that are
    numbers: these may be weights themselves.
    """
    read = Transcript()
    try:
        read.say("python", repr(sys.version_info[:3]))
        read.say("torch", torch.__version__)
        read.say("sightline", f"{library('sightline')} {_own_code()}")
        for name in ("_global_forward_hooks", "_global_forward_pre_hooks"):
            read.items(name, getattr(nn.modules.module, name))
        model, samples = _model(given)
        read.say("model", model)
        read.read(about)
        read.say("arguments", str(len(given.args)))
        for value in (*given.args, given.kwargs):
            _read_argument(read, given, value)
        if weights or samples or read.samples:
            read.say("weights", sample(given.model))
    except Exception as error:  # whatever an object of somebody's own may raise when it is read
        _say(error)
        return None
    return read.digest


def _say(error: Exception) -> None:
    deep = isinstance(error, RecursionError)
    why = "it goes too deep" if deep else reason(error)
    logger.debug("what is asked has no digest, and is asked anew in each process: %s", why)


def _model(given: Given) -> tuple[str, bool]:
    """The digest of the model alone, and whether it samples; read once for a call of `explain`."""
    if "transcript" not in given._known:
        read = Transcript()
        read.read(given.model)
        given._known["transcript"] = read.digest, read.samples
    found: tuple[str, bool] = given._known["transcript"]
    return found


def _read_argument(read: Transcript, given: Given, value: Any) -> None:
    if value is given.image:
        read.say("picture", repr((value.ndim, given.channel_axis, given.shape[1], value.dtype)))
    elif isinstance(value, Tensor):
        read.say("batch of", repr((value.dtype, tuple(value.shape[1:]))))
        if not value.is_floating_point():  # whole numbers may be positions
            read.tensor(value, contents=True)
    elif isinstance(value, Mapping):
        read.say("arguments", repr(list(value)))
        for one in value.values():
            _read_argument(read, given, one)
    elif isinstance(value, tuple | list):
        read.say("arguments", str(len(value)))
        for one in value:
            _read_argument(read, given, one)
    else:
        read.read(value)


def sample(model: nn.Module) -> bytes:
    """A few numbers of each weight: no other training, no other checkpoint has the same."""
    some = [
        weight.detach().flatten()[:: max(1, weight.numel() // _OF_EACH)][:_OF_EACH].float()
        for weight in model.parameters()
    ]
    return numbers(torch.cat([one.to(some[0].device) for one in some])) if some else b""


@lru_cache(maxsize=1)
def _own_code() -> str:
    """This library's code that decides: its version stays while it is worked on."""
    found = sha256()
    for folder in (Path(__file__).parent, Path(__file__).parents[1] / "harness"):
        for file in sorted(folder.glob("*.py")):
            found.update(file.read_bytes())
    return found.hexdigest()
