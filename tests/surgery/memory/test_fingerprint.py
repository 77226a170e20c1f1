"""What has the place of a layer proved anew in this process, and what does not."""

import gc
import weakref

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from helpers.nets import batch, convnet
from helpers.own_nets import CHANGES, Own
from sightline.surgery.memory.fingerprint import changed, made_and_hooked


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


def setting(net):
    net[0].padding = (0, 1)


def setting_of_another_type(net):
    net[0].groups = True


def new_setting(net):
    net[0].mirror = False


def shape(net):
    net[0].weight.data = torch.zeros(6, 3, 5, 5)


@pytest.mark.parametrize(
    "change",
    [
        exchange, take_away, add, another_kind, own_forward, own_forward_of_all, hook, pre_hook,
        setting, setting_of_another_type, new_setting, shape,
    ],
)  # fmt: skip
def test_what_may_move_places(change):
    net = convnet()
    before = made_and_hooked(net)
    assert made_and_hooked(net) == before
    change(net)
    after = made_and_hooked(net)
    assert after != before
    assert changed(before, after)
    assert made_and_hooked(net) == after


@pytest.mark.parametrize("change", CHANGES)
def test_what_may_move_places_of_somebodys_own(change, monkeypatch):
    net = Own()
    before = made_and_hooked(net)
    with monkeypatch.context() as patch:
        CHANGES[change](net, patch)
        after = made_and_hooked(net)
        assert after != before
        assert made_and_hooked(net) == after


def test_what_a_function_holds():
    turned = [False]
    net = convnet()
    net[0].forward = lambda x: x.flip(3) if turned[0] else x
    before = made_and_hooked(net)
    turned[0] = True
    assert made_and_hooked(net) != before


def test_weights_count_where_code_samples_at_numbers():
    class Sampler(nn.Module):
        def __init__(self):
            super().__init__()
            self.theta = nn.Parameter(torch.eye(2, 3))

        def forward(self, x):
            where = F.affine_grid(self.theta.expand(len(x), 2, 3), list(x.shape))
            return F.grid_sample(x, where)

    net = Sampler()
    before = made_and_hooked(net)
    with torch.no_grad():
        net.theta[0, 0] = -1
    assert made_and_hooked(net) != before


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
    names = {name for _, name in changed(made_and_hooked(one), made_and_hooked(other))}
    assert {"_forward_hooks", "_forward_pre_hooks"} <= names


def test_an_address_that_is_used_again_is_no_sameness():
    net = convnet()
    net[0].forward = lambda x: x
    before = made_and_hooked(net)
    for _ in range(50):  # one of them will lie where the first lay
        del net[0].forward
        net[0].forward = lambda x: x.flip(-1)
        assert made_and_hooked(net) != before


@pytest.mark.slow
def test_it_keeps_nothing_alive():
    net = Own()
    net.way = lambda x: net.body(x)
    net.hidden = [net]
    state = made_and_hooked(net)
    gone, way = weakref.ref(net), weakref.ref(net.way)
    del net
    gc.collect()
    assert gone() is None
    assert way() is None
    assert state


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


def test_a_norm_that_counts_moves_none():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).train()
    before = made_and_hooked(net)
    net(torch.rand(2, 3, 8, 8))
    assert net[1].num_batches_tracked == 1
    assert made_and_hooked(net) == before


def test_but_a_table_in_a_norm_of_somebodys_own_does():
    norm = type("Norm", (nn.BatchNorm2d,), {})(4)
    norm.register_buffer("order", torch.arange(4))
    net = nn.Sequential(norm)
    before = made_and_hooked(net)
    norm.order.copy_(norm.order.flip(0))
    assert made_and_hooked(net) != before
