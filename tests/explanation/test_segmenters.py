"""`explain` of segmentation networks with nothing named, a class, one channel, a head beside."""

import pytest
import torch
from torch import nn

import sightline
from helpers.closeness import assert_near
from sightline import Output, Region
from sightline.errors import TargetError


class Segmenter(nn.Module):
    """An encoder, a decoder of `depth` layers, maps of classes, and a classifier's head."""

    def __init__(self, form=lambda maps, rows: maps, channels=3, depth=1):
        super().__init__()
        torch.manual_seed(0)
        self.form = form
        self.encoder = nn.Sequential(nn.Conv2d(3, 8, 3, 4, 1), nn.ReLU())
        layers = [nn.Sequential(nn.Conv2d(8, 8, 3, 1, 1), nn.ReLU()) for _ in range(depth)]
        self.decoder = nn.Sequential(nn.Upsample(scale_factor=4), *layers)
        self.maps = nn.Conv2d(8, channels, 3, 1, 1)
        self.rows = nn.Linear(8, 4)

    def forward(self, pictures):
        deep = self.encoder(pictures)
        maps = self.maps(self.decoder(deep))
        # every class is predicted somewhere
        maps = maps - maps.mean((0, 2, 3), keepdim=True)
        return self.form(maps, self.rows(deep.mean((2, 3))))


PICTURES = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
NAMES = ["ground", "cat", "dog"]
FORMS = {
    "tensor": lambda maps, rows: maps,
    "torchvision": lambda maps, rows: {"out": maps, "aux": -maps},
    "transformers": lambda maps, rows: {"logits": maps},
}


def commonest(maps):
    return [int(one.flatten().bincount().argmax()) for one in maps.argmax(1)]


@pytest.mark.parametrize("form", FORMS)
def test_nothing_named_is_the_commonest_class_as_a_region(form):
    net = Segmenter(FORMS[form]).eval()
    e = sightline.explain(net, PICTURES, classes=NAMES)
    with torch.no_grad():
        classes = commonest(Segmenter().eval()(PICTURES))
    assert [target.index for target in e.targets] == classes
    named = sightline.explain(net, PICTURES, Region(torch.tensor(classes)), layer=e.layer)
    assert torch.equal(e.maps, named.maps)
    assert torch.equal(e.scores, named.scores)
    assert e.probabilities is None
    assert "Region(1, where=) in a mask" in e.provenance["notes"][0]
    assert e.layer == sightline.explain(net, PICTURES, Region(1)).layer


@pytest.mark.parametrize("method", ["grad_cam", "score_cam", "gradient", "rise"])
def test_a_name_is_its_region_by_every_kind_of_method(method):
    net = Segmenter().eval()
    options = {"masks": 20} if method == "rise" else {}
    by_name = sightline.explain(net, PICTURES, "dog", method, classes=NAMES, **options)
    region = sightline.explain(net, PICTURES, Region(2), method, **options)
    assert torch.equal(by_name.maps, region.maps)
    assert str(by_name.targets[0]) == "dog"
    assert "target='dog' is read as a Region" in by_name.provenance["notes"][0]


def test_as_many_names_as_channels():
    with pytest.raises(TargetError, match="Expected 3 class names"):
        sightline.explain(Segmenter().eval(), PICTURES, classes=["cat", "dog"])


def test_one_channel_of_probabilities_is_the_network_s_without_its_sigmoid():
    plain = Segmenter(channels=1).double().eval()
    ended = Segmenter(lambda maps, rows: maps.sigmoid(), channels=1).double().eval()
    pictures = PICTURES.double()
    for target in (None, 0, 1, [1, 0], Region(1, where=(3, 4))):
        first, second = (sightline.explain(net, pictures, target) for net in (plain, ended))
        assert first.targets == second.targets
        assert_near(first.scores, second.scores, 1e-9)
        assert_near(first.coarse, second.coarse, 1e-9)
    both = sightline.explain(plain, pictures, [0, 1], "grad_cam")
    maps = plain(pictures)
    for i in range(2):
        one = maps[i, 0]
        assert both.scores[i, 1].item() == pytest.approx(one[one > 0].mean().item())
        assert both.scores[i, 0].item() == pytest.approx(-one[one < 0].mean().item())


SIDES = {
    "tuple": lambda maps, rows: (maps, rows),
    "names": lambda maps, rows: {"masks": maps, "label": rows},
    "logits": lambda maps, rows: {"logits": rows, "masks": maps},
}


@pytest.mark.parametrize("side", SIDES)
def test_a_head_beside_a_long_decoder(side):
    """More layers lie between the outputs and the encoder than were ever tried."""
    net = Segmenter(SIDES[side], depth=55).eval()
    e = sightline.explain(net, PICTURES, place="unchecked")
    assert e.layer.startswith("encoder")
    assert "later ones" in e.layer_reason
    rows = Segmenter(lambda maps, rows: rows, depth=55).eval()(PICTURES)
    assert [target.index for target in e.targets] == rows.argmax(1).tolist()
    assert "the model returned maps [2, 3, 32, 32] as well" in e.provenance["notes"][0]


@pytest.mark.parametrize("side", SIDES)
def test_its_maps_are_asked_at_the_decoder(side):
    net = Segmenter(SIDES[side], depth=2).eval()
    e = sightline.explain(net, PICTURES, Region(1))
    plain = sightline.explain(Segmenter(depth=2).eval(), PICTURES, Region(1))
    assert e.layer.startswith("decoder")
    assert (e.layer, e.maps.tolist()) == (plain.layer, plain.maps.tolist())


def test_one_of_several_outputs_is_asked_for_its_class():
    net = Segmenter(FORMS["torchvision"]).eval()
    e = sightline.explain(net, PICTURES, Output("aux", 1), layer="decoder")
    wanted = Region(1)(-Segmenter().eval()(PICTURES))
    assert_near(e.scores, wanted.detach(), 1e-5)
