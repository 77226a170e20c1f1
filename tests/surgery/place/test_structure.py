"""Positions read off a graph, behind chains of operators, against the pixels that autograd says."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from helpers.tracked import (
    AXES,
    BACK,
    CONV,
    MAX,
    assert_tracked,
    middle,
    ones,
    ramps,
    seen_by,
)
from sightline.surgery.place.steps import Track, UnknownStep
from sightline.surgery.place.structure import tracks


def assert_most_of(f, axes):
    """The pixel that a place is made of most is the one that is tracked: the rest is spread."""
    x = ramps(axes)[0]
    x = torch.cos(torch.arange(x.numel(), dtype=torch.double) ** 1.5).view(x.shape)
    x.requires_grad_()
    y = f(x)
    states = tracks(y, x, range(2, 2 + axes))
    assert len(states) == 1
    for place in middle(y, range(2, 2 + axes)):
        pixels = seen_by(y, x, range(2, 2 + axes), place)
        at = torch.unravel_index(pixels.argmax(), pixels.shape)
        for k, track, pixel in zip(place, states[0], at, strict=True):
            assert track.low == track.high
            assert track.scale * (k + 0.5) + track.low == int(pixel) + 0.5


def gated(x):
    """Squeeze and excitation: a number for each channel, made of all places."""
    pooled = x.mean(tuple(range(2, x.ndim)), keepdim=True)
    return x.flip(-1) * (2 * pooled).sigmoid()


@pytest.mark.parametrize("axes", AXES)
def test_what_is_the_same_for_all_places_moves_none(axes):
    assert_most_of(gated, axes)
    assert_most_of(lambda x: F.group_norm(x, 2), axes)
    assert_most_of(lambda x: F.group_norm(x.flip(2), 4), axes)
    assert_most_of(lambda x: F.instance_norm(x), axes)


@pytest.mark.parametrize("axes", AXES)
def test_a_residual_block(axes):
    weight = ones(4, 4, *[3] * axes)
    assert_tracked(lambda x: x + CONV[axes](x, weight, None, 1, 1), axes)
    strided, short = ones(4, 4, *[3] * axes), ones(4, 4, *[2] * axes)
    # The usual two: a kernel of 3 and a rim of 1, and a pool of 2 by 2, are half a pixel apart.
    x = ramps(axes)[0]
    y = CONV[axes](x, strided, None, 2, 1) + CONV[axes](x, short, None, 2)
    (state,) = tracks(y, x, range(2, 2 + axes))
    assert [(one.scale, one.low, one.high) for one in state] == [(2.0, -0.5, 0.0)] * axes


@pytest.mark.parametrize("axes", AXES)
def test_a_chain(axes):
    weight, back = ones(4, 4, *[3] * axes), ones(4, 4, *[2] * axes)

    def chain(x):
        x = F.relu(CONV[axes](F.pad(x, [0, 1] * axes), weight, None, 2))
        x = MAX[axes](x, 3, 1, 1).flip(2)
        x = BACK[axes](x, back, None, 2)
        return x.movedim(1, -1)[:, 1:].movedim(-1, 1)

    assert_tracked(chain, axes, within=1.01)


def test_two_ways_of_different_offsets_leave_it_uncertain():
    x = ramps(2)[0]
    moved = F.pad(x, (3, 0))[..., :-3]  # three pixels to the right
    (state,) = tracks(x + moved, x, (2, 3))
    assert state == (Track(2), Track(3, 1.0, -3.0, 0.0))
    (state,) = tracks(F.avg_pool2d((x + moved).flip(3), 2), x, (2, 3))
    assert state == (Track(2, 2.0), Track(3, -2.0, 19.0, 22.0))


def test_ways_that_are_essentially_others_stay_apart():
    x = ramps(2, (12, 12))[0]
    found = tracks(x + x.flip(3) + x.transpose(2, 3), x, (2, 3))
    want = [(Track(2), Track(3)), (Track(2), Track(3, -1.0, 12.0, 12.0)), (Track(3), Track(2))]
    assert sorted(found, key=repr) == sorted(want, key=repr)


def test_no_way_to_the_picture():
    x, other = ramps(2)
    assert tracks(F.relu(other), x, (2, 3)) == []
    assert tracks(x, x, (2, 3)) == [(Track(2), Track(3))]


def test_what_is_no_picture_is_not_followed():
    """Weights that want derivatives lie on no grid, nor does what is made of them."""
    x = ramps(2)[0]
    conv = nn.Conv2d(4, 4, 3, padding=1).double()
    norm = nn.BatchNorm2d(4).double().eval()
    gain = torch.rand(4, 1, dtype=torch.double, requires_grad=True).sort(0)[0].view(4, 1, 1)
    y = gain * norm(conv(x))
    assert tracks(y, x, (2, 3)) == [(Track(2), Track(3))]


class Flip(torch.autograd.Function):
    """Of somebody's own, and called as one of torch's."""

    @staticmethod
    def forward(ctx, x):
        return x.flip(2)

    @staticmethod
    def backward(ctx, gradient):
        return gradient.flip(2)


def mixed_by_its_own(x):
    """A matrix that was made of the picture: which of its rows are places, nobody knows."""
    return x.permute(0, 2, 3, 1).contiguous() @ x.mean((2, 3)).T @ x.mean((2, 3))


def attended(x):
    tokens = x.flatten(2).transpose(1, 2)
    return F.scaled_dot_product_attention(tokens, tokens, tokens).transpose(1, 2).view(x.shape)


UNKNOWN = {
    "rolled": lambda x: x.roll(3, 2),
    "sorted": lambda x: x.sort(2)[0],
    "picked": lambda x: x[:, :, torch.arange(15, -1, -1)],
    "softmax over places": lambda x: x.softmax(3),
    "softmax over all": lambda x: x.flatten(2).softmax(2).view(x.shape),
    "mixed by a product in front": lambda x: torch.eye(16).double() @ x,
    "mixed by a product behind": lambda x: x @ torch.eye(14).double(),
    "mixed by a layer": lambda x: F.linear(x, torch.eye(14).double()),
    "normed over places": lambda x: F.layer_norm(x, (14,)),
    "normed over all": lambda x: F.layer_norm(x, x.shape[1:]),
    "side by side": lambda x: torch.cat([x[:, :, 8:], x[:, :, :8]], 2),
    "cut in two": lambda x: x.split(8, 2)[1],
    "attention": attended,
    "a matrix of the picture's own": lambda x: mixed_by_its_own(x).permute(0, 3, 1, 2),
    "somebody's own operator": Flip.apply,
    "as one row": lambda x: x.flatten(2).flip(2).view(x.shape),
    "spread": lambda x: x.mean(2, keepdim=True).expand(-1, -1, 16, -1),
    "turned": lambda x: x.rot90(2, (2, 3)),
    "blocks to channels and back": lambda x: F.pixel_shuffle(F.pixel_unshuffle(x, 2), 2),
    "wrapped round": lambda x: F.pad(x, (1, 1, 1, 1), "circular")[..., 1:-1, 1:-1],
    "summed up": lambda x: x.cumsum(2),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_may_move_places_is_not_read_off(name):
    x = torch.rand(1, 3, 16, 14, dtype=torch.double, requires_grad=True)
    with pytest.raises(UnknownStep):
        tracks(UNKNOWN[name](x), x, (2, 3))
