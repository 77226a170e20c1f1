"""Layers that say nothing of the picture: a reference beside it, a table, another input."""

import logging

import torch

from sightline.surgery.harness.fallback import first_line
from sightline.surgery.harness.given import Given
from sightline.surgery.layers.candidates import Candidate, candidates
from sightline.surgery.place.look_back import noise
from sightline.surgery.rerun.replay import with_pictures

logger = logging.getLogger(__name__)


def silent_layers(given: Given) -> frozenset[str]:
    """The layers that return the same whatever the picture is, by two runs on noise.

    >>> from torch import nn
    >>> class Two(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.one, self.other = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3)
    ...
    ...     def forward(self, x, y):
    ...         return self.one(x) + self.other(y)
    >>> pictures = torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8)
    >>> sorted(silent_layers(Given.of(Two(), pictures)))
    ['other']
    """
    try:
        runs = [_seen(given, half) for half in range(2)]
    except Exception as error:  # whatever a model of somebody's own may raise on noise
        logger.debug("no layer is known to be silent: %s", first_line(error))
        return frozenset()
    means = [{row.name: row.mean for row in rows} for rows in runs]
    same = [
        name
        for name, mean in means[0].items()
        if mean is not None
        and (other := means[1].get(name)) is not None
        and torch.equal(mean, other)
    ]
    return frozenset(same)


def _seen(given: Given, half: int) -> list[Candidate]:
    shown: Given = with_pictures(given, noise(given, half), given.channel_axis)
    return candidates(shown)[0]
