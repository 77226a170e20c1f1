"""What was found out of a model once, kept for as long as the model stays what it was.

In this process for the model that was asked, and where it may last on disk, for every process that
has one of the same making.
"""

import logging
import weakref
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from sightline.surgery.harness.fallback import reason
from sightline.surgery.harness.given import Given
from sightline.surgery.harness.grids import Shape
from sightline.surgery.harness.opened_layer import LayerRun
from sightline.surgery.memory import disk
from sightline.surgery.memory.asked import arguments, digest, key, size_of
from sightline.surgery.memory.fingerprint import State, changed, made_and_hooked
from sightline.surgery.memory.sizes import Seen, noted, presume, trusted

logger = logging.getLogger(__name__)

MOST = 256
"""So many answers are kept of a model; the oldest go."""


@dataclass(frozen=True)
class Lasting:
    """What may be kept for other processes, and for other sizes of the picture.

    `plain` gives an answer as JSON values, or None where it shall not last; `back` makes it again.
    `elsewhere` is what it says of another size, given the size it was found at in words; None:
    nothing. `weights` tells that these belong to the question.
    """

    plain: Callable[[Any], Any]
    back: Callable[[Any], Any]
    elsewhere: Callable[[Any, str], Any]
    weights: bool = False


@dataclass
class _Answer:
    """What was found, for a picture `shown` in this size; `there` is the layer's grid over it."""

    found: Any
    shown: Shape = ()
    unread: tuple[Any, ...] = ()
    there: Seen | None = None


@dataclass
class _Memory:
    """Of one model: what it was when it was asked, and what was found."""

    state: State | None = None
    answers: dict[tuple[Hashable, Hashable], dict[Shape, _Answer]] = field(default_factory=dict)
    # What a run of the model writes itself (a counter, a list of features) tells nothing of it.
    written: set[tuple[Hashable, Hashable]] = field(default_factory=set)
    restless: set[tuple[Hashable, Hashable]] = field(default_factory=set)

    def hold_against(self, state: State) -> None:
        """Forget all, where the model is no longer what it was."""
        if self.state is None or self.state is state:
            return
        if self.state == state:
            self.state = state  # what one call asks is held against it without a look
            return
        if not changed(self.state, state) <= self.restless:
            self.answers.clear()

    def searched(self, before: State, after: State) -> None:
        """What a search has changed twice is the model's own doing.

        Once is not enough: some models are finished at their first run.
        """
        now = changed(before, after)
        self.restless |= now & self.written
        self.written |= now
        self.state = after

    def keep(self, asked: tuple[Hashable, Hashable], size: Shape, answer: _Answer) -> None:
        self.answers.setdefault(asked, {}).pop(size, None)
        self.answers[asked][size] = answer
        if sum(map(len, self.answers.values())) > MOST:
            oldest = next(iter(self.answers))
            self.answers[oldest].pop(next(iter(self.answers[oldest]), ()), None)
            if not self.answers[oldest]:
                del self.answers[oldest]


_remembered: "weakref.WeakKeyDictionary[nn.Module, _Memory]" = weakref.WeakKeyDictionary()


def remembered(
    given: Given,
    about: Any,
    find: Callable[[], Any],
    lasting: Lasting | None = None,
    *,
    run: LayerRun | None = None,
    trusting: bool = False,
) -> Any:
    """What `find` finds, for this model and inputs of this shape; found once.

    What is `lasting` is looked for on the disk, too. Who is `trusting` takes what was found at
    another size of the picture; where it is about a `run` of a layer, it has to be held against the
    layer's grid once that was seen (`sizes.holds`).

    >>> import torch
    >>> net, found = nn.ReLU(), []
    >>> for size in (4, 4, 5):
    ...     given = Given.of(net, torch.rand(1, 3, size, size))
    ...     _ = remembered(given, "size", lambda: found.append(size))
    >>> found
    [4, 5]
    """
    memory = _remembered.setdefault(given.model, _Memory())
    before = _state(given)
    memory.hold_against(before)
    word, unread = key(about)
    asked, size = (word, arguments(given)), size_of(given)
    known = memory.answers.get(asked, {})
    lasts = None
    for look_on_disk in (False, True):
        if look_on_disk:
            if lasting is None or unread or disk.folder() is None:
                break  # to read a model to the letter takes longer than many a proof
            lasts = digest(given, about, weights=lasting.weights)
            known = {} if lasts is None else _read(lasts, lasting)
            for there, answer in known.items():
                memory.state = before
                memory.keep(asked, there, answer)
        if size in known and known[size].unread == unread:
            return known[size].found
        if lasting is not None and trusting and trusted(given) and not unread:
            found = _elsewhere(given, known, lasting, run)
            if found is not None:
                return found
    found = find()
    # Read once more behind the search, since some models are finished at their first run.
    given._known.pop("transcript", None)
    after = given._known["made"] = _read_state(given.model)
    memory.searched(before, after)
    seen = None if run is None else noted(given, run)
    memory.keep(asked, size, _Answer(found, given.size, unread, seen))
    if lasting is not None and lasts is not None and (plain := lasting.plain(found)) is not None:
        grid = None if seen is None else seen.plain
        disk.store(lasts, {"picture": size, "shown": given.size, "grid": grid, "found": plain})
    return found


def take_over(copy: nn.Module, model: nn.Module) -> None:
    """What is known of a model is known of its copy, which has other weights and nothing else."""
    known = _remembered.get(model)
    if known is not None and copy not in _remembered:
        answers = {asked: dict(sizes) for asked, sizes in known.answers.items()}
        _remembered[copy] = _Memory(None, answers)


def _state(given: Given) -> State:
    """Read once for what one call asks of a model."""
    if "made" not in given._known:
        given._known["made"] = _read_state(given.model)
    state: State = given._known["made"]
    return state


def _read_state(model: nn.Module) -> State:
    try:
        return made_and_hooked(model)
    except Exception as error:  # whatever an object of somebody's own may raise
        logger.debug("the model is asked anew each time: %s", reason(error))
        return {"cannot be read": {"": object()}}  # equal to no other


def _read(digest: str, lasting: Lasting) -> dict[Shape, _Answer]:
    """What the disk knows, by the picture's size; what is no answer is none."""
    found = {}
    for record in disk.load(digest):
        try:
            there = None if record["grid"] is None else Seen.back(record["grid"])
            answer = _Answer(lasting.back(record["found"]), tuple(record["shown"]), (), there)
            found[tuple(record["picture"])] = answer
        except (KeyError, TypeError, ValueError) as error:
            logger.debug("a record of %s is left out: %r", digest, error)
    return found


def _elsewhere(
    given: Given, known: dict[Shape, _Answer], lasting: Lasting, run: LayerRun | None
) -> Any:
    """What was found at another size, the newest first; None where nothing can be taken over."""
    for answer in reversed(list(known.values())):
        size = " x ".join(map(str, answer.shown))
        found = None if answer.unread else lasting.elsewhere(answer.found, size)
        if found is None:
            continue
        if run is not None:
            if answer.there is None or not answer.there.is_near(given.frame):
                continue
            presume(given, run, answer.there)
        return found
    return None
