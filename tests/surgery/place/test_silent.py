"""Layers that return the same, whatever the picture is."""

import torch
from torch import nn

from helpers.nets import assert_same, photograph
from sightline import explain
from sightline.surgery.harness.given import Given
from sightline.surgery.place.silent import silent_layers


class Towers(nn.Module):
    """A tower for each of two pictures, the reference's last; what they say is compared."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.own, self.reference = (
            nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 6, 3), nn.ReLU())
            for _ in range(2)
        )
        self.head = nn.Linear(6, 3)

    def forward(self, x, y):
        return self.head(self.own(x).mean((2, 3)) * self.reference(y).mean((2, 3)))


PICTURES = tuple(
    torch.rand(2, 3, 12, 12, generator=torch.Generator().manual_seed(k)) for k in range(2)
)


def test_those_of_the_other_picture_are_silent():
    net = Towers().eval()
    before = photograph(net)
    found = silent_layers(Given.of(net, PICTURES))
    assert_same(before, photograph(net))
    assert {name.split(".")[0] for name in found} == {"reference"}
    assert "reference" in found


def test_the_automatic_layer_is_one_of_the_picture():
    """The last layer of all belongs to the other picture; it is no use to name one of its runs."""
    e = explain(Towers().eval(), PICTURES, 0, "layer_cam")
    assert e.layer == "own"
    assert "the places of 'reference' do not lie on this picture" in e.layer_reason
    assert e.provenance["layer"]["place"]["outcome"] == "confirmed"
    assert all(status.word in ("ok", "no positive evidence") for status in e.status)
    named = explain(Towers().eval(), PICTURES, 0, "layer_cam", "reference")
    assert named.status[0].word in ("place not confirmed", "no positive evidence")
