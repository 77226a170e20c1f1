"""The verdict on places, from looks that were made up: each place looks at cells of its own."""

from itertools import product

import pytest
import torch

from sightline.surgery.harness.turns import Turn, turns
from sightline.surgery.place.verdict import centres, verdict

SIZE = (8, 8)
PLACES = [
    (0, 0),
    (0, 7),
    (7, 0),
    (7, 7),
    (2, 5),
    (5, 1),
    (3, 3),
    (6, 4),
    (1, 2),
    (4, 6),
    (2, 1),
    (5, 5),
]


def looks(places, cells=SIZE, spread=0.08, floor=0.01):
    """Each place at its own part of the picture, both halves alike."""
    at = torch.tensor(list(product(*((k + 0.5 for k in range(n)) for n in cells)))) / torch.tensor(
        cells
    )
    own = (torch.tensor(places) + 0.5) / torch.tensor(SIZE)
    seen = floor + torch.exp(-((own[:, None] - at[None]) ** 2).sum(2) / (2 * spread**2))
    return seen.view(1, len(places), *cells).repeat(2, 1, 1, 1)


def test_places_that_look_at_their_own():
    proof = verdict(looks(PLACES), PLACES, SIZE)
    assert (proof.outcome, proof.way, proof.turn) == ("confirmed", "measured", None)
    early = verdict(looks(PLACES[:6]), PLACES[:6], SIZE, final=False)
    assert early.outcome == "confirmed"


@pytest.mark.parametrize("turn", list(turns(2)), ids=str)
def test_a_turn_is_named_by_which_all_lie_right(turn):
    """The place p looks at where the turn puts it."""
    proof = verdict(looks(turn.moved(PLACES, SIZE)), PLACES, SIZE)
    assert (proof.outcome, proof.turn) == ("contradicted", turn)
    assert proof.seen.startswith(f"the grid is {turn}: ")
    assert verdict(looks(turn.moved(PLACES[:6], SIZE)), PLACES[:6], SIZE, final=False) is None


def test_elsewhere_by_no_turn():
    """All look at the right lower quarter."""
    quarter = [(4 + a // 2, 4 + b // 2) for a, b in PLACES]
    proof = verdict(looks(quarter), PLACES, SIZE)
    assert (proof.outcome, proof.turn) == ("contradicted", None)
    assert proof.seen.startswith("the places look elsewhere: ")


def test_all_alike():
    generator = torch.Generator().manual_seed(0)
    same = 1 + 0.02 * torch.rand(2, len(PLACES), *SIZE, generator=generator)
    proof = verdict(same, PLACES, SIZE)
    assert (proof.outcome, proof.seen) == ("undecided", "the network mixes all places")


def test_corners_that_look_at_nothing():
    seen = looks(PLACES)
    seen[:, :4] = 0
    proof = verdict(seen, PLACES, SIZE)
    assert (proof.outcome, proof.seen) == (
        "contradicted",
        "its corners look at nothing, as a rim does",
    )


def test_too_few_that_look_at_anything():
    seen = looks(PLACES)
    seen[0, 5:] = 0
    proof = verdict(seen, PLACES, SIZE)
    assert proof.seen == "5 places look at anything of noise, fewer than six"
    assert verdict(seen, PLACES, SIZE, final=False) is None


def test_a_grid_that_is_larger_than_the_picture():
    """Padded inside the model: half of the grid lies beyond, and is not asked."""
    assert centres([(0, 0), (7, 7)], SIZE, (0.5, 1.0)).tolist() == [
        [0.125, 0.0625],
        [1.875, 0.9375],
    ]
    proof = verdict(looks(PLACES), PLACES, SIZE, (0.5, 1.0))
    assert proof.outcome != "confirmed"


def test_what_goes_into_the_record():
    proof = verdict(looks(Turn((0, 1), mirrored=(1,)).moved(PLACES, SIZE)), PLACES, SIZE)
    assert proof.record == {"outcome": "contradicted", "way": "measured", "seen": proof.seen}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("final", [False, True])
def test_derivatives_that_overflow_say_nothing(value, final):
    seen = looks(PLACES)
    seen[1, 3, 0, 0] = value
    proof = verdict(seen, PLACES, SIZE, final=final)
    assert (proof.outcome, proof.seen) == (
        "undecided",
        "derivatives by the pixels of noise overflow",
    )
