"""The place of the automatic layer on real architectures, and that wrong readings are found out."""

import pytest
import timm
import torch
from torch import nn

from helpers.random_weights import NoDrawing, lively, noise
from sightline import explain
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

BRANCHES = ("crossvit", "coat")
"""Networks whose head reads several branches."""


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
    "mirrored": lambda x: x.flip(-1),
    "axes exchanged": lambda x: x.transpose(2, 3),
    "shifted by half": lambda x: torch.roll(x, (x.shape[2] // 2, x.shape[3] // 2), (2, 3)),
}


@pytest.mark.parametrize("way", WRONG)
@pytest.mark.parametrize("family", ["resnet", "hrnet", "deit"])
def test_a_wrong_one_is_contradicted(family, way):
    model, x = build(family)
    e = explain(Seen(model, WRONG[way]).eval(), x)
    assert e.provenance["layer"]["place"]["outcome"] == "contradicted"
    assert e.status[0].word in ("place not confirmed", "no positive evidence")


@pytest.mark.parametrize("family", BRANCHES)
def test_one_of_several_branches_is_a_part(family):
    model, x = build(family)
    e = explain(model, x)
    assert 0 < e.provenance["layer"]["place"]["share"] < 0.5
    assert e.status[0].word in ("part of the evidence", "no positive evidence")
