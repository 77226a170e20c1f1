"""Where layers lie of models that take and do other things: axes, checkpoints, errors."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from helpers.nets import assert_same, photograph
from helpers.placed_nets import (
    Placed,
    measured,
    mirrored,
    rolled,
)
from helpers.proofs import as_it_is, picture, proof_of, told
from sightline.surgery.place import proof as of_proof


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
