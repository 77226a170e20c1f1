"""What the first convolution sees of the picture, and at what price."""

import pytest
import torch
from torch import nn

from helpers.axes_nets import ORDERS, pair
from helpers.nets import Notes, assert_same, batch, convnet, photograph
from sightline.surgery.harness.first_convolution import Seen, first_seen
from sightline.surgery.harness.given import Given


@pytest.mark.parametrize("name", ORDERS)
def test_the_axis_of_the_channels(name):
    net, x, _, turned = pair(name)
    given = Given.of(net, x)
    assert given.channel_axis == ORDERS[name][1][1]
    assert torch.equal(given.picture, turned)
    assert given.shape == tuple(turned.shape)
    named = Given.of(net, {"x": x})
    assert named.shape == tuple(turned.shape)


@pytest.mark.parametrize("name", ORDERS)
def test_a_twin_that_turns_nothing_has_its_channels_second(name):
    _, _, net, turned = pair(name)
    assert Given.of(net, turned).channel_axis == 1


class Resized(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.size, self.net = size, nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU())

    def forward(self, x):
        return self.net(nn.functional.interpolate(x, self.size)).mean((2, 3))


@pytest.mark.parametrize(
    ("size", "picture", "frame"),
    [
        ((16, 16), (32, 64), (16, 16)),
        ((16, 16), (64, 32), (16, 16)),
        ((64, 64), (32, 48), (64, 64)),
        ((16, 32), (32, 64), (32, 64)),  # in the proportions of the picture
        ((16, 16), (32, 32), (32, 32)),
    ],
)
def test_a_picture_stretched_inside_the_model(size, picture, frame):
    assert Given.of(Resized(size), torch.rand(2, 3, *picture)).frame.images == (2, 3, *frame)


class Frames(nn.Module):
    """A convolution for each frame of a clip."""

    def __init__(self, time_first):
        super().__init__()
        self.conv, self.time_first = nn.Conv2d(3, 4, 3), time_first

    def forward(self, clip):
        clip = clip if self.time_first else clip.transpose(1, 2)
        return self.conv(clip.flatten(0, 1)).mean((1, 2, 3)).view(len(clip), -1)


@pytest.mark.parametrize(
    ("time_first", "shape", "axis"),
    [(True, (2, 5, 3, 8, 8), 2), (False, (2, 3, 5, 8, 8), 1), (False, (2, 3, 3, 8, 8), 1)],
)
def test_frame_by_frame(time_first, shape, axis):
    x = torch.rand(shape)
    assert first_seen(Frames(time_first), x, (x,), {}) == Seen(axis, None)


def test_the_model_runs_as_far_as_that_once_and_is_as_it_was():
    net, runs = convnet(), []
    net[0].register_forward_hook(lambda *_: runs.append("through"))
    net.register_forward_pre_hook(lambda *_: runs.append("asked"))
    before, x = photograph(net), batch()
    for _ in range(3):
        assert Given.of(net, x).seen == Seen(1, (12, 10))
    assert Given.of(net, batch(b=1)).seen == Seen(1, (12, 10))
    assert runs == ["asked"]
    assert_same(before, photograph(net))
    net[0] = nn.Conv2d(3, 4, 1)  # another first layer is looked at anew
    assert Given.of(net, x).seen == Seen(1, (12, 10))
    assert runs == ["asked"] * 2


def test_a_square_picture_is_not_even_asked_about():
    net, runs = nn.Sequential(nn.Conv2d(3, 4, 3)), []
    net.register_forward_pre_hook(lambda *_: runs.append("asked"))
    assert Given.of(net, torch.rand(1, 3, 8, 8)).channel_axis == 1
    assert runs == []


def test_without_a_convolution_or_where_the_model_fails_nothing_is_seen():
    x = torch.rand(1, 3, 8, 9)
    assert first_seen(nn.Linear(9, 2), x, (x,), {}) is None
    net = nn.Sequential(nn.Linear(5, 5), nn.Conv2d(3, 4, 3))
    assert first_seen(net, x, (x,), {}) is None  # raised in earnest when it is run in earnest


class Catches(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.caught = nn.Conv2d(3, 4, 3), Notes()

    def forward(self, x):
        try:
            return self.conv(x).mean((2, 3))
        except Exception as error:
            self.caught.append(error)
            raise


def test_no_model_catches_what_ends_the_run():
    net, x = Catches(), torch.rand(1, 3, 8, 9)
    assert first_seen(net, x, (x,), {}) == Seen(1, (8, 9))
    assert net.caught == []
