"""The choices of layers that were made: for a model, a shape of its inputs and what was asked."""

import weakref
from collections.abc import Hashable
from dataclasses import dataclass, replace

from torch import nn

from sightline.surgery.harness.given import Given
from sightline.surgery.harness.supported import fingerprint, made_of
from sightline.surgery.layers.search import SMALLEST, Choice
from sightline.surgery.memory.asked import arguments
from sightline.surgery.memory.sizes import presume_chosen, trusted

Reads = tuple[tuple[int, tuple[str, ...]], ...]
"""Which of the tensors in the outputs a score depends on, counted from 0, and how much of the
places or tokens of each: `all`, the `first` alone (a class token), or `some`. Of classes nothing is
said: one of them has the layer of another.
"""
Choices = dict[Reads, Choice]
"""By what the score reads, the last that was taken at the end."""


@dataclass(frozen=True)
class _Known:
    """What the model was made of, what else was handed in, and what was chosen."""

    made: Hashable
    arguments: Hashable
    choices: Choices


_known: "weakref.WeakKeyDictionary[nn.Module, dict[tuple[Hashable, Hashable], _Known]]"
_known = weakref.WeakKeyDictionary()


def known_choices(given: Given, about: Hashable, *, trusting: bool = False) -> Choices:
    """What was chosen where such inputs were asked about this, by the outputs that were read.

    Who is `trusting` is told what was chosen at another size of the picture, and asks `holds` once
    a layer has run at this one.
    """
    all_known = _known.get(given.model, {})
    made = made_of(given.model)
    here = all_known.get((about, given.key))
    if here is not None and here.made == made:
        return here.choices
    if trusting and trusted(given):
        others = arguments(given)
        for (asked, _), known in reversed(all_known.items()):
            if asked == about and known.made == made and known.arguments == others:
                taken = {reads: _taken(given, one) for reads, one in known.choices.items()}
                if found := {reads: one for reads, one in taken.items() if one is not None}:
                    return found
    return {}


def keep_choice(given: Given, about: Hashable, choice: Choice, reads: Reads = ()) -> None:
    """From now on it is known. Said behind a run: some models are finished at their first one.

    What was taken over from another size is not: it would be taken over from here in turn.
    """
    if choice.there is None:
        return
    made = fingerprint(given.model)
    known = _known.setdefault(given.model, {})
    here = known.pop((about, given.key), None)
    choices = {} if here is None or here.made != made else here.choices
    choices.pop(reads, None)
    choices[reads] = choice
    known[about, given.key] = _Known(made, arguments(given), choices)


def _taken(given: Given, choice: Choice) -> Choice | None:
    """A choice at another size of the picture; None where the search might choose otherwise there.

    So it might where a later layer, which was too small, is not any more.
    """
    there = choice.there
    if there is None or choice.grid is not None or not there.is_near(given.frame):
        return None
    pairs = zip(given.frame.images[2:], there.frame, strict=True)
    larger = max(n / m for n, m in pairs)
    if choice.left_out and choice.left_out * larger + 1 > SMALLEST:
        return None
    presume_chosen(given, choice.name, there, SMALLEST)
    size = " x ".join(map(str, there.frame))
    return replace(choice, reason=f"{choice.reason}, as at {size}", there=None)
