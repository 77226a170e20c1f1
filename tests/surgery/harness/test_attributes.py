"""What a run writes onto a model's modules is gone afterwards, and what was there is back."""

from collections import Counter, OrderedDict, defaultdict, deque
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from sightline.surgery.harness import guard
from sightline.surgery.harness.attributes import Attributes


def put(**values):
    """A module of somebody's own with these attributes and a sub-module."""
    net = type("Own", (nn.Module,), {"__module__": "somebody"})()
    net.inner = nn.Linear(2, 2)
    for name, value in values.items():
        setattr(net, name, value)
    return net


def replaced(net):
    net.word, net.features = "other", torch.ones(3)
    del net.number


def of_a_plain_module(net):
    net.inner.out = torch.ones(1)
    net.inner.in_features = 7


def parameters(net):
    net.inner.weight = nn.Parameter(torch.zeros(2, 2))
    net.inner.register_parameter("more", nn.Parameter(torch.zeros(1)))
    net.weight.data = torch.zeros(3)


def submodules(net):
    net.inner = nn.ReLU()
    net.added = nn.ReLU()


WRITES = {
    "attributes": replaced,
    "attributes of a plain module": of_a_plain_module,
    "parameters": parameters,
    "sub-modules": submodules,
    "a list": lambda net: net.log.append(1),
    "a list, replaced": lambda net: setattr(net, "log", []),
    "a list emptied": lambda net: net.log.clear(),
    "a list in a dict": lambda net: net.table["seen"].append(1),
    "a dict": lambda net: net.table.update(seen=None, more=1),
    "a key renamed": lambda net: net.table.update(other=net.table.pop("seen")),
    "a default dict read": lambda net: net.often["new"],
    "a counter": lambda net: net.count.update("ab"),
    "an ordered dict": lambda net: net.order.move_to_end("a"),
    "a set": lambda net: net.kinds.add(2),
    "a deque": lambda net: net.last.append(9),
    "bytes": lambda net: net.bytes.extend(b"c"),
    "a namespace": lambda net: setattr(net.state, "step", 5),
    "a list in a namespace": lambda net: net.state.log.append(5),
    "a tensor": lambda net: net.total.add_(1),
    "a tensor by its data": lambda net: net.total.data.add_(1),
    "a tensor in a list": lambda net: net.log[0].add_(1),
    "a tensor of a dict, three deep": lambda net: net.table["deep"][0]["t"].add_(1),
    "an array": lambda net: net.array.__iadd__(1),
    "a buffer": lambda net: net.buffer.add_(1),
    "a buffer by NumPy": lambda net: net.buffer.numpy().__iadd__(1),
    "a buffer that wants a gradient": lambda net: net.asked.add_(1),
}


def whole(value):
    """All of an attribute to compare by, with what it holds and which object it is."""
    if isinstance(value, SimpleNamespace):
        return id(value), whole(vars(value))
    if isinstance(value, dict):
        return id(value), [(key, whole(one)) for key, one in value.items()]
    if isinstance(value, list | deque):
        return id(value), [whole(one) for one in value]
    if isinstance(value, torch.Tensor | np.ndarray):
        written = value._version if isinstance(value, torch.Tensor) else 0
        return id(value), written, value.tolist()
    return id(value), repr(value)


def looked_through(net):
    return [whole(vars(module)) for module in (net, net.inner)]


@pytest.mark.parametrize("write", WRITES)
def test_what_a_run_writes_is_gone(write):
    net = put(
        word="one",
        number=1,
        log=[torch.zeros(1), 2],
        table={"seen": [], "deep": [{"t": torch.zeros(1)}]},
        often=defaultdict(list),
        count=Counter("aab"),
        order=OrderedDict(a=1, b=2),
        kinds={1},
        last=deque([1, 2], maxlen=2),
        bytes=bytearray(b"ab"),
        state=SimpleNamespace(step=0, log=[]),
        total=torch.zeros(2),
        array=np.zeros(2),
        weight=nn.Parameter(torch.ones(3)),
    )
    net.register_buffer("buffer", torch.zeros(2))
    net.register_buffer("asked", torch.zeros(2, requires_grad=True))
    before = looked_through(net)
    with guard.untouched(net), torch.no_grad():
        WRITES[write](net)
        assert looked_through(net) != before
    after = looked_through(net)
    if write == "a buffer that wants a gradient":
        assert net.asked.tolist() == [0, 0]  # written, and written back
    else:
        assert after == before


