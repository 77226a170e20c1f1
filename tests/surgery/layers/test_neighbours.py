"""The layers beside the automatic one, and named ones beside it."""

import pytest
import torch
from torch import nn

from helpers.nets import batch, convnet
from sightline.errors import LayerError
from sightline.surgery import choose
from sightline.surgery.layers.neighbours import neighbours, with_automatic


def test_the_automatic_layer_is_among_its_neighbours_at_place_zero():
    net = nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()),
        nn.Sequential(nn.Conv2d(4, 6, 3, 2), nn.ReLU()),
        nn.Sequential(nn.Conv2d(6, 6, 3, 1, 1), nn.ReLU()),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 2),
    )
    one = torch.rand(1, 3, 16, 16)
    found = {place: row for row, place in neighbours(net, one)}
    assert found[0].name == choose(net, one).name == "2"
    assert [(place, row.name) for place, row in found.items()] == [
        (-4, "0"),
        (-2, "1"),
        (-1, "2.0"),
        (0, "2"),
    ]
    assert found[-4].grid.size > found[0].grid.size == found[-2].grid.size


def test_named_layers_come_with_the_automatic_one_and_the_distance_in_layers():
    net = convnet()
    found = [(row.name, distance) for row, distance in with_automatic(net, batch(), ["2", net[3]])]
    assert found == [("2", -3), ("3", -2), ("5", 0)]
    assert [(row.name, k) for row, k in with_automatic(net, batch(), "5")] == [("5", 0)]


@pytest.mark.parametrize(
    ("layers", "words"),
    [("7", "'7' has none. On offer: '0', '1'"), ([], "at least one layer to compare; got none")],
)
def test_layers_that_cannot_be_compared_are_refused(layers, words):
    with pytest.raises(LayerError, match=words):
        with_automatic(convnet(), batch(), layers)


class Fickle(nn.Module):
    """Black pictures go another way, on which the automatic layer does not lie."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.light, self.dark, self.fc = nn.Conv2d(3, 6, 3), nn.Conv2d(3, 6, 3), nn.Linear(6, 2)

    def forward(self, x):
        return self.fc((self.light if x.any() else self.dark)(x).mean((2, 3)))


def test_the_layers_are_those_of_the_noise_on_which_the_choice_is_made():
    black = torch.zeros(1, 3, 8, 8)
    assert [(row.name, k) for row, k in neighbours(Fickle().eval(), black)] == [("light", 0)]
    found = with_automatic(Fickle().eval(), black, "light")
    assert [(row.name, k) for row, k in found] == [("light", 0)]
