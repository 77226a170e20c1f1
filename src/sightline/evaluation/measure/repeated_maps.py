"""Maps made again: of the image seen through its map, of noisy copies, of a shuffled model."""

import torch
from torch import Tensor

from sightline.evaluation.measure.explained_batch import ExplainedBatch
from sightline.maps import noisy, occlusions
from sightline.maps import occlusion_map as average_over
from sightline.maps.occlusion import patches
from sightline.surgery.harness.randomise import cascade
from sightline.tensors import per_channel

Maps = dict[str, Tensor]
STAGES = 5


def masked_maps(batch: ExplainedBatch) -> tuple[Maps, dict[str, Tensor]]:
    """Each method's map of its own explanation map, and the confidence there.

    One forward pass gives both.
    """
    maps, sure = {}, {}
    for name in batch.methods:
        found = batch.explained(batch.model, batch.seen_through(name), [name])[name]
        maps[name], sure[name] = batch.scaled(found), batch.confidence_of(found)
    for name in batch.controls:
        through = batch.seen_through(name)
        maps[name] = batch.control(name, through)
        (sure[name],) = batch.confidences([through])
    return maps, sure


def noisy_maps(batch: ExplainedBatch) -> Maps:
    """Maps of noisy copies, `[b, samples, h, w]`.

    The noise has the protocol's standard deviation in raw pixels.
    """
    protocol, inputs = batch.protocol, batch.pictures
    std = torch.tensor(batch.statistics.std, dtype=inputs.dtype, device=inputs.device)
    noise = batch.labelled.generators(protocol.seed, "noise")
    copies = noisy(torch.zeros_like(inputs), protocol.noise, protocol.samples, noise)
    away = (copies / per_channel(std, inputs.ndim)).unbind(1)
    found = [_maps(batch, batch.model, inputs + one) for one in away]
    return {name: torch.stack([maps[name] for maps in found], dim=1) for name in batch.names}


def randomised_maps(batch: ExplainedBatch) -> Maps:
    """Maps of the model with ever more of its weights shuffled, `[b, stages, h, w]`."""
    stages = [
        _maps(batch, one, batch.pictures)
        for one in cascade(batch.model, STAGES, batch.protocol.seed)
    ]
    return {name: torch.stack([stage[name] for stage in stages], dim=1) for name in batch.names}


def _maps(batch: ExplainedBatch, model: torch.nn.Module, inputs: Tensor) -> Maps:
    maps = {
        name: batch.scaled(one)
        for name, one in batch.explained(model, inputs, batch.methods).items()
    }
    return maps | {name: batch.control(name, inputs) for name in batch.controls}


def occlusion_map(batch: ExplainedBatch) -> Tensor:
    """The confidence lost where a patch is hidden.

    At each pixel the mean over the patches that cover it, `[b, *s]`.
    """
    protocol, images = batch.protocol, batch.pictures
    grid = images.shape[2:]
    pictures = (picture for picture, _ in occlusions(images, protocol.patch, protocol.stride))
    drops = [batch.full_score - said for said in batch.confidences(pictures)]
    return average_over(drops, patches(grid, protocol.patch, protocol.stride), grid)
