"""Several maps as one: of several layers, or of several methods."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from sightline.errors import MethodError, near
from sightline.explanation.result import Explanation
from sightline.explanation.status import Status
from sightline.maps.upsample import image_map

HOWS: dict[str, Callable[[Tensor], Tensor]] = {
    "product": lambda maps: maps.prod(0),
    "mean": lambda maps: maps.mean(0),
    "max": lambda maps: maps.amax(0),
}


def fuse(
    explanations: Mapping[Any, Explanation] | Iterable[Explanation], how: str = "product"
) -> Explanation:
    r"""One explanation of several, such as those of several layers of one network.

    $$F_{ij} = \prod_l M^l_{ij}, \qquad \frac{1}{n}\sum_l M^l_{ij}, \qquad \text{or} \qquad \max_l M^l_{ij}$$

    with M the maps in [0, 1] on the input's grid. The `product` keeps what all of them mark: a late
    layer says what, an early one where (RefineCAM). `max` keeps what any of them marks. The fused
    map is divided by its maximum again; `coarse` is what it was before, on the input's grid. A map
    that is not ok is zero everywhere: it ends a product, and the status names its layer.

    `explanations` are at least two, of the same images and targets: a list, or what `explain`
    returns for several layers or methods. Raises `MethodError` for others.

    >>> import sightline
    >>> from torch import nn
    >>> net = nn.Sequential(
    ...     nn.Conv2d(3, 4, 3),
    ...     nn.ReLU(),
    ...     nn.Conv2d(4, 4, 3, 2),
    ...     nn.ReLU(),
    ...     nn.Flatten(),
    ...     nn.LazyLinear(2),
    ... )
    >>> fuse(sightline.explain(net, torch.rand(1, 3, 9, 9), target=1, layer=["1", "3"])).layer
    'product of 1, 3'
    """
    parts: list[Explanation] = list(
        explanations.values() if isinstance(explanations, Mapping) else explanations
    )
    if how not in HOWS:
        raise MethodError(f"Expected a way to fuse maps; came {how!r}. {near(how, HOWS)}")
    _check(parts)
    first = parts[0]
    fused = HOWS[how](torch.stack([one.maps for one in parts]))
    lead = 2 if first.several else 1
    maps = image_map(fused.flatten(0, lead - 1), fused.shape[lead:]).unflatten(
        0, fused.shape[:lead]
    )
    names = list(dict.fromkeys(one.layer for one in parts))
    methods = list(dict.fromkeys(one.method for one in parts))
    peaks = fused.flatten(lead).amax(-1).tolist()
    return replace(
        first,
        maps=maps,
        coarse=fused,
        pixels=None,
        status=_each([one.status for one in parts], peaks, parts),
        layer=f"{how} of {', '.join(names)}" if len(names) > 1 else names[0],
        layer_reason=f"{how} of {len(parts)} maps",
        method=methods[0] if len(methods) == 1 else f"{how} of {', '.join(methods)}",
        variant={**first.variant, "fused": how},
        provenance={
            **first.provenance,
            "fused": {"how": how, "parts": [one.provenance for one in parts]},
        },
    )


def _check(parts: list[Explanation]) -> None:
    if len(parts) < 2:
        raise MethodError(
            f"Expected at least two explanations to fuse; came {len(parts)}. Ask for several"
            " layers: explain(model, images, layer=['layer3', 'layer4'])."
        )
    first = parts[0]
    for one in parts[1:]:
        if (
            one.maps.shape != first.maps.shape
            or one.names != first.names
            or one.targets != first.targets
        ):
            raise MethodError(
                f"Expected explanations of the same images and targets; {one!r} is not of those of"
                f" {first!r}. Ask for all of them in one call of explain."
            )


def _each(statuses: Any, peaks: Any, parts: list[Explanation]) -> Any:
    """A status for each fused map, in the nest of the others."""
    if isinstance(peaks, list):
        rows = [[one[i] for one in statuses] for i in range(len(peaks))]
        return [_each(row, peak, parts) for row, peak in zip(rows, peaks, strict=True)]
    counts = {
        word: sum(one.counts.get(word, 0) for one in statuses)
        for one in statuses
        for word in one.counts
    }
    if peaks > 0:
        return Status("ok", counts=counts)
    bad = [
        f"{part.layer!r} ({part.method}): {one}"
        for part, one in zip(parts, statuses, strict=True)
        if not one.ok
    ]
    why = "; ".join(bad) if bad else "no place is marked by all of them"
    return Status(
        "no positive evidence",
        f"The fused map is zero everywhere: {why}. Look at the maps one by one.",
        counts,
    )
