"""What single places look at, against plain autograd, place by place."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from helpers.axes_nets import pair
from helpers.nets import assert_same, photograph
from sightline.surgery.harness.given import Given
from sightline.surgery.harness.opened_layer import LayerRun
from sightline.surgery.place.look_back import looked_at, noise, places
from sightline.surgery.place.opened import NotRun, opened
from sightline.tensors import allow_grad

SIZES = [(9,), (24,), (7, 7), (14, 14), (6, 10), (4, 5, 6)]


def looked(given, run, some, half):
    """What places look at; None where no graph leads to the picture."""
    with allow_grad(), torch.enable_grad():
        here = opened(given, run, noise(given, half))
        return looked_at(given, here, some, half) if here.on_the_way else None


def all_live(size):
    return torch.ones(size, dtype=torch.bool)


@pytest.mark.parametrize("size", SIZES)
def test_the_corners_come_first_and_no_place_twice(size):
    found = places(size, all_live(size), 12)
    corners = 2 ** len(size)
    assert len(found) == 12 if len(size) > 1 or size[0] >= 12 else len(found) == 9
    assert len(set(found)) == len(found)
    assert all(0 <= p < n for place in found for p, n in zip(place, size, strict=True))
    assert all(p in (0, n - 1) for one in found[:corners] for p, n in zip(one, size, strict=True))
    # Fewer are the first of more: what was asked of six holds for twelve.
    assert places(size, all_live(size), 6) == found[:6]


@pytest.mark.parametrize(
    ("size", "corners"), [((1, 8), 2), ((1, 1), 1), ((3, 1, 4), 4), ((1,), 1), ((2, 2), 4)]
)
def test_an_axis_of_one_place_has_one_corner(size, corners):
    found = places(size, all_live(size), 12)
    ends = {
        tuple(p in (0, n - 1) for p, n in zip(place, size, strict=True))
        for place in found[:corners]
    }
    assert ends == {(True,) * len(size)}
    assert len(set(found)) == len(found) <= 12
    wanted = torch.Size(size).numel()
    assert len(found) == min(wanted, 12)


@pytest.mark.parametrize("size", SIZES)
def test_beside_the_corners_only_places_with_a_number(size):
    made = torch.Generator().manual_seed(len(size))
    live = torch.rand(size, generator=made) > 0.5
    live[(0,) * len(size)] = False
    found = places(size, live, 12)
    corners = 2 ** len(size)
    assert (0,) * len(size) in found[:corners]  # asked, live or not: a rim shows there
    assert all(bool(live[place]) for place in found[corners:])
    assert len(found) > corners
    assert len(places(size, torch.zeros_like(live), 12)) == corners


@pytest.mark.parametrize("size", SIZES)
def test_no_lattice(size):
    """Under a mirror of any axis at least half of the places go where none is, or another."""
    inner = places(size, all_live(size), 12)[2 ** len(size) :]
    for axis in range(len(size)):
        mirrored = [
            tuple(
                n - 1 - p if a == axis else p
                for a, (p, n) in enumerate(zip(one, size, strict=True))
            )
            for one in inner
        ]
        moved = [one for one, other in zip(inner, mirrored, strict=True) if one != other]
        assert 2 * len(moved) >= len(inner), axis
        if len(size) > 1:
            assert 2 * len(set(inner) - set(mirrored)) >= len(inner), axis


def test_the_noise_is_the_same_every_time_and_of_one_picture():
    given = Given.of(nn.Conv2d(3, 4, 3), torch.rand(5, 3, 8, 8, dtype=torch.double))
    state = torch.get_rng_state()
    first, other = noise(given, 0), noise(given, 1)
    assert torch.equal(torch.get_rng_state(), state)
    assert first.shape == (1, 3, 8, 8)
    assert first.dtype == torch.double
    assert torch.equal(first, noise(given, 0))
    # Halves that know nothing of each other: a correlation of 192 pairs is within 4 / sqrt(192).
    correlation = torch.corrcoef(torch.stack([first.flatten(), other.flatten()]))[0, 1]
    assert abs(float(correlation)) < 0.29
    assert abs(float(first.mean())) < 0.29
    assert abs(float(first.std()) - 1) < 0.2


def test_beside_other_inputs_there_are_as_many_pictures_as_rows():
    class Two(nn.Module):
        def forward(self, x, rows):
            return x * rows[:, :, None, None]

    given = Given.of(Two(), (torch.rand(5, 3, 8, 8), torch.rand(5, 3)))
    assert noise(given, 0).shape == (5, 3, 8, 8)
    assert not torch.equal(noise(given, 0)[0], noise(given, 0)[1])


class Net(nn.Module):
    """Convolutions whose derivative depends on the picture, and rows that scale the channels."""

    def __init__(self, rows=False):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.act = nn.Conv2d(3, 6, 3, stride=2, padding=1), nn.Tanh()
        self.second, self.head = nn.Conv2d(6, 5, 3, padding=1), nn.Linear(5, 4)
        self.double()
        self.rows = rows

    def forward(self, x, rows=None):
        y = self.act(self.first(x))
        if rows is not None:
            y = y * rows[:, :, None, None]
        return self.head(self.second(y).mean((2, 3)))


def directly(net, pictures, place, half, rows=None):
    """|d (r a_p) / d x| of the first picture, summed over colours, alone: no batch, no copies."""
    x = pictures.clone().requires_grad_()
    y = net.act(net.first(x))
    y = net.second(y if rows is None else y * rows[:, :, None, None])
    mixture = torch.randn(5, generator=torch.Generator().manual_seed(11 + half)).double()
    (gradient,) = torch.autograd.grad((y[0, :, *place] * mixture).sum(), x)
    return gradient[0].abs().sum(0)


SOME = [(0, 0), (0, 7), (7, 0), (3, 4), (5, 1), (2, 6)]


@pytest.mark.parametrize("half", [0, 1])
@pytest.mark.parametrize("kind", ["a batch", "a tuple", "a mapping", "rows"])
def test_autograd_place_by_place(half, kind):
    net = Net().eval()
    x = torch.rand(3, 3, 16, 16, dtype=torch.double)
    rows = torch.rand(3, 6, dtype=torch.double) if kind == "rows" else None
    inputs = {"a batch": x, "a tuple": (x,), "a mapping": {"x": x}, "rows": (x, rows)}[kind]
    given, before = Given.of(net, inputs), photograph(net)
    found = looked(given, LayerRun("second"), SOME, half)
    assert_same(before, photograph(net))
    pictures = noise(given, half)
    assert len(pictures) == (1 if kind == "a batch" else 3)
    want = torch.stack([directly(net, pictures, place, half, rows) for place in SOME])
    assert found.shape == (6, 8, 8)
    torch.testing.assert_close(found, F.avg_pool2d(want, 2), rtol=1e-9, atol=1e-12)


def test_the_two_halves_are_two_pictures_and_two_mixtures():
    given = Given.of(Net().eval(), torch.rand(1, 3, 16, 16, dtype=torch.double))
    one, other = (looked(given, LayerRun("second"), SOME, half) for half in (0, 1))
    assert float((one - other).abs().max()) > 0.1 * float(one.max())


def test_the_rows_of_the_picture_that_is_looked_at():
    """Each picture's own rows go with it: the first picture's channels are silent here."""
    net, x = Net().eval(), torch.rand(2, 3, 16, 16, dtype=torch.double)
    rows = torch.stack([torch.zeros(6), torch.ones(6)]).double()
    assert float(looked(Given.of(net, (x, rows)), LayerRun("second"), SOME, 0).max()) == 0
    heard = looked(Given.of(net, (x, rows.flip(0))), LayerRun("second"), SOME, 0)
    assert float(heard.flatten(1).sum(1).min()) > 0


@pytest.mark.parametrize(
    ("shape", "cells"),
    [((1, 1, 4), (4,)), ((1, 1, 40), (14,)), ((1, 1, 6, 24), (6, 14)), ((1, 1, 3, 24), (3, 14)),
     ((1, 1, 4, 9, 30), (4, 9, 14))],
)  # fmt: skip
def test_no_more_cells_than_pixels_and_than_fourteen(shape, cells):
    given = Given.of(nn.Sequential(nn.Identity()), torch.rand(shape, dtype=torch.double))
    found = looked(given, LayerRun("0"), [(0,) * len(cells)], 0)
    assert found.shape == (1, *cells)
    assert int((found > 0).sum()) == 1  # the place's own pixel lies in the first cell alone
    assert float(found.flatten()[0]) > 0


def test_of_few_places_there_are_four_cells():
    given = Given.of(nn.Sequential(nn.AvgPool2d(8)), torch.rand(1, 3, 16, 16))
    assert looked(given, LayerRun("0"), [(0, 0)], 0).shape == (1, 4, 4)


@pytest.mark.parametrize("name", ["height, width, colours", "steps, leads"])
def test_pixels_come_in_the_order_of_a_twin_with_channels_second(name):
    net, x, twin, turned = pair(name)
    axes = x.ndim - 2
    some = [(0,) * axes, (2,) * axes, (1,) + (3,) * (axes - 1)]
    found = looked(Given.of(net, x), LayerRun("net.0"), some, 0)
    want = looked(Given.of(twin, turned), LayerRun("0"), some, 0)
    torch.testing.assert_close(found, want, rtol=1e-6, atol=1e-9)
    assert float(want.max()) > 0


class Apart(nn.Module):
    """Where no graph leads from the layer to the picture."""

    def __init__(self, how):
        super().__init__()
        self.layer, self.how = nn.Conv2d(3, 4, 3), how

    def forward(self, x):
        if self.how == "no_grad":
            with torch.no_grad():
                return self.layer(x)
        if self.how == "inference":
            with torch.inference_mode():
                return self.layer(x)
        return self.layer(x.detach() if self.how == "detached" else torch.ones_like(x))


@pytest.mark.parametrize("how", ["no_grad", "inference", "detached", "another picture"])
def test_no_graph_leads_to_the_picture(how):
    given = Given.of(Apart(how), torch.rand(1, 3, 8, 8))
    assert looked(given, LayerRun("layer"), [(0, 0)], 0) is None


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_the_caller_may_record_nothing(mode):
    net = Net().eval()
    x = torch.rand(1, 3, 16, 16, dtype=torch.double)
    want = looked(Given.of(net, x), LayerRun("second"), SOME, 0)
    with mode():
        assert torch.equal(looked(Given.of(net, x), LayerRun("second"), SOME, 0), want)


class Refuses(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        raise LookupError("no way back")


def test_a_way_back_that_fails():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.act = nn.ReLU()

        def forward(self, x):
            return self.act(Refuses.apply(x))

    net = Model()
    given, before = Given.of(net, torch.rand(1, 3, 8, 8)), photograph(net)
    with pytest.raises(NotRun, match="LookupError: no way back"):
        looked(given, LayerRun("act"), [(0, 0)], 0)
    assert_same(before, photograph(net))
