"""Whether what a model says depends on a layer, and at more than one of its positions."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from sightline.surgery.harness import guard
from sightline.surgery.harness.given import Given
from sightline.surgery.harness.grids import Grid
from sightline.surgery.harness.hooks import hooked
from sightline.surgery.harness.model_io import main_output
from sightline.surgery.layer_trace import capture
from sightline.tensors import scores_before

Score = Callable[[Any], Tensor]
"""What is asked of the outputs: one number an image, or several, `[..., b]`."""


def influences(
    given: Given,
    layers: Sequence[str],
    grid: Grid | None,
    score: Score,
    head: nn.Module | None = None,
    call: int = -1,
) -> list[bool]:
    """Whether the score depends on more than one position of each layer; by one run for all.

    With a `head` it is what goes into that in place of the score. Behind the last attention of a
    vision transformer only the class token matters: one position of a sequence. A grid of a single
    position has no more than one.
    """
    with _inputs_of(head) as head_inputs:
        trace = capture(given.model, given, list(layers), call=call, grid=grid)
    found = trace.gradients(
        lambda outputs: mixed(head_inputs[-1]) if head_inputs else score(outputs)
    )
    return [gradient is not None and _at_several_positions(gradient) for gradient in found]


def _at_several_positions(gradient: Tensor) -> bool:
    # NaN is not zero and counts: then the result will name the weights it comes from.
    nonzero = (gradient.flatten(2) != 0).any(1).any(0)
    return bool(nonzero.sum() > min(1, len(nonzero) - 1))


def all_outputs(outputs: Any) -> Tensor:
    """A score on which every output has a say; of probabilities, which may be certain and so lead
    nowhere, what they were made from.
    """
    values = main_output(outputs)
    before = None if values is None else scores_before(values)
    return mixed(values if before is None else before)


def mixed(values: Any) -> Tensor:
    """All numbers of an image in one, with random weights, so that no two cancel."""
    flat: Tensor = values.reshape(len(values), math.prod(values.shape[1:]))  # -1 fails for 0 rows
    generator = torch.Generator("cpu").manual_seed(0)
    weights = torch.randn(flat.shape[1], generator=generator, dtype=torch.float32, device="cpu")
    return (flat * weights.to(flat)).sum(1)


def heads_of_zeros(model: nn.Module) -> Sequence[nn.Module]:
    """The last linear layer of zeros: torchvision starts vision transformers with one.

    Their outputs depend on nothing; what goes into the head does.
    """
    return [m for m in model.modules() if isinstance(m, nn.Linear) and not m.weight.any()][-1:]


@contextmanager
def _inputs_of(head: nn.Module | None) -> Iterator[list[Tensor]]:
    """What goes into the head, one entry a run; nothing where there is none."""
    seen: list[Tensor] = []

    def note(_: nn.Module, args: Any) -> None:
        seen.append(args[0])

    # Locked from here on, not only while the model runs: another thread that explains the model
    # would find it hooked.
    with guard.LOCK, hooked([] if head is None else [(head, note)], before=True):
        yield seen
