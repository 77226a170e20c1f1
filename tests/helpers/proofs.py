"""What is proved of the places of a small network's layer."""

import torch

from sightline.surgery.harness.given import Given
from sightline.surgery.harness.opened_layer import LayerRun
from sightline.surgery.place.proof import prove


def picture(*shape, seed=0):
    return torch.rand(*(shape or (1, 3, 32, 32)), generator=torch.Generator().manual_seed(seed))


def proof_of(net, inputs=None, layer="act", **run):
    return prove(Given.of(net, picture() if inputs is None else inputs), LayerRun(layer, **run))


def told(proof):
    return proof.outcome, proof.way


def as_it_is(net, x, *others):
    return x
