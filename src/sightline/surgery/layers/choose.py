"""The automatic layer: the last feature map that still knows where things are, and why it was
chosen.

What counts (in this order, from the end of the network): it has the input's proportions; it is made
by a layer, not passed on by a pool or a dropout; it is no map of classes; it is a stage of the
network, not the inside of an attention; it is at least 4 x 4; the outputs depend on it at more than
one place (behind the last attention of a vision transformer only the class token matters). The
choice is remembered for a model and an input shape.
"""

import threading
import weakref
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sightline.errors import LayerError, SurgeryError
from sightline.surgery.harness import guard
from sightline.surgery.harness.feature_map import grid_of
from sightline.surgery.harness.given import Given
from sightline.surgery.harness.grids import Grid
from sightline.surgery.harness.model_io import main_output, tensors_in
from sightline.surgery.layer_trace import capture
from sightline.surgery.layers.candidates import Candidate
from sightline.surgery.layers.stages import detections, stages
from sightline.surgery.layers.token_grid import surveyed

_MOST_TRIES = 48
_SMALLEST = 4


Score = Callable[[Any], Tensor]
"""What is asked of the outputs: one number an image, or several, `[..., b]`."""


@dataclass(frozen=True)
class Choice:
    """A layer and the reason for it. `grid` says how to read it where its shape alone would not."""

    name: str
    reason: str
    grid: Grid | None = None


_remembered: "weakref.WeakKeyDictionary[nn.Module, dict[Any, Choice]]" = weakref.WeakKeyDictionary()


def choose(
    model: nn.Module, inputs: Any, score: Score | None = None, about: Hashable = None
) -> Choice:
    """The layer to explain when none was named. Raises `LayerError` where there is no feature map
    at all.

    With a `score` it is the last layer on which that depends, not one on which the outputs as a
    whole do; `about` says which score it is, so that the choice can be remembered.

    >>> net = nn.Sequential(
    ...     nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 2)
    ... )
    >>> choose(net, torch.rand(1, 3, 8, 8)).name
    '1'
    """
    given = Given.of(model, inputs)
    key = (about, *((tuple(t.shape[1:]), t.dtype) for t in given.tensors))
    known = _remembered.setdefault(given.model, {})
    if key not in known or not _still_there(given.model, known[key].name):
        found, general = _search(given, score)
        if not general or (score is not None and about is None):
            return found
        known[key] = found
    return known[key]


def layers(model: nn.Module, inputs: Any) -> list[Candidate]:
    """Every layer with a grid, in the order of running, the chosen one marked with its reason.

    Where no layer can be chosen (the outputs depend on none) none is marked.
    """
    given = Given.of(model, inputs)
    rows, _ = surveyed(_first(given))
    try:
        choice = choose(model, given)
    except LayerError:
        return rows
    for row in rows:
        row.chosen = choice.reason if choice.name in row.names else ""
    return rows


def _search(given: Given, score: Score | None) -> tuple[Choice, bool]:
    """The choice, and whether it is the same for other pictures: detections hang on the level they
    were found on.
    """
    one = _first(given)
    model, image = given.model, one.size
    rows, outputs = surveyed(one)
    general = not detections(outputs)
    if score is not None and not general:
        one = given
        rows, outputs = surveyed(one)
    elif score is not None and not _answers(
        score, outputs
    ):  # what it asks for is not in noise: a box, a row of its own
        one = given
        rows, outputs = surveyed(one)
        if not _answers(score, outputs):
            if all(not tensor.numel() for tensor in tensors_in(outputs)):
                score(outputs)  # nothing was detected, and the target can say so
            score = None
    logits = main_output(outputs)
    if logits is None or not rows:
        raise LayerError(
            f"Expected a network with feature maps over the picture; {type(model).__name__} has no"
            " layer whose output has a grid. Name one and say how to read it: explain(...,"
            " layer='name', grid=(height, width))."
        )
    pool = stages(rows, outputs, logits)
    large = [row for row in pool if min(row.grid.size[-2:]) >= min(_SMALLEST, *image[-2:])]
    tries = list(reversed(large or pool))[:_MOST_TRIES]
    seen = one.frame.images
    closed: SurgeryError | None = None
    for head in (None, *_zero_heads(model)):
        for dead, row in enumerate(tries):
            own = row.grid if row.grid != grid_of(row.shape, seen) else None
            if own is not None and row.calls > 1:
                continue  # measured at its last run; what ran before may have other tokens
            try:
                if _matters(one, row, own, head, score):
                    return (
                        Choice(row.name, _reason(row, image, dead, small=not large), own),
                        general,
                    )
            except (
                SurgeryError
            ) as error:  # no graph can be recorded there, perhaps behind another layer
                closed = error
    if closed is not None:
        raise closed
    if (
        score is not None
    ):  # what was asked depends on nothing: the layer of the outputs, and the map will say so
        return _search(given, None)
    name, most = type(model).__name__, len(tries)
    raise LayerError(
        f"Expected the outputs of {name} to depend on a feature map; they do not on the last {most}"
        " (weights of zero, a detached tensor, or a forward in inference_mode). Name one:"
        " explain(..., layer='name')."
    )


