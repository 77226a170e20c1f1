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

    $$F_{ij} = \prod_l M^l_{ij}, \qquad \frac{1}{n} \sum_l M^l_{ij}, \qquad \max_l M^l_{ij}$$

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
    first, held = parts[0], [one.per_target for one in parts]
    fused = HOWS[how](torch.stack([one.maps for one in held]))  # [b, n, *s]
    maps = image_map(fused.flatten(0, 1), fused.shape[2:]).unflatten(0, fused.shape[:2])
    values = replace(held[0], maps=maps, coarse=fused, pixels=None, status=_statuses(parts, fused))
    layers = list(dict.fromkeys(one.layer for one in parts))
    methods = list(dict.fromkeys(one.method for one in parts))
    record = {"how": how, "parts": [one.provenance for one in parts]}
    return replace(
        first,
        **values.fields(first.several),
        layer=f"{how} of {', '.join(layers)}" if len(layers) > 1 else layers[0],
        layer_reason=f"{how} of {len(parts)} maps",
        method=methods[0] if len(methods) == 1 else f"{how} of {', '.join(methods)}",
        variant={**first.variant, "fused": how},
        provenance={**first.provenance, "fused": record},
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


def _statuses(parts: list[Explanation], fused: Tensor) -> list[list[Status]]:
    """A status for each fused map `[b, n, *s]`."""
    held = [one.per_target.status for one in parts]
    peaks = fused.flatten(2).amax(-1).tolist()
    return [
        [_status(parts, [one[i][j] for one in held], peak) for j, peak in enumerate(row)]
        for i, row in enumerate(peaks)
    ]


def _status(parts: list[Explanation], statuses: list[Status], peak: float) -> Status:
    """The status of one fused map, from those of the maps it was made of."""
    words = dict.fromkeys(word for one in statuses for word in one.counts)
    counts = {word: sum(one.counts.get(word, 0) for one in statuses) for word in words}
    if peak > 0:
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
