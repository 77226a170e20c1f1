"""What a convolution or a norm returns is channels first, whatever its proportions say."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from sightline import capture, explain
from sightline.surgery import replay
from sightline.surgery.layers.choose import layers


class Net(nn.Module):
    """Some modules, and a way through them that ends in `[b, c, *s]`; a head on the mean of that.

    `act` is the last module; `turned` brings what it returned to `[b, c, *s]`.
    """

    def __init__(self, modules, way, channels, turned=lambda y: y):
        super().__init__()
        torch.manual_seed(0)
        self.parts = nn.ModuleDict({name: build() for name, build in modules.items()})
        self.way, self.turned = way, turned
        self.act, self.head = nn.GELU(), nn.Linear(channels, 3)

    def __getattr__(self, name):
        parts = self._modules.get("parts", {})
        return parts[name] if name in parts else super().__getattr__(name)

    def canonical(self, x):
        return self.turned(self.act(self.way(self, x)))

    def forward(self, x):
        return self.head(self.canonical(x).flatten(2).mean(2))


def conv(ins, outs, stride, kind=nn.Conv2d):
    return lambda: kind(ins, outs, 3, stride, 1)


def last_first(y):
    return y.movedim(-1, 1)


CASES = {
    "more channels than steps": (
        (3, 20),
        lambda: Net({"c": conv(3, 40, 2, nn.Conv1d)}, lambda n, x: n.c(x), 40),
    ),
    "channels that look like rows": (
        (1, 64, 64),
        lambda: Net({"c": conv(1, 16, (4, 1))}, lambda n, x: n.c(x), 16),
    ),
    "two such strides": (
        (1, 64, 64),
        lambda: Net(
            {"c": conv(1, 8, (4, 1)), "d": conv(8, 16, (4, 1))},
            lambda n, x: n.d(n.c(x).relu()),
            16,
        ),
    ),
    "a norm behind it": (
        (1, 64, 64),
        lambda: Net(
            {"c": conv(1, 16, (4, 1)), "n": lambda: nn.BatchNorm2d(16)},
            lambda n, x: n.n(n.c(x)),
            16,
        ),
    ),
    "functions and no modules": (
        (1, 64, 64),
        lambda: Net(
            {"c": conv(1, 16, (4, 1))},
            lambda n, x: F.instance_norm(F.conv2d(x, n.c.weight, None, (4, 1), 1)),
            16,
        ),
    ),
    "a group norm": (
        (1, 64, 64),
        lambda: Net(
            {"c": conv(1, 16, (4, 1))}, lambda n, x: F.group_norm(n.c(x), 4) + 1, 16
        ),
    ),
    "a pool": (
        (1, 64, 64),
        lambda: Net(
            {"c": conv(1, 16, 1)}, lambda n, x: F.max_pool2d(n.c(x), (4, 1)), 16
        ),
    ),
    "a volume": (
        (1, 16, 16, 16),
        lambda: Net({"c": conv(1, 4, (4, 1, 4), nn.Conv3d)}, lambda n, x: n.c(x), 4),
    ),
    "as many channels as rows and columns, last": (
        (3, 32, 32),
        lambda: Net(
            {"c": conv(3, 16, 2), "l": lambda: nn.Linear(16, 16)},
            lambda n, x: n.l(n.c(x).permute(0, 2, 3, 1)),
            16,
            last_first,
        ),
    ),
    "and first, behind a norm of the last axis": (
        (3, 32, 32),
        lambda: Net(
            {"c": conv(3, 16, 2), "n": lambda: nn.LayerNorm(16)},
            lambda n, x: n.n(n.c(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2),
            16,
        ),
    ),
    "steps of a transformer": (
        (4, 64),
        lambda: Net(
            {
                "c": lambda: nn.Conv1d(4, 16, 4, 4),
                "t": lambda: nn.TransformerEncoderLayer(16, 2, 32, 0.0, batch_first=True),
            },
            lambda n, x: n.t(n.c(x).transpose(1, 2)),
            16,
            last_first,
        ),
    ),
    "frames seen one by one": (
        (3, 4, 32, 32),
        lambda: Net(
            {"c": conv(3, 8, 2), "d": conv(8, 16, 2)},
            lambda n, x: n.d(n.c(x.transpose(1, 2).flatten(0, 1)).relu()).unflatten(
                0, (len(x), -1)
            ),
            16,
            lambda y: y.transpose(1, 2),
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("layer", [None, "act"])
def test_the_map_is_the_one_written_out(name, layer):
    size, build = CASES[name]
    net, x = build().double().eval(), torch.rand(2, *size).double()
    e = explain(net, x, 1, "grad_cam", layer)
    maps = net.canonical(x)
    weights = net.head.weight[1] / maps.shape[2:].numel()
    assert e.layer == "act"
    torch.testing.assert_close(e.coarse, torch.einsum("c,bc...->b...", weights, maps).detach())
    assert e.provenance["layer"]["place"]["outcome"] == "confirmed"


@pytest.mark.parametrize("name", CASES)
def test_every_layer_is_named_as_it_is_listed(name):
    size, build = CASES[name]
    net, x = build().double().eval(), torch.rand(2, *size).double()
    for row in layers(net, x):
        e = explain(net, x, 1, "grad_cam", row.name, call=row.call)
        assert e.provenance["layer"]["grid"]["kind"] == row.grid.kind
        assert tuple(e.coarse.shape[1:]) == row.grid.size
        assert e.provenance["layer"]["place"]["outcome"] == "confirmed"


@pytest.mark.parametrize("name", [name for name in CASES if name != "functions and no modules"])
def test_a_module_that_is_opened_alone_is_read_by_its_kind(name):
    size, build = CASES[name]
    net, x = build().double().eval(), torch.rand(2, *size).double()
    for part in ("parts.c", "parts.n", "parts.l"):
        if name != "frames seen one by one" and part[-1] in net.parts:
            trace = capture(net, x, part)
            row = next(row for row in layers(net, x) if part in row.names)
            assert trace.cuts[0].grid.size == row.grid.size
            assert trace.cuts[0].grid.kind == row.grid.kind
            torch.testing.assert_close(replay(net, x, part, trace.activations), net(x))


def test_what_has_the_picture_turned_is_still_found_out():
    net = Net({"c": conv(3, 16, 2)}, lambda n, x: n.c(x.transpose(2, 3)), 16).double().eval()
    e = explain(net, torch.rand(1, 3, 32, 48).double(), 1, "grad_cam")
    assert e.provenance["layer"]["place"]["outcome"] == "contradicted"


def test_a_convolution_along_tokens_is_no_row_of_tokens():
    """`[b, c, n]` with as many channels as places: its channels are first."""

    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.patch, self.mix = nn.Conv2d(3, 64, 4, 4), nn.Conv1d(64, 64, 1)
            self.act, self.head = nn.GELU(), nn.Linear(64, 3)

        def forward(self, x):
            y = self.mix(self.patch(x).flatten(2))
            return self.head(self.act(y.transpose(1, 2)).mean(1))

    net, x = Tokens().double().eval(), torch.rand(1, 3, 32, 32).double()
    assert [row.name for row in layers(net, x)] == ["patch", "act"]
    assert explain(net, x, 1).provenance["layer"]["place"]["outcome"] == "confirmed"
