"""Maps made again: of the image seen through its map, of noisy copies, of a model whose weights are
shuffled.
"""

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


def masked_maps(bench: ExplainedBatch) -> tuple[Maps, dict[str, Tensor]]:
    """Each method's map of its own explanation map, and the confidence there: one forward pass for
    both.
    """
    maps, sure = {}, {}
    for name in bench.methods:
        found = bench.explained(bench.model, bench.seen_through(name), [name])[name]
        maps[name], sure[name] = bench.scaled(found), bench.sure_of(found)
    for name in bench.controls:
        through = bench.seen_through(name)
        maps[name] = bench.control(name, through)
        (sure[name],) = bench.confidences([through])
    return maps, sure


def noisy_maps(bench: ExplainedBatch) -> Maps:
    """Maps of noisy copies, `[b, samples, h, w]`: the noise has the protocol's standard deviation
    in raw pixels.
    """
    protocol, inputs = bench.protocol, bench.shown.inputs
    std = torch.tensor(bench.statistics.std, dtype=inputs.dtype, device=inputs.device)
    noise = bench.shown.generators(protocol.seed, "noise")
    copies = noisy(torch.zeros_like(inputs), protocol.noise, protocol.samples, noise)
    away = (copies / per_channel(std, inputs.ndim)).unbind(1)
    found = [_maps(bench, bench.model, inputs + one) for one in away]
    return {name: torch.stack([maps[name] for maps in found], dim=1) for name in bench.names}


def randomised_maps(bench: ExplainedBatch) -> Maps:
    """Maps of the model with ever more of its weights shuffled, `[b, stages, h, w]`."""
    stages = [
        _maps(bench, one, bench.shown.inputs)
        for one in cascade(bench.model, STAGES, bench.protocol.seed)
    ]
    return {name: torch.stack([stage[name] for stage in stages], dim=1) for name in bench.names}


def _maps(bench: ExplainedBatch, model: torch.nn.Module, inputs: Tensor) -> Maps:
    maps = {
        name: bench.scaled(one)
        for name, one in bench.explained(model, inputs, bench.methods).items()
    }
    return maps | {name: bench.control(name, inputs) for name in bench.controls}


def occlusion_map(bench: ExplainedBatch) -> Tensor:
    """The confidence lost where a patch is hidden: at each pixel the mean over the patches that
    cover it, `[b, *s]`.
    """
    protocol, images = bench.protocol, bench.shown.inputs
    grid = images.shape[2:]
    pictures = (picture for picture, _ in occlusions(images, protocol.patch, protocol.stride))
    drops = [bench.full - said for said in bench.confidences(pictures)]
    return average_over(drops, patches(grid, protocol.patch, protocol.stride), grid)
