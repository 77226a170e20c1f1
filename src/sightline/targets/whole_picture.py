"""A segmentation network asked as a classifier is: a class, a name, or nothing at all."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sightline.errors import TargetError
from sightline.targets.class_maps import class_maps, dense, enlarged
from sightline.targets.class_names import label, two_names
from sightline.targets.classification import indices_of
from sightline.targets.segmentation import Region
from sightline.targets.target import Names, Size, Wanted

_TOLD = 3
"""So many classes, and so many images, are named in a note."""


@dataclass(frozen=True)
class Regions:
    """For each question what was meant, its classes `[b, n]`, and what is to be said of it."""

    asked: list[Region]
    indices: Tensor
    several: bool
    names: Sequence[str] | None
    notes: tuple[str, ...]


def regions_meant(target: Wanted, outputs: Any, classes: Names, size: Size) -> Regions:
    """Every form of a target that names classes, as regions: the class where it is predicted.

    The most probable class of an image is the one predicted at most places, the least likely the
    one predicted at fewest.

    >>> maps = torch.tensor([[[[1.0, 5.0, 0.0]], [[2.0, 3.0, 4.0]]]])
    >>> regions_meant(None, maps, None, None).indices
    tensor([[1]])
    """
    maps = class_maps(outputs).detach()
    if maps.shape[1] != dense(outputs).shape[1]:
        classes = two_names(classes)
    shares = shares_of(enlarged(maps, size))
    try:
        indices, several = indices_of(target, shares, classes)
    except TargetError as error:
        raise TargetError(
            f"{error} (The outputs are read as a segmentation, of which a class is asked for where"
            " it is predicted: target=1 or sightline.Region(1).)"
        ) from error
    asked = [Region(column) for column in indices.unbind(1)]
    notes = _notes(target, tuple(dense(outputs).shape), shares, indices, classes)
    return Regions(asked, indices, several, classes, notes)


def shares_of(maps: Tensor) -> Tensor:
    """The share of the places at which each class is predicted, `[b, k]`.

    >>> shares_of(torch.tensor([[[[1.0, 5.0]], [[2.0, 3.0]]]]))
    tensor([[0.5000, 0.5000]])
    """
    answers = maps.argmax(1).flatten(1)
    counts = torch.stack([torch.bincount(one, minlength=maps.shape[1]) for one in answers])
    return counts / answers.shape[1]


def _notes(
    target: Wanted,
    shape: Sequence[int],
    shares: Tensor,
    indices: Tensor,
    classes: Sequence[str] | None,
) -> tuple[str, ...]:
    explained = "; ".join(
        ", ".join(_share(k, row, classes) for k in own)
        for own, row in zip(indices[:_TOLD].tolist(), shares.tolist(), strict=False)
    )
    if len(indices) > _TOLD:
        explained += "; ..."
    others = [
        _share(k, shares[0].tolist(), classes)
        for k in shares[0].argsort(descending=True).tolist()
        if k not in indices[0].tolist() and float(shares[0, k]) > 0
    ][:_TOLD]
    there = f", where there is also {', '.join(others)}" if others else ""
    if target is None:
        meant = "nothing was named, so the class predicted at most places is explained"
    else:
        meant = (
            f"target={target!r} is read as a Region of that class"
            if not isinstance(target, Tensor)
            else "each image's class is read as a Region of it"
        )
    return (
        f"the outputs {list(shape)} are read as a segmentation; {meant}, where it is predicted:"
        f" {explained}{there}. target=1 or Region(1) asks for another class,"
        " Region(1, where=) in a mask, in a box or at a pixel",
    )


def _share(k: int, shares: Sequence[float], classes: Sequence[str] | None) -> str:
    return f"{label(k, classes)} ({shares[k]:.0%} of the places)"
