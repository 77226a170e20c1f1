"""Confidence along an order of pixels: taken away, put in, hidden by quantiles, or imputed."""

from collections.abc import Iterator
from itertools import islice

import torch
from torch import Tensor

from sightline.evaluation.measure.explained_batch import ExplainedBatch
from sightline.maps import deletion_steps, first_mask, impute, quantile_mask, rank

Curves = dict[str, Tensor]


def deletion_curve(bench: ExplainedBatch) -> Curves:
    """The first point is the whole image and costs nothing.

    The last is the substrate, the same for everybody.
    """
    hidden, nothing = (
        bench.substrate(bench.protocol.deletion_fill),
        bench.hidden(bench.protocol.deletion_fill),
    )
    return {
        name: torch.stack(
            [bench.full, *_between(bench, bench.shown.inputs, hidden, name), nothing], dim=1
        )
        for name in bench.names
    }


def insertion_curve(bench: ExplainedBatch) -> Curves:
    """The first point is the substrate, the same for everybody.

    The last is the whole image and costs nothing.
    """
    hidden, nothing = (
        bench.substrate(bench.protocol.insertion_fill),
        bench.hidden(bench.protocol.insertion_fill),
    )
    return {
        name: torch.stack(
            [nothing, *_between(bench, hidden, bench.shown.inputs, name), bench.full], dim=1
        )
        for name in bench.names
    }


def _between(bench: ExplainedBatch, start: Tensor, end: Tensor, name: str) -> list[Tensor]:
    """The confidences between the two ends, which are known already."""
    steps = deletion_steps(start, end, rank(bench.maps[name]), bench.protocol.steps)
    return bench.confidences(islice(steps, 1, bench.protocol.steps))


def occluded_curve(bench: ExplainedBatch) -> Curves:
    """Only what lies at or above the map's own theta-quantile is seen.

    The last point shows nothing.
    """
    word = "mean" if bench.protocol.space == "normalised" else "black"
    hidden, nothing = bench.substrate(word), bench.hidden(word)

    def seen(name: str) -> Iterator[Tensor]:
        for theta in thetas(bench)[1:]:
            kept = quantile_mask(bench.maps[name], theta).unsqueeze(1)
            yield torch.where(kept, bench.shown.inputs, hidden)

    return {
        name: torch.stack([bench.full, *bench.confidences(seen(name)), nothing], dim=1)
        for name in bench.names
    }


def occluded_fraction(bench: ExplainedBatch) -> Curves:
    """The share of pixels hidden at each theta: less than theta where values repeat, as zeros do.

    The last is 1.
    """
    found = {}
    for name in bench.names:
        hidden = [
            1 - quantile_mask(bench.maps[name], theta).flatten(1).double().mean(1)
            for theta in thetas(bench)
        ]
        found[name] = torch.stack([*hidden, torch.ones_like(hidden[0])], dim=1)
    return found


def thetas(bench: ExplainedBatch) -> list[float]:
    """Equally spaced in [0, 1]."""
    return [k / (bench.protocol.thetas - 1) for k in range(bench.protocol.thetas)]


def road_morf(bench: ExplainedBatch) -> Curves:
    """The most relevant pixels are replaced first."""
    return _road(bench, strongest=True)


def road_lerf(bench: ExplainedBatch) -> Curves:
    """The least relevant pixels are replaced first."""
    return _road(bench, strongest=False)


def _road(bench: ExplainedBatch, strongest: bool) -> Curves:
    images, protocol = bench.shown.inputs, bench.protocol
    grid = images.shape[2:]

    def imputed(name: str) -> Iterator[Tensor]:
        order = rank(bench.maps[name])
        for percentage in protocol.road_percentages:
            removed = first_mask(
                order if strongest else order.flip(1), round(percentage / 100 * grid.numel()), grid
            )
            noise = bench.shown.generators(protocol.seed, f"road {percentage:g}")
            yield impute(images, removed, protocol.road_noise, noise)

    return {name: torch.stack(bench.confidences(imputed(name)), dim=1) for name in bench.names}
