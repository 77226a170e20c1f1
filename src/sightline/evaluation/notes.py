"""What a reader of the rows must know of how some pictures were measured: what nobody had said."""

from collections.abc import Set as AbstractSet

from sightline.protocol import Protocol
from sightline.types import Images, Preprocess


def notes(
    pictures: Images,
    preprocess: Preprocess,
    protocol: Protocol,
    words: AbstractSet[str] = frozenset(),
) -> list[str]:
    """In sentences, what was assumed of pictures `[b, c, *s]`; `words` are what metrics asked for.

    >>> import torch
    >>> notes(torch.zeros(1, 3, 8, 8), Preprocess(), Protocol())
    []
    >>> notes(torch.zeros(1, 12, 500), Preprocess(), Protocol())[0][:71]
    'Of inputs [12, 500] no mean and standard deviation are known: 0 and 1 w'
    """
    found = []
    channels, axes = pictures.shape[1], pictures.ndim - 2
    if not preprocess.fits(channels, axes):
        taken = preprocess.for_channels(channels, axes)
        mean, std = taken.mean[0], taken.std[0]
        found.append(
            f"Of inputs {list(pictures.shape[1:])} no mean and standard deviation are known:"
            f" {mean:g} and {std:g} were taken. As the model sees it, black is {0 - mean / std:g}"
            f" then, the mean colour 0, and noise has a deviation of {protocol.noise / std:g}."
            " Where others are right, say so: sightline.describe(model, Card(...,"
            " preprocess=Preprocess(mean=..., std=...)))."
        )
    size = list(pictures.shape[2:])
    if "occlusion_map" in words and protocol.patch >= max(size):
        found.append(
            f"A patch of {protocol.patch} hides all of a picture of {size}, so the occlusion map is"
            " the same everywhere and correlates with nothing. Take a smaller one:"
            f" Protocol(patch={max(1, min(size) // 4)}, stride={max(1, min(size) // 8)})."
        )
    return found
