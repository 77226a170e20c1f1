"""How a named layer is read where its shape does not tell."""

import torch
from torch import nn

from helpers.nets import assert_same, batch, convnet, photograph
from sightline.surgery.harness.given import Given
from sightline.surgery.layer_trace import capture
from sightline.surgery.layers.readings import beyond_doubt, readings, surveyed


class Square(nn.Module):
    """As many channels as rows and as columns; the channels stand last."""

    def __init__(self):
        super().__init__()
        self.patch, self.mix = nn.Conv2d(3, 8, 4, 4), nn.Linear(8, 8)
        self.act = nn.Tanh()

    def forward(self, x):
        return self.act(self.mix(self.patch(x).permute(0, 2, 3, 1))).mean((1, 2))


def test_what_a_linear_layer_made_has_its_channels_last():
    net, x = Square().eval(), torch.rand(1, 3, 32, 32)
    given, before = Given.of(net, x), photograph(net)
    assert not surveyed(given)
    found = readings(given, ["act", "patch"])
    assert_same(before, photograph(net))
    assert {name: grid.kind for name, grid in found.items()} == {"act": "channels last"}
    assert surveyed(given)
    cut = capture(net, given, "act").cuts[0]
    assert cut.grid.kind == "channels first"  # by the shape alone, and so in doubt
    assert not beyond_doubt(cut, given)
    assert beyond_doubt(capture(net, given, "patch").cuts[0], given)


def test_of_a_plain_network_nothing_is_special():
    given = Given.of(convnet(), batch())
    assert readings(given, ["0", "2", "5"]) == {}
    assert beyond_doubt(capture(given.model, given, "5").cuts[0], given)
    assert readings(given, ["0"], 3) == {}  # a run that there is not


def test_a_model_that_fails_on_noise_is_read_by_its_shapes(monkeypatch):
    monkeypatch.delenv("SIGHTLINE_STRICT")

    class OnPictures(nn.Module):
        def __init__(self):
            super().__init__()
            self.act = nn.ReLU()

        def forward(self, x):
            if not bool((x == 1).all()):
                raise ValueError("no picture")
            return self.act(x)

    assert readings(Given.of(OnPictures(), torch.ones(1, 3, 8, 8)), ["act"]) == {}
