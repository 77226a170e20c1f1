"""One run as far as a layer, and what is kept of it."""

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from helpers.axes_nets import pair
from helpers.nets import assert_same, batch, convnet, photograph
from sightline.surgery.harness.given import Given
from sightline.surgery.harness.opened_layer import LayerRun
from sightline.surgery.place.opened import NotRun, opened


class Runs(nn.Module):
    """A layer that runs three times, each time on something else."""

    def __init__(self):
        super().__init__()
        self.act, self.never = nn.ReLU(), nn.ReLU()

    def forward(self, x):
        return self.act(x) + self.act(x.flip(3)) + self.act(2 * x)


@pytest.mark.parametrize(
    ("call", "want"),
    [(0, lambda x: x), (1, lambda x: x.flip(3)), (2, lambda x: 2 * x), (-1, lambda x: 2 * x)],
)
def test_which_run_is_kept(call, want):
    x = torch.rand(2, 3, 8, 9)
    here = opened(Given.of(Runs(), batch()), LayerRun("act", call), x)
    assert torch.equal(here.map.detach(), want(x))
    assert torch.equal(here.leaf.detach(), x)
    assert here.leaf.is_leaf
    assert here.on_the_way
    assert here.grid.kind == "channels first"


def test_a_layer_that_did_not_run_or_not_so_often():
    given = Given.of(Runs(), batch())
    assert opened(given, LayerRun("act", 3), batch()) is None
    assert opened(given, LayerRun("never"), batch()) is None


class Several(nn.Module):
    """Returns what goes along beside its map."""

    def forward(self, x):
        return {"weights": x.mean((2, 3)), "map": x.relu(), "more": None}


class Tokens(nn.Module):
    def forward(self, x):
        tokens = x.flatten(2).transpose(1, 2)
        return torch.cat([tokens.mean(1, keepdim=True), tokens], 1), None


