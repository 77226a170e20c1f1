"""HiResCAM: on a linear head its map adds up to the score."""

import torch
from torch import nn

from helpers.closeness import assert_relative
from helpers.tail_nets import CHANNELS, CLASSES, GRIDS, made, material
from sightline.maps.combine import combine
from sightline.methods import grad_cam, hires_cam


def test_the_signed_map_sums_to_the_score_less_the_bias():
    torch.manual_seed(0)
    linear = nn.Linear(CHANNELS * 20, CLASSES)
    tail, activations = made(nn.Sequential(nn.Flatten(), linear), 2, images=3)
    assert GRIDS[2] == (4, 5)
    explained = torch.tensor([0, 4, 2])
    m = material(tail, activations, explained)
    total = combine(hires_cam(m["gradients"]), activations).sum((1, 2))
    assert_relative(total, m["scores"] - linear.bias.detach()[explained], 1e-10)
    other = combine(grad_cam(m["gradients"]), activations).sum((1, 2))
    assert not torch.allclose(other, total, rtol=0.01), (
        "Grad-CAM keeps no such promise on this head"
    )
