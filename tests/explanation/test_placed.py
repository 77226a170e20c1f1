"""Which run of a layer is explained, and what is said where its map lies elsewhere."""

import json

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from helpers.nets import assert_same, photograph
from helpers.placed_nets import Encoder, Mixer, Placed, Unpadded, cropped, measured, mirrored
from sightline import explain
from sightline.errors import LayerError

SIDE = 32


class Reds(nn.Module):
    """How much red there is, and how much green: `act` has a channel for each."""

    def __init__(self):
        super().__init__()
        self.conv, self.act = nn.Conv2d(3, 2, 5, padding=2, bias=False), nn.ReLU()
        with torch.no_grad():
            self.conv.weight.zero_()
            self.conv.weight[0, 0] = self.conv.weight[1, 1] = 1 / 25

    def forward(self, x):
        return self.act(self.conv(x)).mean((2, 3))


def square(row, column):
    """Nearly black, with a red square of seven pixels."""
    made = torch.Generator().manual_seed(row)
    picture = 0.05 * torch.rand(1, 3, SIDE, SIDE, generator=made)
    picture[0, 0, row - 3 : row + 4, column - 3 : column + 4] = 1
    return picture


def peak(e):
    """The middle of what is brightest in the first map."""
    image = e.maps.flatten(0, -3)[0]
    return (image > 0.95 * image.max()).nonzero().double().mean(0)


def assert_lies_at(e, row, column, within=1.5):
    # One view of several is a part of the evidence, in its place.
    assert e.status[0].word in ("ok", "part of the evidence")
    off = peak(e) - torch.tensor([row, column]).double()
    assert float(off.abs().max()) <= within, off


class Pair(nn.Module):
    """One encoder for two pictures; the second is seen last."""

    def __init__(self):
        super().__init__()
        self.encoder = Reds()

    def forward(self, x, reference):
        return self.encoder(x) - 0.5 * self.encoder(reference)


@pytest.mark.parametrize("layer", ["encoder.act", "encoder.conv", None])
def test_an_encoder_of_two_pictures(layer):
    """The map lies on the first picture, which is shown, and not on the other."""
    net, pictures = Pair(), (square(6, 8), square(24, 22))
    e = explain(net, pictures, 0, layer=layer)
    assert_lies_at(e, 6, 8)
    said = e.provenance["layer"]
    assert (said["calls"], said["call"]) == (2, 0)
    assert (said["place"]["outcome"], said["place"]["way"]) == ("confirmed", "structure")
    assert any("ran 2 times; run 0 (from 0) is explained" in one for one in e.provenance["notes"])
    json.dumps(said["place"])


def test_a_run_that_was_named_is_explained_and_judged():
    net, pictures = Pair(), (square(6, 8), square(24, 22))
    first = explain(net, pictures, 0, layer="encoder.act", call=0)
    assert_lies_at(first, 6, 8)
    last = explain(net, pictures, 0, layer="encoder.act", call=1, counterfactual=True)
    assert last.status[0].word == "place not confirmed"
    assert "it does not depend on this picture" in last.status[0].message
    assert last.provenance["layer"]["call"] == 1


class Views(nn.Module):
    """A network that is shown several views of its picture, one after another."""

    def __init__(self, *views):
        super().__init__()
        self.net, self.views = Reds(), views

    def forward(self, x):
        return sum(self.net(view(x)) for view in self.views)


def as_it_is(x):
    return x


def to_the_left(x):
    return x.flip(3)


def upside_down(x):
    return x.flip(2)


def quarter(x):
    return x.rot90(1, (2, 3))


def three_quarters(x):
    return x.rot90(3, (2, 3))


@pytest.mark.parametrize(
    "views",
    [
        (as_it_is, to_the_left),
        (to_the_left, as_it_is),
        (as_it_is, to_the_left, upside_down),
        (upside_down, to_the_left, as_it_is),
        (as_it_is, quarter, three_quarters),
        (quarter, as_it_is, three_quarters),
    ],
)
def test_the_view_that_is_the_picture_is_explained(views):
    e = explain(Views(*views), square(6, 8), 0, layer="net.act")
    assert_lies_at(e, 6, 8)
    said = e.provenance["layer"]
    assert (said["call"], said["place"]["outcome"]) == (views.index(as_it_is), "confirmed")


