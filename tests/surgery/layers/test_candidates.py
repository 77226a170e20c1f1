"""The layers with a grid: which rows there are, under which names, made by whom."""

import threading

import torch
from torch import nn

from helpers.nets import Twice, batch, convnet
from sightline.surgery import choose
from sightline.surgery.harness.given import Given
from sightline.surgery.layers.candidates import candidates
from sightline.surgery.layers.choose import layers


def seq(*parts):
    torch.manual_seed(0)
    return nn.Sequential(*parts).eval()


class Normalised(nn.Module):
    """A norm by a function, and then nothing: as norms with an activation that is left out are
    written.
    """

    def __init__(self):
        super().__init__()
        self.drop, self.act = nn.Identity(), nn.Identity()

    def forward(self, x):
        return self.act(self.drop(nn.functional.instance_norm(x)))


def test_what_hands_on_what_no_module_returned_did_not_make_it():
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.ReLU(),
        nn.Conv2d(4, 6, 3),
        Normalised(),
        nn.Identity(),
        nn.Flatten(),
        nn.Linear(96, 2),
    )
    images = torch.rand(1, 3, 8, 8)
    assert choose(net, images).name == "3"
    (row,) = [row for row in layers(net, images) if "3" in row.names]
    assert (row.names, row.kind, row.passes_on) == (["3.drop", "3"], "Normalised", False)


def test_the_outermost_name_of_a_stage_is_used():
    net = seq(
        seq(nn.Conv2d(3, 4, 3), nn.ReLU()),
        seq(seq(nn.Conv2d(4, 6, 3), nn.ReLU()), nn.Identity()),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 2),
    )
    assert choose(net, batch()).name == "1"
    assert layers(net, batch())[-2].names == [
        "1.0.1",
        "1.0",
        "1",
    ]  # not the identity in it, which made nothing


def rows_of(net, x):
    return candidates(Given.of(net, x))[0]


def test_the_outputs_and_the_means_are_those_of_the_run():
    net, x = convnet(), batch()
    rows, outputs = candidates(Given.of(net, x))
    assert torch.equal(outputs, net(x))
    assert [row.name for row in rows] == ["0", "1", "2", "3", "4", "5", "6"]
    torch.testing.assert_close(rows[-1].mean, net[:7](x).flatten(1))
    assert [row.sketch.shape for row in rows] == [(120, 4)] * 6 + [(1, 4)]


def test_a_layer_that_runs_twice_has_a_row_for_each_run():
    rows = rows_of(Twice().eval(), batch())
    assert [(row.name, row.run, row.calls, row.call) for row in rows] == [
        ("conv", 0, 2, 0),
        ("act", 0, 2, 0),
        ("conv", 1, 2, -1),
        ("act", 1, 2, -1),
    ]


def test_an_in_place_layer_has_a_row_of_its_own():
    rows = rows_of(seq(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True)), batch())
    assert [row.names for row in rows] == [["0"], ["1"]]


class Pyramid(nn.Module):
    """Two maps of two sizes, returned together; a third layer behind them."""

    def __init__(self):
        super().__init__()
        self.stem, self.levels, self.last = nn.Conv2d(3, 4, 1), Levels(), nn.Conv2d(4, 4, 1)

    def forward(self, x):
        return self.last(self.levels(self.stem(x))[0])


class Levels(nn.Module):
    def forward(self, x):
        return x + 1, nn.functional.avg_pool2d(x, 2)


def test_maps_of_several_sizes_are_no_row_and_what_follows_may_be_a_level():
    rows = rows_of(Pyramid().eval(), torch.rand(1, 3, 8, 8))
    assert [(row.name, row.level) for row in rows] == [("stem", False), ("last", True)]


class Insides(nn.Module):
    def __init__(self):
        super().__init__()
        self.mlp, self.out = Mlp(), nn.Conv2d(4, 4, 1)

    def forward(self, x):
        return self.out(self.mlp(x))


class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2 = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 4, 1)

    def forward(self, x):
        return self.fc2(self.fc1(x)) + 1


def test_what_lies_inside_an_mlp_is_marked_and_the_mlp_itself_is_not():
    rows = rows_of(Insides().eval(), torch.rand(1, 3, 8, 8))
    assert {row.name: row.inside for row in rows} == {
        "mlp.fc1": True,
        "mlp.fc2": True,
        "mlp": False,
        "out": False,
    }


def test_another_threads_forward_is_not_written_down():
    net, other = convnet(), batch(axes=2, b=1)[:, :, :8, :8]

    class Meanwhile(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, x):
            thread = threading.Thread(target=lambda: net(other))
            thread.start()
            thread.join()
            return self.net(x)

    rows = rows_of(Meanwhile().eval(), batch())
    assert [(row.names[0], row.calls) for row in rows] == [(f"net.{k}", 1) for k in range(7)]
