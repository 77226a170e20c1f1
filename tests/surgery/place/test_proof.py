"""Where the layers of small networks lie, each placed or misplaced in its own way."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from helpers.nets import assert_same, photograph
from helpers.placed_nets import (
    Encoder,
    Mixer,
    Placed,
    Unpadded,
    cropped,
    measured,
    mirrored,
    rolled,
    slightly_cropped,
    turned_in_place,
)
from helpers.proofs import as_it_is, picture, proof_of, told


def test_plain_convolutions_are_read_off():
    proof = proof_of(Placed())
    assert told(proof) == ("confirmed", "structure")
    assert proof.seen == "every place within 0.25 places of its own"
    assert told(proof_of(Placed(slightly_cropped))) == ("confirmed", "structure")


@pytest.mark.parametrize(
    ("way", "seen"),
    [
        (mirrored, "the grid is mirrored along the width"),
        (lambda net, x: x.flip(2), "the grid is mirrored along the height"),
        (turned_in_place, "the grid is transposed"),
        (cropped, "the grid lies 7.6 places away"),
    ],
)
def test_what_the_graph_contradicts(way, seen):
    proof = proof_of(Placed(way))
    assert told(proof) == ("contradicted", "structure")
    assert proof.seen == seen
    # The same, where the graph does not say it.
    proof = proof_of(Placed(measured(way)))
    assert told(proof) == ("contradicted", "measured")
    turned = "lies" not in seen
    assert proof.seen.startswith(seen if turned else "the places look elsewhere: ")
    assert (proof.turn is not None) == turned


def test_a_picture_that_is_no_square():
    assert proof_of(Placed(), picture(1, 3, 32, 24)).outcome == "confirmed"
    proof = proof_of(Placed(turned_in_place), picture(1, 3, 32, 24))
    assert proof.seen == "the axes of the grid are exchanged"


def test_half_a_picture_away():
    proof = proof_of(Placed(rolled))
    assert told(proof) == ("contradicted", "measured")
    assert told(proof_of(Placed(measured(as_it_is)))) == ("confirmed", "measured")


def centre(net, x):
    """The middle half of each side, enlarged."""
    h, w = x.shape[2:]
    return F.interpolate(x[:, :, h // 4 : -h // 4, w // 4 : -w // 4], (h, w), mode="bilinear")


@pytest.mark.parametrize("way", [centre, measured(centre)])
def test_the_middle_of_the_picture_is_not_the_picture(way):
    assert told(proof_of(Placed(way))) == ("contradicted", "measured")


def test_few_pixels_each_are_no_mixture():
    """Places that look at a pixel or two each, elsewhere: no more at the cells than on average."""
    proof = proof_of(Placed(centre, stride=8), picture(1, 3, 96, 96))
    assert proof.outcome != "confirmed"
    assert told(proof_of(Placed(measured(as_it_is), stride=8), picture(1, 3, 96, 96))) == (
        "confirmed",
        "measured",
    )


@pytest.mark.parametrize("layer", ["first", "pool", "act"])
def test_convolutions_that_pad_nothing_are_no_crop(layer):
    """Corners two places off, of a grid of ten: what every small network for digits does."""
    assert proof_of(Unpadded(), layer=layer).outcome == "confirmed"


def turned_by_a_table(net, x):
    """Mirrored by sampling: an operator that may do anything."""
    to_the_left = torch.tensor([[[-1.0, 0, 0], [0, 1, 0]]]).repeat(len(x), 1, 1)
    grid = F.affine_grid(to_the_left, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, align_corners=False)


@pytest.mark.parametrize(
    ("way", "want"),
    [
        (lambda net, x: F.interpolate(x, (32, 32)), ("confirmed", "structure")),
        (lambda net, x: F.interpolate(x.roll(0, 2), (32, 32)), ("confirmed", "measured")),
        (lambda net, x: F.pad(x, (0, 0, 16, 16)), ("contradicted", "structure")),
        (lambda net, x: F.pad(x.roll(0, 2), (0, 0, 16, 16)), ("contradicted", "measured")),
        (lambda net, x: (x - x.mean((2, 3), keepdim=True)) / x.std((2, 3), keepdim=True),
         ("confirmed", "structure")),
        (lambda net, x: torch.stack([one.flip(1) for one in x]), ("contradicted", "structure")),
        (turned_by_a_table, ("contradicted", "measured")),
    ],
)  # fmt: skip
def test_pictures_that_are_prepared_inside(way, want):
    """Stretched to a square they keep their places, padded to one they do not."""
    assert told(proof_of(Placed(way), picture(1, 3, 32, 64))) == want


def test_another_picture():
    inputs = (picture(), picture(seed=1))
    proof = proof_of(Placed(lambda net, x, y: y), inputs)
    assert told(proof) == ("contradicted", "structure")
    assert proof.seen == "it does not depend on this picture"
    both = Placed(lambda net, x, y: x - y)
    assert told(proof_of(both, inputs)) == ("confirmed", "structure")


def unrecorded(net, x):
    with torch.no_grad():
        return net.first(x)[:, :3]


def test_no_derivative_leads_back():
    """Then parts of the picture are drawn anew, and where the layer answers is looked at."""
    proof = proof_of(Placed(unrecorded))
    assert told(proof) == ("confirmed", "measured")
    assert proof.seen.endswith(", by patches of noise that were drawn anew")


class Closed(nn.Module):
    """A network through which no derivative leads, behind something done to its picture."""

    def __init__(self, way, how):
        super().__init__()
        self.net, self.how = Placed(way), how

    def forward(self, x):
        with torch.inference_mode() if self.how == "inference" else torch.no_grad():
            return self.net(x)


@pytest.mark.parametrize("how", ["inference", "no_grad"])
@pytest.mark.parametrize(
    ("way", "turn"),
    [
        (as_it_is, ""),
        (mirrored, "mirrored along the width"),
        (lambda net, x: x.flip(2), "mirrored along the height"),
        (turned_in_place, "transposed"),
        (rolled, "moved by half along the width"),
    ],
)
@pytest.mark.parametrize("axes", [(32, 32), (32, 48)])
def test_wrong_readings_show_without_derivatives(way, turn, how, axes):
    if turn == "transposed" and axes != (32, 32):
        return
    net, x = Closed(way, how), picture(1, 3, *axes)
    before = photograph(net)
    proof = proof_of(net, x, "net.act")
    assert_same(before, photograph(net))
    assert told(proof) == ("confirmed" if turn == "" else "contradicted", "measured")
    assert str(proof.turn or "") == turn


def test_a_crop_without_derivatives_is_not_confirmed():
    """Three quarters of the parts have no answer, and of the others there are fewer than six."""
    proof = proof_of(Closed(cropped, "no_grad"), picture(), "net.act")
    assert told(proof) == ("undecided", "measured")


def test_another_picture_without_derivatives():
    class Other(Closed):
        def forward(self, x, y):
            return super().forward(y) + 0 * x.mean()

    proof = proof_of(Other(as_it_is, "no_grad"), (picture(), picture(seed=1)), "net.act")
    assert proof.seen == "it does not depend on this picture"


class Rim(nn.Module):
    """Zeros all round, as wide as a place or more."""

    def __init__(self, way=as_it_is):
        super().__init__()
        torch.manual_seed(0)
        self.way, self.conv, self.act = way, nn.Conv2d(3, 4, 3, padding=1), nn.ZeroPad2d(4)

    def forward(self, x):
        return self.act(self.conv(self.way(self, x))).mean((2, 3))


@pytest.mark.parametrize("way", [as_it_is, measured(as_it_is)])
def test_a_rim_of_zeros(way):
    proof = proof_of(Rim(way))
    assert told(proof) == ("contradicted", "measured")
    assert proof.seen == "its corners look at nothing, as a rim does"
    assert proof_of(Rim(way), layer="conv").outcome == "confirmed"


def test_attention_and_a_residual_stream():
    assert told(proof_of(Encoder(), layer="norm")) == ("confirmed", "measured")


@pytest.mark.parametrize(
    "way", [lambda x: x.flip(3), lambda x: x.transpose(2, 3), lambda x: x.roll(16, 2)]
)
def test_attention_behind_a_picture_that_was_moved(way):
    assert told(proof_of(Encoder(way), layer="norm")) == ("contradicted", "measured")


def test_all_places_mixed_alike():
    proof = proof_of(Mixer(), layer="mixed")
    assert told(proof) == ("undecided", "measured")
    assert proof.seen == "the network mixes all places"


def test_tokens_read_in_another_order():
    """The grid is the caller's: the same tokens, column by column."""
    rows = proof_of(
        Encoder(), layer="norm", grid=lambda t: t[:, 1:].unflatten(1, (8, 8)).movedim(3, 1)
    )
    assert rows.outcome == "confirmed"
    columns = proof_of(
        Encoder(), layer="norm", grid=lambda t: t[:, 1:].unflatten(1, (8, 8)).movedim(3, 1).mT
    )
    assert columns.outcome == "contradicted"


def test_fewer_than_six_places():
    proof = proof_of(Placed(measured(as_it_is), stride=16))
    assert told(proof) == ("undecided", "measured")
    assert proof.seen == "4 places with a number, fewer than six"
    # The graph says it of four as of forty.
    assert told(proof_of(Placed(stride=16))) == ("confirmed", "structure")


class SomeAlive(nn.Module):
    """Zeros but for the first few places."""

    def __init__(self, alive):
        super().__init__()
        self.act, self.alive = nn.Identity(), alive

    def forward(self, x):
        y = F.avg_pool2d(x.roll(0, 2), 4)
        mask = torch.zeros_like(y)
        mask.flatten(2)[..., : self.alive] = 1
        return self.act(y * mask)


def test_places_without_numbers_are_not_counted():
    assert proof_of(SomeAlive(0)).seen == "0 places with a number, fewer than six"
    assert proof_of(SomeAlive(5)).seen == "5 places with a number, fewer than six"
    assert told(proof_of(SomeAlive(40))) == ("confirmed", "measured")
