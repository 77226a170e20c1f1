"""The place of the automatic layer on real architectures, and that wrong readings are found out."""

import pytest
import timm
import torch
from torch import nn

from helpers.random_weights import NoDrawing, lively, noise
from sightline import explain
from sightline.surgery import Given, LayerRun, prove
from zoo.timm_table import SMALLEST

pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning"
)

WAYS = {
    "resnet": "structure",
    "mobilenetv3": "structure",
    "convnext": "structure",
    "inception_v3": "structure",
    "vovnet": "structure",
    "nfnet": "structure",
    "hrnet": "measured",
    "deit": "measured",
    "swin_transformer": "measured",
    "hiera": "measured",
    "focalnet": "structure",
    "xcit": "measured",
}
"""How the place is proved: off the graph behind local operators, else by looking back."""

CUTS = {
    ("crossvit", 240): "blocks.2.blocks.0 + blocks.2.blocks.1",
    ("efficientvim", 224): "stages.1.blocks.0",
}
"""Networks whose head reads several branches, and from where all that it reads is seen."""


def build(family):
    name, size, _, options = SMALLEST[family]
    with NoDrawing():
        return lively(timm.create_model(name, **options)), noise(1, 3, size, size)


@pytest.mark.parametrize("family", WAYS)
def test_a_right_reading_is_confirmed(family):
    model, x = build(family)
    e = explain(model, x)
    place = e.provenance["layer"]["place"]
    assert (place["outcome"], place["way"], place["share"]) == ("confirmed", WAYS[family], 1)
    assert e.status[0].word in ("ok", "no positive evidence")
    assert not [note for note in e.provenance["notes"] if "place" in note]


class Seen(nn.Module):
    """A network that is shown the picture in another way."""

    def __init__(self, net, way):
        super().__init__()
        self.net, self.way = net, way

    def forward(self, x):
        return self.net(self.way(x))


WRONG = {
    "mirrored along the width": lambda x: x.flip(-1),
    "transposed": lambda x: x.transpose(2, 3),
    "moved by half along the height and the width": lambda x: torch.roll(
        x, (x.shape[2] // 2, x.shape[3] // 2), (2, 3)
    ),
}


@pytest.mark.parametrize("way", WRONG)
@pytest.mark.parametrize("family", ["resnet", "deit"])
def test_a_wrong_one_is_contradicted_and_read_as_it_lies(family, way):
    model, x = build(family)
    net = Seen(model, WRONG[way]).eval()
    e = explain(net, x, 3, "hires_cam")
    said = e.provenance["layer"]
    proof = prove(Given.of(net, x), LayerRun(e.layer))
    assert (proof.outcome, str(proof.turn)) == ("contradicted", way)
    assert said["place"]["outcome"] == "confirmed"
    # In which order tokens are counted was seen before anything had to be proved.
    counted = "transposed" if said["grid"].get("order") == [1, 0] else None
    assert said["grid"].get("turn", counted) == way
    # As the network itself explains the picture that was moved, moved back.
    straight = explain(model, WRONG[way](x), 3, "hires_cam", e.layer.removeprefix("net."))
    torch.testing.assert_close(e.coarse, proof.turn(straight.coarse))


@pytest.mark.parametrize(("family", "size"), CUTS)
def test_branches_are_one_cut(family, size):
    name, _, _, options = SMALLEST[family]
    with NoDrawing():
        model = lively(timm.create_model(name, **options))
    e = explain(model, noise(1, 3, size, size))
    assert e.layer == CUTS[family, size]
    assert e.provenance["layer"]["place"]["share"] > 0.995
    assert e.status[0].word in ("ok", "no positive evidence")
