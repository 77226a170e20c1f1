"""Confidence along an order of pixels: taken away, put in, hidden by quantiles, or imputed."""

from collections.abc import Iterator
from itertools import islice

import torch
from torch import Tensor

from sightline.evaluation.measure.explained_batch import ExplainedBatch
from sightline.maps import deletion_steps, first_mask, impute, quantile_mask, rank

Curves = dict[str, Tensor]


def deletion_curve(batch: ExplainedBatch) -> Curves:
    """The first point is the whole image and costs nothing.

    The last is the substrate, the same for everybody.
    """
    hidden, nothing = (
        batch.substrate(batch.protocol.deletion_fill),
        batch.hidden(batch.protocol.deletion_fill),
    )
    return {
        name: torch.stack(
            [batch.full_score, *_between(batch, batch.pictures, hidden, name), nothing],
            dim=1,
        )
        for name in batch.names
    }


def insertion_curve(batch: ExplainedBatch) -> Curves:
    """The first point is the substrate, the same for everybody.

    The last is the whole image and costs nothing.
    """
    hidden, nothing = (
        batch.substrate(batch.protocol.insertion_fill),
        batch.hidden(batch.protocol.insertion_fill),
    )
    return {
        name: torch.stack(
            [nothing, *_between(batch, hidden, batch.pictures, name), batch.full_score],
            dim=1,
        )
        for name in batch.names
    }


def _between(batch: ExplainedBatch, start: Tensor, end: Tensor, name: str) -> list[Tensor]:
    """The confidences between the two ends, which are known already."""
    steps = deletion_steps(start, end, rank(batch.maps[name]), batch.protocol.steps)
    return batch.confidences(islice(steps, 1, batch.protocol.steps))


def occluded_curve(batch: ExplainedBatch) -> Curves:
    """Only what lies at or above the map's own theta-quantile is seen.

    The last point shows nothing.
    """
    word = "mean" if batch.protocol.space == "normalised" else "black"
    hidden, nothing = batch.substrate(word), batch.hidden(word)

    def seen(name: str) -> Iterator[Tensor]:
        for theta in thetas(batch)[1:]:
            kept = quantile_mask(batch.maps[name], theta).unsqueeze(1)
            yield torch.where(kept, batch.pictures, hidden)

    return {
        name: torch.stack([batch.full_score, *batch.confidences(seen(name)), nothing], dim=1)
        for name in batch.names
    }


def occluded_fraction(batch: ExplainedBatch) -> Curves:
    """The share of pixels hidden at each theta: less than theta where values repeat, as zeros do.

    The last is 1.
    """
    found = {}
    for name in batch.names:
        hidden = [
            1 - quantile_mask(batch.maps[name], theta).flatten(1).double().mean(1)
            for theta in thetas(batch)
        ]
        found[name] = torch.stack([*hidden, torch.ones_like(hidden[0])], dim=1)
    return found


def thetas(batch: ExplainedBatch) -> list[float]:
    """Equally spaced in [0, 1]."""
    return [k / (batch.protocol.thetas - 1) for k in range(batch.protocol.thetas)]


def road_morf(batch: ExplainedBatch) -> Curves:
    """The most relevant pixels are replaced first."""
    return _road(batch, strongest=True)


def road_lerf(batch: ExplainedBatch) -> Curves:
    """The least relevant pixels are replaced first."""
    return _road(batch, strongest=False)


def _road(batch: ExplainedBatch, strongest: bool) -> Curves:
    images, protocol = batch.pictures, batch.protocol
    grid = images.shape[2:]

    def imputed(name: str) -> Iterator[Tensor]:
        order = rank(batch.maps[name])
        for percentage in protocol.road_percentages:
            removed = first_mask(
                order if strongest else order.flip(1), round(percentage / 100 * grid.numel()), grid
            )
            noise = batch.labelled.generators(protocol.seed, f"road {percentage:g}")
            yield impute(images, removed, protocol.road_noise, noise)

    return {name: torch.stack(batch.confidences(imputed(name)), dim=1) for name in batch.names}
