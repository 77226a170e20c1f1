"""The image seen through a map, in the way a protocol says.

It is what every faithfulness metric shows the model.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.maps import blur, top_mask
from sightline.maps.upsample import enlarged
from sightline.protocol import Protocol
from sightline.tensors import min_max, over_maximum, per_channel, per_image
from sightline.types import ImageMap, Images, Preprocess


def protocol_map(
    coarse: Float[Tensor, "b *grid"] | None, image_map: ImageMap, protocol: Protocol
) -> ImageMap:
    """The map in [0, 1] on the image's grid, as the protocol scales and enlarges it.

    `coarse` `[b, *s]` is the signed map on the layer's grid, None for a map that was made on the
    image's own; `image_map` `[b, *s]` is what `upsample.image_map` made of it, returned where the
    protocol wants nothing else. A map that is constant, or not finite, has no min-max scaling: it
    becomes zero everywhere.
    """
    usual = (protocol.scaling, protocol.scaled, protocol.upsampling) == (
        "max",
        "enlarged",
        "linear",
    )
    if usual or (coarse is None and protocol.scaling == "max"):
        return image_map
    if coarse is None:
        return _scaled(image_map, protocol)
    maps = coarse.to(image_map.dtype).relu()
    maps = maps.where(per_image(maps.isfinite().flatten(1).all(1), maps.ndim), 0)
    if protocol.scaled == "coarse":
        maps = _scaled(maps, protocol)
    if protocol.upsampling == "nearest":
        maps = torch.nn.functional.interpolate(
            maps.unsqueeze(1), image_map.shape[1:], mode="nearest-exact"
        ).squeeze(1)
    else:
        maps = enlarged(maps, image_map.shape[1:])
    return maps if protocol.scaled == "coarse" else _scaled(maps, protocol)


def _scaled(maps: Tensor, protocol: Protocol) -> Tensor:
    return min_max(maps) if protocol.scaling == "min-max" else over_maximum(maps)


def masked(
    inputs: Images, image_map: ImageMap, protocol: Protocol, statistics: Preprocess
) -> Images:
    r"""The explanation map E (eq. 25), ready for the model.

    The inputs where the map reaches, the fill elsewhere.

    $$E = L \circ I + (1 - L) \circ \mathrm{fill}$$

    In `raw` space with the fill `zero`, hidden places are black. The blend is affine, so it is the
    same number whether it is done before or after `(pixels - mean) / std`; only what 0 means
    differs, and that is the fill.

    >>> through = Protocol(mask="binary top", top=0.5)
    >>> masked(
    ...     torch.tensor([[[3.0, 4.0]]]),
    ...     torch.tensor([[0.2, 1.0]]),
    ...     through,
    ...     Preprocess(mean=(0.5,), std=(0.25,)),
    ... )
    tensor([[[-2.,  4.]]])
    """
    share = image_map.to(inputs.dtype)
    if protocol.mask != "soft":
        kept = top_mask(image_map, protocol.top).to(inputs.dtype)
        share = share * kept if protocol.mask == "soft top" else kept
    word = {"zero": "black" if protocol.space == "raw" else "mean"}.get(
        protocol.fill, protocol.fill
    )
    hidden = substrate(inputs, word, protocol, statistics)
    # not `maps.seen_through`, which is the same up to the last bit: figures written before are kept
    return torch.lerp(hidden.expand_as(inputs), inputs, share.unsqueeze(1))


def substrate(inputs: Images, word: str, protocol: Protocol, statistics: Preprocess) -> Tensor:
    """What takes the place of pixels, in the inputs' own space.

    `[1, c, 1, ...]` for a colour, `[b, c, *s]` for a blur.

    >>> substrate(
    ...     torch.zeros(1, 3, 2, 2), "black", Protocol(), Preprocess(mean=(0.5,), std=(0.25,))
    ... ).flatten()
    tensor([-2., -2., -2.])
    """
    if word == "blur":
        size, sigma = protocol.blur
        return blur(inputs, size, sigma)
    mean, std = (
        torch.tensor(v, dtype=inputs.dtype, device=inputs.device)
        for v in (statistics.mean, statistics.std)
    )
    colour = torch.zeros_like(mean) if word == "mean" else -mean / std
    colour = per_channel(colour, inputs.ndim)
    return colour.expand(1, inputs.shape[1], *colour.shape[2:])
