"""Somebody's own module with all that may decide where it looks, and every way to change that."""

import functools
import types
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

SCALE = 1
TABLE = {"mirror": [False]}


def helper(x):
    return deeper(x)


def deeper(x):
    return x * SCALE


class Config:
    def __init__(self):
        self.mirror, self.inner = False, types.SimpleNamespace(axes=[2, 3])


class Own(nn.Module):
    """Somebody's own module, with all that may decide where it looks."""

    kind = "plain"

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
        self.mirror, self.axes, self.way = False, [2, 3], helper
        self.config, self.part = Config(), functools.partial(torch.roll, shifts=0)
        self.act = F.relu
        self.register_buffer("order", torch.arange(4))
        self.register_buffer("grid", torch.zeros(2))
        self.table = torch.arange(3)

    @property
    def turned(self):
        return self.mirror

    def body(self, x):
        return self.act(self.norm(self.conv(self.way(x))))

    def forward(self, x):
        return self.body(x).flip(3) if self.turned or TABLE["mirror"][0] else self.body(x)


def flip(self, x):
    return x.flip(3)


Change = Callable[[Own, Any], Any]

CHANGES: dict[str, Change] = {
    "a flag": lambda net, patch: setattr(net, "mirror", True),
    "a list": lambda net, patch: net.axes.append(1),
    "a function": lambda net, patch: setattr(net, "way", lambda x: x.flip(3)),
    "of a config": lambda net, patch: setattr(net.config, "mirror", True),
    "deep in a config": lambda net, patch: net.config.inner.axes.reverse(),
    "a partial": lambda net, patch: setattr(net, "part", functools.partial(torch.roll, shifts=1)),
    "a builtin": lambda net, patch: setattr(net, "act", torch.tanh),
    "a buffer": lambda net, patch: net.order.copy_(net.order.flip(0)),
    "another buffer": lambda net, patch: setattr(net, "order", net.order.flip(0)),
    "a grid of floats": lambda net, patch: net.grid.add_(1),
    "a table": lambda net, patch: net.table.add_(1),
    "a method": lambda net, patch: patch.setattr(Own, "body", flip),
    "the forward": lambda net, patch: patch.setattr(Own, "forward", flip),
    "a property": lambda net, patch: patch.setattr(Own, "turned", property(lambda self: True)),
    "a word of the class": lambda net, patch: patch.setattr(Own, "kind", "mirrored"),
    "a global function": lambda net, patch: patch.setitem(globals(), "deeper", flip),
    "a global number": lambda net, patch: patch.setitem(globals(), "SCALE", -1),
    "a global table": lambda net, patch: patch.setitem(TABLE, "mirror", [True]),
    "a library's class": lambda net, patch: patch.setattr(nn.Conv2d, "forward", flip),
    "what is named of a library": lambda net, patch: patch.setattr(F, "relu", flip),
    "a global hook": lambda net, patch: patch.setitem(
        nn.modules.module._global_forward_hooks, -1, flip
    ),
    "a global hook before": lambda net, patch: patch.setitem(
        nn.modules.module._global_forward_pre_hooks, -1, flip
    ),
}
