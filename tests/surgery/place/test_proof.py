"""Where the layers of small networks lie, each placed or misplaced in its own way."""

import gc

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

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
from sightline.surgery.harness.given import Given
from sightline.surgery.harness.opened_layer import LayerRun
from sightline.surgery.memory import remembered as memory
from sightline.surgery.place import proof as of_proof
from sightline.surgery.place.proof import prove


def picture(*shape, seed=0):
    return torch.rand(*(shape or (1, 3, 32, 32)), generator=torch.Generator().manual_seed(seed))


def proof_of(net, inputs=None, layer="act", **run):
    return prove(Given.of(net, picture() if inputs is None else inputs), LayerRun(layer, **run))


def told(proof):
    return proof.outcome, proof.way


def as_it_is(net, x, *others):
    return x


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


@pytest.mark.parametrize(
    ("way", "want"),
    [
        (as_it_is, ("confirmed", "structure")),
        (lambda net, x: x.flip(2), ("contradicted", "structure")),
        (measured(as_it_is), ("confirmed", "measured")),
        (lambda net, x: x.flip(2).roll(0, 2), ("contradicted", "measured")),
        (lambda net, x: x.roll(x.shape[2] // 2, 2), ("contradicted", "measured")),
    ],
)
@pytest.mark.parametrize("shape", [(1, 3, 64), (1, 3, 12, 16, 16)])
def test_signals_and_volumes(shape, way, want):
    assert told(proof_of(Placed(way, axes=len(shape) - 2), picture(*shape))) == want


@pytest.mark.parametrize("way", [as_it_is, measured(as_it_is)])
def test_the_axes_of_a_volume_exchanged(way):
    net = Placed(lambda net, x: way(net, x).transpose(3, 4), axes=3)
    assert proof_of(net, picture(1, 3, 8, 16, 16)).outcome == "contradicted"


@pytest.mark.parametrize(
    ("way", "want"),
    [
        (lambda net, x: x.permute(0, 3, 1, 2), ("confirmed", "structure")),
        (lambda net, x: x.permute(0, 3, 2, 1), ("contradicted", "structure")),
        (lambda net, x: x.permute(0, 3, 1, 2).roll(0, 2), ("confirmed", "measured")),
        (lambda net, x: x.permute(0, 3, 1, 2).flip(3).roll(0, 2), ("contradicted", "measured")),
    ],
)
def test_channels_last(way, want):
    assert told(proof_of(Placed(way), picture(1, 32, 32, 3))) == want


@pytest.mark.parametrize(
    ("way", "want"),
    [
        (lambda net, x, r: x * r[:, :, None, None], ("confirmed", "structure")),
        (lambda net, x, r: (x * r[:, :, None, None]).flip(3), ("contradicted", "structure")),
        (lambda net, x, r: x.roll(0, 2) * r[:, :, None, None], ("confirmed", "measured")),
        (lambda net, x, r: (x * r[:, :, None, None]).roll(16, 3), ("contradicted", "measured")),
    ],
)
def test_rows_for_each_picture(way, want):
    inputs = (picture(3, 3, 32, 32), picture(3, 3) + 0.5)
    assert told(proof_of(Placed(way), inputs)) == want


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize(
    ("way", "want"),
    [
        (as_it_is, ("confirmed", "structure")),
        (measured(as_it_is), ("confirmed", "measured")),
        (rolled, ("contradicted", "measured")),
    ],
)
def test_other_precisions(dtype, way, want):
    assert told(proof_of(Placed(way).to(dtype), picture().to(dtype))) == want


class Checkpointed(Placed):
    def body(self, x):
        return self.act(checkpoint(self.inner, x, use_reentrant=self.old))

    def inner(self, x):
        return self.norm(self.second(F.relu(self.first(x))))

    def __init__(self, way=as_it_is, *, old=False):
        super().__init__(way)
        self.norm, self.old = nn.BatchNorm2d(8), old


@pytest.mark.parametrize(("way", "outcome"), [(as_it_is, "confirmed"), (mirrored, "contradicted")])
@pytest.mark.parametrize("unread", [False, True])
def test_checkpoints_compute_anew_and_leave_no_trace(way, outcome, unread):
    net, x = Checkpointed(measured(way) if unread else way).train(), picture()
    before = photograph(net)
    proof = proof_of(net, x)
    assert told(proof) == (outcome, "measured" if unread else "structure")
    assert_same(before, photograph(net))


def test_checkpoints_of_the_old_kind_cannot_be_looked_back_through():
    net, x = Checkpointed(old=True).train(), picture()
    before = photograph(net)
    proof = proof_of(net, x)
    assert told(proof) == ("undecided", "measured")
    assert "use_reentrant" in proof.seen
    assert_same(before, photograph(net))


class Squeezed(nn.Module):
    """One channel, whose axis is taken away and put back: without a name, and in vain."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.act = nn.Conv2d(3, 1, 3, padding=1), nn.Conv2d(1, 4, 3, padding=1)

    def forward(self, x):
        y = self.first(x).squeeze().squeeze(-1)
        return self.act(y.view(len(x), 1, *x.shape[2:])).mean((2, 3))


def test_squeezed():
    assert told(proof_of(Squeezed())) == ("confirmed", "structure")


class OnPictures(nn.Module):
    """Refuses what is no picture: noise is below 0 and above 1."""

    def __init__(self, error):
        super().__init__()
        self.net, self.error = Placed(), error

    def forward(self, x):
        if x.min() < 0:
            raise self.error
        return self.net(x)


@pytest.mark.parametrize("error", [ValueError("no picture"), KeyError("x"), AssertionError("no")])
def test_a_model_that_fails_on_noise(error):
    net, x = OnPictures(error), picture()
    before = photograph(net)
    proof = proof_of(net, x, layer="net.act")
    assert told(proof) == ("undecided", "measured")
    assert proof.seen == f"it cannot be looked back to noise ({type(error).__name__}: {error})"
    assert_same(before, photograph(net))


def test_a_layer_that_does_not_run():
    net = Placed()
    net.never = nn.ReLU()
    assert proof_of(net, layer="never").seen == "the layer did not run on noise"
    assert proof_of(net, call=1).seen == "the layer did not run on noise"
    assert proof_of(net, call=0).outcome == "confirmed"


def test_a_mistake_of_ours_is_an_error_here_and_no_map_lost_elsewhere(monkeypatch):
    def mistaken(*_):
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(of_proof, "by_structure", mistaken)
    with pytest.raises(ZeroDivisionError):
        proof_of(Placed())
    monkeypatch.delenv("SIGHTLINE_STRICT")
    assert "ZeroDivisionError: ours" in proof_of(Placed()).seen


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("way", [mirrored, rolled])
def test_the_caller_may_record_nothing(mode, way):
    want = proof_of(Placed(way))
    with mode():
        assert proof_of(Placed(way)) == want


@pytest.mark.parametrize("way", [as_it_is, rolled, mirrored])
def test_the_model_comes_out_as_it_was(way):
    net, x = Placed(way).train(), picture()
    before = photograph(net)
    proof_of(net, x)
    assert_same(before, photograph(net))


@pytest.fixture
def counted():
    """A network whose place is measured, and how often it ran."""
    net, runs = Placed(measured(as_it_is)), []
    net.register_forward_hook(lambda *_: runs.append(1))
    for side in (16, 24):  # that the hook writes to a list is known by the second search
        proof_of(net, picture(1, 3, side, side))
    del runs[:]
    return net, runs


def test_a_proof_is_remembered(counted):
    net, runs = counted
    first = proof_of(net)
    assert len(runs) == 2
    del runs[:]
    assert proof_of(net) is first
    assert proof_of(net, picture(seed=1)) is first  # another picture of the same shape
    assert proof_of(net, picture(4, 3, 32, 32)) is first  # and more of them
    with torch.no_grad():
        net.first.weight.mul_(2)
    assert proof_of(net) is first
    assert runs == []


def test_what_is_proved_by_itself(counted):
    net, runs = counted
    first = proof_of(net)
    for other in (
        lambda: proof_of(net, picture(1, 3, 48, 48)),
        lambda: proof_of(net, layer="first"),
        lambda: proof_of(net, call=0),
        lambda: proof_of(net, grid=(16, 16)),
    ):
        del runs[:]
        assert other().outcome == "confirmed"
        assert runs
        assert proof_of(net) is first


def test_what_else_a_model_is_told():
    net = Placed(lambda net, x, turn: x.flip(3) if turn else x)
    assert proof_of(net, (picture(), False)).outcome == "confirmed"
    assert proof_of(net, (picture(), True)).outcome == "contradicted"
    assert proof_of(net, (picture(), False)).outcome == "confirmed"


def test_which_of_two_pictures_is_the_one():
    """The first that was handed in, by whatever name: the other is beside the point."""

    class Second(Placed):
        def forward(self, x, y):
            return super().forward(y) + 0 * x.mean()

    net, x, y = Second(), picture(), picture(seed=1)
    assert proof_of(net, {"x": x, "y": y}).outcome == "contradicted"
    assert proof_of(net, {"y": y, "x": x}).outcome == "confirmed"
    assert proof_of(net, {"x": x, "y": y}).outcome == "contradicted"


def test_sizes_may_be_a_list(shapes_unchecked):
    net = Placed()
    proof = proof_of(net, grid=[16, 16])
    assert proof.outcome == "confirmed"
    assert proof_of(net, grid=(16, 16)) is proof


def test_another_forward_is_proved_anew(counted):
    net, runs = counted
    assert proof_of(net).outcome == "confirmed"
    net.second.forward = lambda x: nn.Conv2d.forward(net.second, x.flip(3))
    proof = proof_of(net)
    assert told(proof) == ("contradicted", "measured")
    del net.second.forward
    assert proof_of(net).outcome == "confirmed"
    net.first = nn.Sequential(net.first, nn.Identity())
    del runs[:]
    assert proof_of(net).outcome == "confirmed"
    assert runs


def test_a_hook_that_mirrors_is_seen():
    net = Placed()
    assert proof_of(net).outcome == "confirmed"
    handle = net.first.register_forward_pre_hook(lambda _, args: (args[0].flip(3),))
    assert proof_of(net).seen == "the grid is mirrored along the width"
    handle.remove()
    assert proof_of(net).outcome == "confirmed"


@pytest.mark.slow
def test_what_is_remembered_goes_with_the_model():
    gc.collect()
    before = len(memory._remembered)
    net = Placed()
    proof_of(net)
    assert len(memory._remembered) == before + 1
    del net
    gc.collect()
    assert len(memory._remembered) == before