@pytest.mark.parametrize(
    ("views", "turned"),
    [
        ((to_the_left,), "mirrored along the width"),
        ((upside_down, to_the_left), "mirrored along the width"),
        ((to_the_left, upside_down), "mirrored along the height"),
        ((lambda x: x.flip(2, 3),), "mirrored along the height and the width"),
        ((lambda x: x.mT,), "transposed"),
        ((quarter,), "transposed and mirrored along the width"),
        ((quarter, three_quarters), "transposed and mirrored along the height"),
        ((lambda x: x.roll(SIDE // 2, 3),), "moved by half along the width"),
        ((lambda x: x.roll((SIDE // 2, SIDE // 2), (2, 3)),),
         "moved by half along the height and the width"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("layer", ["net.act", None])
def test_a_view_that_was_turned_is_turned_back(views, turned, layer):
    """No run saw the picture as it is, but how it was turned can be told."""
    e = explain(Views(*views), square(6, 9), 0, layer=layer)
    assert_lies_at(e, 6, 9)
    said = e.provenance["layer"]
    assert said["place"]["outcome"] == "confirmed"
    assert said["grid"]["turn"] == turned
    assert any(f"is {turned}: it is read so" in note for note in e.provenance["notes"])


@pytest.mark.parametrize("method", ["score_cam", "ablation_cam", "grad_cam_pp", "guided_layer_cam"])
def test_every_kind_of_method_is_turned_back(method):
    """Methods that run the model again put their maps where the layer had them."""
    e = explain(Views(to_the_left), square(6, 9), 0, method, layer="net.act")
    assert_lies_at(e, 6, 9, 3)
    twin = explain(Reds(), square(6, 9), 0, method, layer="act")
    torch.testing.assert_close(e.maps, twin.maps, atol=2e-2, rtol=0)


@pytest.mark.slow
def test_tokens_that_stand_column_by_column():
    """As many rows as columns would be read one for the other, and nobody would see it."""

    class Columns(Encoder):
        def forward(self, x):
            tokens = self.patch(x).mT.flatten(2).transpose(1, 2)
            for block in self.blocks:
                tokens = block(tokens)
            return self.head(self.norm(tokens).mean(1))

    for size in ((32, 32), (32, 48)):
        x = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))
        e = explain(Columns(), x, 1, "hires_cam", "norm")
        said = e.provenance["layer"]
        assert said["place"]["outcome"] == "confirmed"
        assert said["grid"]["turn"] == "transposed"
        columns = tuple(n // 4 for n in reversed(size))
        own = explain(
            Columns(), x, 1, "hires_cam", "norm",
            grid=lambda out, c=columns: out.unflatten(1, c).movedim(3, 1).mT,
        )  # fmt: skip
        torch.testing.assert_close(e.coarse, own.coarse)
        assert own.provenance["layer"]["place"]["outcome"] == "confirmed"


@pytest.mark.parametrize(
    "views",
    [
        (lambda x: x[:, :, :16, :16], lambda x: x[:, :, 16:, 16:]),
        (lambda x: x[:, :, 16:, :16], lambda x: x[:, :, :16, 16:]),
    ],
)
def test_where_no_view_is_the_picture_it_is_said(views):
    e = explain(Views(*views), square(24, 8), 0, layer="net.act")
    assert e.status[0].word in ("place not confirmed", "no positive evidence")
    assert e.provenance["layer"]["place"]["outcome"] == "contradicted"
    assert not e.status[0].ok


@pytest.mark.parametrize("margin", [1, 2])
def test_crops_of_nearly_all_of_the_picture(margin):
    """The map is as far off as the crop: nobody sees that."""
    cut = SIDE - 2 * margin
    crops = [
        lambda x: x[:, :, :cut, :cut],
        lambda x: x[:, :, 2 * margin :, 2 * margin :],
        lambda x: x[:, :, margin:-margin, margin:-margin],
    ]
    assert_lies_at(explain(Views(*crops), square(6, 8), 0, layer="net.act"), 6, 8, 2 * margin + 1)


def test_a_mirrored_network_whose_grid_was_stated():
    """The caller said how to read it: that is not put right, but told."""
    e = explain(Placed(mirrored), square(6, 8), 0, layer="act", grid=(16, 16))
    status = e.status[0]
    assert status.word == "place not confirmed"
    assert status.message == (
        "The places of 'act' do not lie on the picture where the map shows them: the grid is"
        " mirrored along the width. Name another layer, another run of it (call=0) or how it is"
        " read (grid=); place='unchecked' shows the map as it is."
    )
    assert e.provenance["layer"]["place"] == {
        "outcome": "contradicted",
        "way": "structure",
        "seen": "the grid is mirrored along the width",
        "share": 1.0,
    }
    assert "1 not ok" in repr(e)


def test_what_is_advised_works():
    """Read the other way round the mirrored layer lies on the picture."""
    net, x = Placed(mirrored), square(6, 8)
    e = explain(net, x, 0, grid=lambda out: out.flip(3), layer="act")
    assert e.status[0].ok
    assert (e.provenance["layer"]["place"]["outcome"]) == "confirmed"
    straight = explain(Placed(), x.flip(3), 0, layer="act")
    torch.testing.assert_close(e.coarse, straight.coarse.flip(-1))


def test_a_grid_named_as_a_list(shapes_unchecked):
    """No tuple, as the signature has it, but users are not checked."""
    net, x = Placed(), square(6, 8)
    named = explain(net, x, 0, layer="act", grid=[16, 16])
    assert torch.equal(named.maps, explain(net, x, 0, layer="act").maps)
    assert named.status[0].ok


def test_unchecked():
    net, x = Placed(cropped), square(24, 22)
    checked, unchecked = explain(net, x, 0), explain(net, x, 0, place="unchecked")
    assert unchecked.status[0].ok
    assert unchecked.status[0].message == ""
    assert unchecked.provenance["layer"]["place"] is None
    assert torch.equal(checked.maps, unchecked.maps)


def test_unchecked_runs_the_model_no_more_than_it_must():
    net, runs = Placed(measured(lambda net, x: x)), []
    net.register_forward_hook(lambda *_: runs.append(1))
    explain(net, square(6, 8), 0, layer="act", place="unchecked")
    assert len(runs) == 1
    explain(net, square(6, 8), 0, layer="act")
    assert len(runs) > 2
    del runs[:]
    explain(net, square(24, 8), 0, layer="act")
    assert len(runs) == 1


@pytest.mark.parametrize("place", ["prooved", "", None, True])
def test_a_wrong_word(place, shapes_unchecked):
    """Said to users, whose types nobody checks, before the pictures are read."""
    with pytest.raises(LayerError) as raised:
        explain(Placed(), "no such picture.png", 0, place=place)
    assert str(raised.value) == f"Expected place='proved' or place='unchecked'; got {place!r}."


def test_a_product_with_the_pixels_is_no_better_placed_than_its_map():
    net, x, asked = Placed(cropped), square(24, 22), [0, 1, 2, 3]
    found = explain(net, x, asked, ["layer_cam", "guided_layer_cam", "gradient"])
    cam, product = (found[name] for name in ("layer_cam", "guided_layer_cam"))
    assert cam.provenance["layer"]["place"]["outcome"] == "contradicted"
    assert product.provenance["layer"]["place"] == cam.provenance["layer"]["place"]
    pairs = [
        (one, other)
        for one, other in zip(cam.status[0], product.status[0], strict=True)
        if one.word == other.word == "place not confirmed"
    ]
    assert pairs
    assert all(one.message == other.message for one, other in pairs)
    assert not any(status.ok for status in (*cam.status[0], *product.status[0]))
    # What goes all the way back to the pixels needs no layer, and no proof.
    assert all(status.ok for status in found["gradient"].status[0])
    assert found["gradient"].provenance["layer"]["place"] is None
    alone = explain(net, x, asked, "guided_layer_cam", place="unchecked")
    assert alone.provenance["layer"]["place"] is None
    assert any(status.ok for status in alone.status[0])


BOTH = ("first", "second")


class Halfway(nn.Module):
    """Mirrored between two layers: the first lies on the picture, the second does not."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        return self.head(F.relu(self.second(F.relu(self.first(x)).flip(3))).mean((2, 3)))


def test_several_layers_and_methods_have_each_its_own():
    net, x = Halfway(), torch.cat([square(6, 8), square(24, 22)])
    before = photograph(net)
    found = explain(net, x, 0, ["grad_cam", "layer_cam"], list(BOTH))
    assert_same(before, photograph(net))
    for method in ("grad_cam", "layer_cam"):
        places = {layer: found[method, layer].provenance["layer"]["place"] for layer in BOTH}
        assert places["first"]["outcome"] == "confirmed"
        assert places["second"]["outcome"] == "confirmed"
        assert places["second"]["seen"].endswith(
            "once the grid is read as mirrored along the width"
        )
        assert all(status.ok for status in found[method, "second"].status)
    assert all(status.ok for status in found["layer_cam", "first"].status)


def test_of_several_layers_the_run_stays_the_last():
    """One run is explained of all layers: the last, and what is wrong with it is said of each."""
    pictures = (square(6, 8), square(24, 22))
    found = explain(Pair(), pictures, 0, layer=["encoder.conv", "encoder.act"], counterfactual=True)
    for e in found.values():
        assert e.provenance["layer"]["call"] == 1
        assert e.status[0].word == "place not confirmed"


def test_what_comes_first_is_said_first():
    """Where the map is zero there is nothing to be misplaced; the proof stands in the record."""
    e = explain(Pair(), (square(6, 8), square(24, 22)), 0, layer="encoder.act", call=1)
    assert e.status[0].word == "no positive evidence"
    assert e.provenance["layer"]["place"]["outcome"] == "contradicted"


class OnPictures(Placed):
    def forward(self, x):
        if x.min() < 0:
            raise ValueError("no picture")
        return super().forward(x)


@pytest.mark.parametrize(
    ("net", "layer", "why"),
    [
        (Mixer(), "mixed", "the network mixes all places"),
        (Placed(measured(lambda net, x: x), stride=16), "act",
         "4 places with a number, fewer than six"),
        (OnPictures(), "act", "it cannot be looked back to noise (ValueError: no picture)"),
    ],
)  # fmt: skip
def test_what_cannot_be_told_stands_in_the_notes(net, layer, why):
    before = photograph(net)
    e = explain(net, square(6, 8), [0, 1, 2, 3], "hires_cam", layer)
    assert_same(before, photograph(net))
    assert f"place not checked: {why}" in e.provenance["notes"]
    assert any(status.ok for status in e.status[0])
    assert all(status.word != "place not confirmed" for status in e.status[0])


@pytest.mark.parametrize(
    ("net", "layer"), [(Placed(), "act"), (Encoder(), "norm"), (Unpadded(), "act"), (Reds(), None)]
)
def test_of_what_is_confirmed_nothing_is_said(net, layer):
    e = explain(net, square(6, 8), layer=layer)
    assert e.provenance["layer"]["place"]["outcome"] == "confirmed"
    assert not any("place not" in note for note in e.provenance["notes"])
    assert e.status[0].word in ("ok", "no positive evidence")


def test_a_batch_is_proved_as_its_pictures_are():
    net = Placed(cropped)
    e = explain(net, torch.cat([square(6, 8), square(24, 22), square(9, 9)]), [0, 1])
    words = {status.word for row in e.status for status in row}
    assert words <= {"place not confirmed", "no positive evidence"}
    assert "place not confirmed" in words
    assert explain(net, square(6, 8), 0).status[0] == e.status[0][0]
