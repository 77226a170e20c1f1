"""What was proved at one size of the picture is taken over at another where the grid scales."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from helpers.placed_nets import Encoder, Placed
from sightline import explain
from sightline.surgery.harness.given import Given
from sightline.surgery.harness.opened_layer import LayerRun
from sightline.surgery.memory.sizes import Seen
from sightline.surgery.place import proof
from sightline.surgery.place.proof import prove


@pytest.fixture
def searched(monkeypatch):
    """The proofs that were made, not taken over."""
    made, search = [], proof._prove
    monkeypatch.setattr(proof, "_prove", lambda *given: made.append(1) or search(*given))
    return made


def picture(*size):
    return torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))


def place(e):
    return e.provenance["layer"]["place"]


@pytest.mark.parametrize(("net", "layer"), [(Placed(), "act"), (Encoder(), "norm")])
def test_every_size_after_the_first_is_free(net, layer, searched):
    said = [
        place(explain(net, picture(*size), 0, layer=layer))
        for size in ((32, 32), (48, 48), (32, 40), (64, 32), (32, 32))
    ]
    assert len(searched) == 1
    assert [one["outcome"] for one in said] == ["confirmed"] * 5
    assert said[1]["seen"] == f"{said[0]['seen']}, as at 32 x 32"
    assert said[4] == said[0]


def test_much_larger_ones_are_proved_anew(searched):
    for side in (32, 64, 65, 128, 96):
        explain(Placed(), picture(side, side), 0, layer="act")  # a network of its own each time
    assert len(searched) == 5
    del searched[:]
    net = Placed()
    for side in (32, 64, 65, 128, 96):
        explain(net, picture(side, side), 0, layer="act")
    assert len(searched) == 2  # 32 and 65


class Strict(Placed):
    """Looks at the middle of larger pictures, in a size that it knows."""

    def body(self, x):
        return super().body(F.interpolate(x[:, :, :32, :32], (32, 32)))


def test_a_grid_that_does_not_scale_is_proved_anew(searched):
    net = Strict()
    assert place(explain(net, picture(32, 32), 0, layer="act"))["outcome"] == "confirmed"
    e = explain(net, picture(60, 60), 0, layer="act")
    assert e.status[0].word == "place not confirmed"
    assert len(searched) > 1


class Larger(Placed):
    def body(self, x):
        return super().body(x.flip(3) if x.shape[3] > 40 else x)


def test_what_is_not_trusting_is_proved_for_its_size():
    net = Larger()
    for side, want in ((32, "confirmed"), (48, "contradicted")):
        assert prove(Given.of(net, picture(side, side)), LayerRun("act")).outcome == want


def test_what_is_contradicted_is_proved_at_each_size(searched):
    net = Placed(lambda net, x: x.flip(3))
    for side in (32, 48):
        said = place(explain(net, picture(side, side), 0, layer="act"))["seen"]
        assert "mirrored" in said
        assert "as at" not in said
    assert len(searched) > 2


SEEN = Seen((224, 224), False, "channels first", 0, (7, 7))


@pytest.mark.parametrize(
    ("frame", "grid", "scales"),
    [
        ((224, 224), (7, 7), True),
        ((256, 256), (8, 8), True),
        ((250, 250), (8, 8), True),
        ((250, 250), (7, 7), True),
        ((448, 448), (14, 14), True),
        ((448, 448), (7, 7), False),
        ((480, 480), (15, 15), False),
        ((96, 96), (3, 3), False),
        ((224, 320), (7, 10), True),
        ((224, 320), (10, 7), False),
    ],
)
def test_what_scales(frame, grid, scales):
    assert SEEN.scales_to(Seen(frame, False, "channels first", 0, grid)) is scales


@pytest.mark.parametrize(
    "other",
    [
        Seen((224, 224), True, "channels first", 0, (7, 7)),
        Seen((224, 224), False, "tokens", 0, (7, 7)),
        Seen((224, 224), False, "channels first", 1, (7, 7)),
        Seen((8, 224, 224), False, "channels first", 0, (7, 7, 7)),
    ],
)
def test_another_layout_is_another_grid(other):
    assert not SEEN.scales_to(other)


def test_it_goes_to_json_and_back():
    assert Seen.back(SEEN.plain) == SEEN


def test_one_module_alone():
    assert prove(Given.of(nn.Conv2d(3, 4, 1), picture(8, 8)), LayerRun("")).outcome == "confirmed"


class Upright(Placed):
    """Lays a picture that stands on its side."""

    def __init__(self):
        super().__init__(lambda _, x: x.transpose(2, 3) if x.shape[2] > x.shape[3] else x)


@pytest.mark.parametrize("first", [(32, 32), (32, 48)])
def test_a_picture_that_is_turned_where_it_stands(first, searched):
    """What the layers see has another size than the picture: that was not so at the first one."""
    net = Upright()
    assert place(explain(net, picture(*first), 0, layer="act"))["outcome"] == "confirmed"
    e = explain(net, picture(48, 32), 0, layer="act")
    assert place(e)["outcome"] == "contradicted"
    assert e.status[0].word == "place not confirmed"
    assert len(searched) > 1
