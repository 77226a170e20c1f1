"""What has the place of a layer proved anew, and what does not."""

import pytest
import torch
from torch import nn

from helpers.nets import batch, convnet
from sightline.surgery.place.fingerprint import made_and_hooked


def exchange(net):
    net[3] = nn.Conv2d(6, 8, 3, padding=1)


def take_away(net):
    del net[-1]


def add(net):
    net.append(nn.Identity())


def another_kind(net):
    net[2] = nn.Tanh()


def own_forward(net):
    net[0].forward = lambda x: x.flip(-1)


def own_forward_of_all(net):
    net.forward = lambda x: x


def hook(net):
    net[0].register_forward_hook(lambda *_: None)


def pre_hook(net):
    net[0].register_forward_pre_hook(lambda *_: None)


@pytest.mark.parametrize(
    "change",
    [exchange, take_away, add, another_kind, own_forward, own_forward_of_all, hook, pre_hook],
)
def test_what_may_move_places(change):
    net = convnet()
    before = made_and_hooked(net)
    assert made_and_hooked(net) == before
    change(net)
    after = made_and_hooked(net)
    assert after != before
    assert made_and_hooked(net) == after


def test_another_hook_another_forward_and_none_again():
    net = convnet()
    bare = made_and_hooked(net)
    one = net[0].register_forward_hook(lambda *_: None)
    hooked = made_and_hooked(net)
    one.remove()
    assert made_and_hooked(net) == bare
    net[0].register_forward_hook(lambda *_: None)
    assert made_and_hooked(net) not in (bare, hooked)  # another one, in the same place
    first = lambda x: x  # noqa: E731  # two functions that are kept, so that no address is reused
    second = lambda x: x.flip(-1)  # noqa: E731
    net[1].forward = first
    with_first = made_and_hooked(net)
    net[1].forward = second
    assert made_and_hooked(net) != with_first
    net[1].forward = first
    assert made_and_hooked(net) == with_first


def test_a_hook_before_is_not_one_behind():
    one, other = convnet(), convnet()
    # Handles are numbered throughout: of one number only here.
    one[0]._forward_hooks[7] = other[0]._forward_pre_hooks[7] = print
    assert made_and_hooked(one)[1] != made_and_hooked(other)[1]
    one[1]._forward_pre_hooks[8] = other[1]._forward_pre_hooks[8] = print
    del one[0]._forward_hooks[7], other[0]._forward_pre_hooks[7]
    assert made_and_hooked(one)[1] == made_and_hooked(other)[1]


def loaded(net):
    net.load_state_dict({name: 2 * value for name, value in net.state_dict().items()})


def stepped(net):
    with torch.no_grad():
        for weight in net.parameters():
            weight.add_(1)


def called(net):
    net(batch())


def trained(net):
    net.train()
    net(batch()).sum().backward()


def frozen(net):
    net.requires_grad_(False)


def moved(net):
    net.double()


@pytest.mark.parametrize("change", [loaded, stepped, called, trained, frozen, moved])
def test_what_moves_none(change):
    net = convnet()
    before = made_and_hooked(net)
    change(net)
    assert made_and_hooked(net) == before