def _answers(score: Score, outputs: Any) -> bool:
    try:
        return bool(score(outputs).isfinite().all())
    except (
        Exception
    ):  # whatever a function of the user's own may raise; asked in earnest it will raise it again
        return False


def _matters(
    given: Given,
    row: Candidate,
    grid: Grid | None,
    head: nn.Module | None,
    score: Score | None,
) -> bool:
    """Whether what the model says, or what goes into its head, depends on the map at more than one
    place.
    """
    with _watched(head) as seen:
        trace = capture(given.model, given, row.name, grid=grid)
    asked = score or (lambda outputs: _mixed(main_output(outputs)))
    (gradient,) = trace.gradients(lambda outputs: _mixed(seen[-1]) if seen else asked(outputs))
    if gradient is None:
        return False
    felt = (
        (gradient.flatten(2) != 0).any(1).any(0)
    )  # NaN is felt, too: then the result will name its source
    return bool(felt.sum() > min(1, len(felt) - 1))  # a 1 x 1 grid has no more than one


def _mixed(values: Any) -> Tensor:
    """All outputs in one score, with random weights, so that no two cancel."""
    flat: Tensor = values.reshape(len(values), -1)
    signs = torch.randn(flat.shape[1], generator=torch.Generator().manual_seed(0), device="cpu")
    return (flat * signs.to(flat)).sum(1)


def _zero_heads(model: nn.Module) -> Sequence[nn.Module]:
    """The last linear layer of zeros.

    Torchvision starts vision transformers so: their outputs depend on nothing.
    """
    return [m for m in model.modules() if isinstance(m, nn.Linear) and not m.weight.any()][-1:]


@contextmanager
def _watched(head: nn.Module | None) -> Iterator[list[Tensor]]:
    """What goes into the head, on this thread."""
    seen: list[Tensor] = []
    thread = threading.get_ident()

    def note(_: nn.Module, args: Any) -> None:
        if threading.get_ident() == thread:
            seen.append(args[0])

    with guard.LOCK:
        handle = head.register_forward_pre_hook(note) if head is not None else None
        try:
            yield seen
        finally:
            if handle is not None:
                handle.remove()


def _reason(row: Candidate, image: tuple[int, ...], dead: int, small: bool) -> str:
    grid = " x ".join(str(s) for s in row.grid.size)
    text = f"the last feature map ({row.channels} channels, {grid} places"
    text += ", tokens)" if row.grid.kind == "tokens" else ")"
    if small:
        text += "; the input is so small that no later stage keeps a 4 x 4 grid"
    if dead:
        text += (
            f"; the outputs do not depend on the places of the {dead} later"
            f" one{'s' if dead > 1 else ''}"
        )
    return text


def _first(given: Given) -> Given:
    """One image of noise for a plain batch: the layer follows from the network, not from what is on
    a picture.

    Beside other inputs there is noise for each image: what else belongs to an image is not known.

    A first picture that is black or broken would else decide for all that come after it.
    """
    plain = given.image[:1] if given.batch_only else given.image
    noise = torch.rand(plain.shape, generator=torch.Generator().manual_seed(0), device="cpu")
    return given.with_image(noise.to(plain))


def _still_there(model: nn.Module, name: str) -> bool:
    module: Any = model
    for part in name.split("."):
        module = module._modules.get(part)
        if module is None:
            return False
    return True