class Around(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        out = self.layer(x)
        return next(iter(out.values() if isinstance(out, dict) else out))


def test_the_map_among_what_a_layer_returns():
    x = torch.rand(2, 3, 8, 8)
    here = opened(Given.of(Around(Several()), x), LayerRun("layer"), x)
    assert torch.equal(here.map, x.relu())
    here = opened(Given.of(Around(Tokens()), x), LayerRun("layer"), x)
    assert here.grid.kind == "tokens"
    assert here.grid.prefix == 1
    assert torch.equal(here.grid.read(here.map), x)


def test_a_grid_of_the_callers_own():
    x = torch.rand(2, 3, 8, 8)
    run = LayerRun("layer", -1, lambda out: out[0][:, 1:] if isinstance(out, tuple) else out[:, 1:])
    with pytest.raises(NotRun, match="LayerError: Expected the grid you stated"):
        opened(Given.of(Around(Tokens()), x), run, x)
    run = LayerRun("layer", -1, lambda out: out[:, 1:].unflatten(1, (8, 8)).movedim(-1, 1).mT)
    here = opened(Given.of(Around(Tokens()), x), run, x)
    assert torch.equal(here.grid.read(here.map), x.mT)


def test_without_a_graph():
    x = torch.rand(2, 3, 8, 9)
    here = opened(Given.of(Runs(), x), LayerRun("act"), x, graph=False)
    assert torch.equal(here.map, 2 * x)
    assert not here.map.requires_grad
    assert not here.on_the_way


class Hidden(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.act = nn.Conv2d(3, 4, 3), nn.ReLU()

    def forward(self, x):
        with torch.no_grad():
            y = self.conv(x)
        return self.act(y).sum()


def test_whether_a_graph_was_recorded_where_the_layer_ran():
    given, x = Given.of(Hidden(), torch.rand(1, 3, 8, 8)), torch.rand(1, 3, 8, 8)
    conv, act = (opened(given, LayerRun(name), x) for name in ("conv", "act"))
    assert (conv.recording, conv.on_the_way) == (False, False)
    assert (act.recording, act.on_the_way) == (True, False)


def test_other_inputs_go_along_as_often_as_there_are_versions():
    came = []

    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.act = nn.ReLU()

        def forward(self, x, rows, scale):
            came.append((rows.clone(), scale.clone()))
            return self.act(x * rows[:, :, None, None] * scale)

    x, rows, scale = torch.rand(2, 3, 8, 9), torch.rand(2, 3), torch.tensor(2.0)
    for inputs in ((x, rows, scale), {"x": x, "rows": rows, "scale": scale}):
        del came[:]
        here = opened(Given.of(Two(), inputs), LayerRun("act"), x.repeat(3, 1, 1, 1))
        assert len(came) == 1
        assert torch.equal(came[0][0], rows.repeat(3, 1))
        assert torch.equal(came[0][1], scale)
        want = (x * rows[:, :, None, None] * scale).repeat(3, 1, 1, 1)
        assert torch.equal(here.map, want)
        assert here.leaf.shape == (6, 3, 8, 9)


def test_channels_elsewhere():
    """The leaf has its channels second, the model sees them where it wants them."""
    net, x, twin, turned = pair("height, width, colours")
    here = opened(Given.of(net, x), LayerRun("net.0"), turned)
    want = opened(Given.of(twin, turned), LayerRun("0"), turned)
    assert here.leaf.shape == turned.shape
    torch.testing.assert_close(here.map, want.map)


def test_the_model_may_write_over_its_input():
    class Writes(nn.Module):
        def __init__(self):
            super().__init__()
            self.act = nn.ReLU()

        def forward(self, x):
            return self.act(x.sub_(0.5))

    x = torch.rand(2, 3, 8, 8)
    before, given = x.clone(), Given.of(Writes(), x)
    for graph in (True, False):
        here = opened(given, LayerRun("act"), x, graph=graph)
        assert torch.equal(here.map.detach(), (before - 0.5).relu())
        assert torch.equal(here.leaf.detach(), before)
        assert torch.equal(x, before)


@pytest.mark.parametrize("graph", [True, False])
def test_the_model_comes_out_as_it_was(graph):
    net = convnet(head="full").train()
    before, x = photograph(net), batch()
    assert_same(before, photograph(net))
    opened(Given.of(net, x), LayerRun("5"), x, graph=graph)
    assert_same(before, photograph(net))


class Fails(nn.Module):
    """Fails behind its layer, on anything but the picture it was told of."""

    def __init__(self, known):
        super().__init__()
        self.norm, self.known = nn.BatchNorm2d(3), known

    def forward(self, x):
        y = self.norm(x)
        if not torch.equal(x, self.known):
            raise KeyError("seen never before\nand more")
        return y


def test_a_model_that_fails():
    x = torch.rand(2, 3, 8, 8)
    net = Fails(x).train()
    before, given = photograph(net), Given.of(net, x)
    assert_same(before, photograph(net))
    with pytest.raises(NotRun, match=r"^KeyError: 'seen never before"):
        opened(given, LayerRun("norm"), torch.zeros_like(x))
    assert_same(before, photograph(net))
    assert opened(given, LayerRun("norm"), x).map.shape == x.shape
    assert_same(before, photograph(net))


def test_a_layer_without_a_grid_is_a_model_that_cannot_be_run_so():
    with pytest.raises(NotRun, match=r"LayerError: Expected layer '8' to return feature maps"):
        opened(Given.of(convnet(), batch()), LayerRun("8"), batch())


class Checkpointed(nn.Module):
    """Computes its body again on the way back, and compares: with its own weights, that is."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Tanh(), nn.Conv2d(4, 4, 1)
        )
        self.act = nn.Tanh()

    def forward(self, x):
        return self.act(checkpoint(self.body, x.mul_(2), use_reentrant=False)).mean((2, 3))


def test_a_checkpointed_model_is_looked_back_through():
    net, x = Checkpointed().double().train(), torch.rand(1, 3, 8, 8).double()
    before, given = photograph(net), Given.of(net, x)
    here = opened(given, LayerRun("act"), x)
    assert_same(before, photograph(net))
    plain = x.clone().requires_grad_()
    net.eval()
    want = net.act(net.body(2 * plain))
    torch.testing.assert_close(here.map, want)
    (gradient,) = torch.autograd.grad(here.map.sum(), here.leaf)
    torch.testing.assert_close(gradient, torch.autograd.grad(want.sum(), plain)[0])


class WeightsAlone(nn.Module):
    """A layer of another picture, through something whose weights cannot be put aside."""

    def __init__(self):
        super().__init__()
        self.act, self.table = nn.Tanh(), nn.Parameter(torch.rand(3, 1, 1))

    def forward(self, x, y):
        table = torch.Tensor.as_subclass(self.table, torch.Tensor).view(3, 1, 1)
        return self.act(y * table.requires_grad_()).sum() + x.sum()


def test_a_graph_to_weights_alone_is_no_way_to_the_picture():
    x, y = torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8)
    given = Given.of(WeightsAlone(), (x, y))
    here = opened(given, LayerRun("act"), x)
    assert here.map.requires_grad
    assert not here.on_the_way
    # One picture in both places is this one.
    assert opened(Given.of(WeightsAlone(), (y, y)), LayerRun("act"), x).on_the_way