def test_it_is_the_same_after_an_error():
    net = put(log=[])

    def interrupted():
        net.log.append(1)
        net.features = 1
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), guard.untouched(net):
        interrupted()
    assert net.log == []
    assert not hasattr(net, "features")


def test_one_object_held_twice_is_one_inside_too():
    total, log = torch.zeros(1), []
    net = put(total=total, held=[total], log=log, table={"log": log})
    net.register_buffer("buffer", total)
    with guard.untouched(net):
        net.total.add_(1)
        net.log.append(1)
        assert net.held[0] is net.total is net.buffer
        assert net.table["log"] is net.log is log, "a hook may hold it"
    assert net.total is net.held[0] is net.buffer is total
    assert (total.item(), log) == (0, [])


def test_a_graph_keeps_the_buffer_that_it_was_made_with():
    class Counts(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("factor", torch.ones(1))

        def forward(self, x):
            self.factor += 1
            return x * self.factor

    net, x = Counts(), torch.ones(1, requires_grad=True)
    with guard.untouched(net):
        y = net(x)
    assert net.factor.item() == 1
    assert torch.autograd.grad(y, x)[0].item() == 2


def test_what_a_run_left_is_there_again_where_it_is_wanted():
    net = put(H=None)
    net.old = 1
    with guard.untouched(net) as left:
        net.H, net.inner.size, net.old = 4, 3, 2
    assert (net.H, net.old) == (None, 1)
    for inside in (guard.untouched(net, left), guard.as_left(left)):
        with inside:
            assert (net.H, net.inner.size, net.old) == (4, 3, 2)
        assert (net.H, net.old, hasattr(net.inner, "size")) == (None, 1, False)


def test_a_lazy_layer_is_finished_by_its_first_run_for_good():
    net = nn.Sequential(nn.LazyLinear(2), nn.ReLU())
    with guard.untouched(net):
        net(torch.ones(1, 3))
    assert (type(net[0]), net[0].in_features) == (nn.Linear, 3)
    assert net(torch.ones(1, 3)).shape == (1, 2)


def test_pytorchs_own_modules_without_hooks_are_not_copied(monkeypatch):
    copied = []
    monkeypatch.setattr(
        Attributes, "copy", lambda self, modules, *_, **__: copied.append([*map(type, modules)])
    )
    with guard.untouched(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))):
        assert copied == []
    with guard.untouched(put()):
        assert [len(one) for one in copied] == [2]


class HooksItself(nn.Module):
    """Puts hooks on its parts at its first run, and notes that it has, as transformers' do."""

    def __init__(self):
        super().__init__()
        self.act, self.seen = nn.ReLU(), []

    def forward(self, x):
        if not getattr(self, "hooked", False):
            self.act.register_forward_hook(lambda _, __, out: self.seen.append(out))
            self.hooked = True
        del self.seen[:]
        self.act(x)
        return torch.stack(self.seen).sum(0)


def test_hooks_that_a_forward_puts_on_are_taken_off():
    net, own = HooksItself(), []
    handle = net.act.register_forward_hook(lambda _, __, out: own.append(out))
    for _ in range(3):
        with guard.untouched(net):
            assert torch.equal(net(torch.ones(2)), torch.ones(2))
        assert len(net.act._forward_hooks) == 1
    assert len(own) == 3
    handle.remove()
    assert not net.act._forward_hooks
    with guard.untouched(net):
        net(torch.ones(2))
    assert not net.act._forward_hooks
