"""Weights from scores by hand: which channels are looked through, and what each form makes."""

import pytest
import torch

from sightline.errors import MethodError
from sightline.methods import score_cam
from sightline.methods.cams.common.score_weights import weigh_by_looks
from sightline.methods.cams.common.tally import ignore

MAPS = torch.tensor([[[0.0, 1.0], [0.0, 3.0], [5.0, 5.0], [0.0, 2.0]]])
"""Four channels at two places; the third is constant."""


def look(maps, change=None, *, probability, at_once):
    """The log of the sum: its softmax is the sum's share. The probability is a tenth of it."""
    sums = (maps if change is None else change(maps)).sum(2)
    return sums / 10 if probability else sums.log()


def weights_of(maps, changes=(None,), **options):
    known = {"top": None, "form": "paper", "at_once": 16, "tally": ignore}
    return weigh_by_looks(maps, look, changes, **{**known, **options})[:, :, 0]


def test_the_paper_s_weights_are_shares_and_the_authors_the_probability():
    assert weights_of(MAPS)[0].tolist() == pytest.approx([1 / 6, 3 / 6, 0, 2 / 6])
    assert weights_of(MAPS, form="authors")[0].tolist() == pytest.approx([0.1, 0.3, 0, 0.2])


def test_scores_are_averaged_before_the_softmax():
    """Plus 1: sums 3, 5, 4. The mean of logs is the log of the root of the product."""
    roots = torch.tensor([3.0, 15.0, 8.0]).sqrt()
    want = roots / roots.sum()
    got = weights_of(MAPS, [None, lambda maps: maps + 1])[0]
    assert got[[0, 1, 3]].tolist() == pytest.approx(want.tolist())


def test_top_takes_each_image_s_channels_of_most_energy():
    """Energies 1, 9, 4 and 9, 4, 16: the constant channel has the most, and is not among them."""
    other = torch.tensor([[[3.0, 0.0], [2.0, 0.0], [9.0, 9.0], [4.0, 0.0]]])
    got = weights_of(torch.cat([MAPS, other]), top=2)
    assert got[0].tolist() == pytest.approx([0, 3 / 5, 0, 2 / 5])
    assert got[1].tolist() == pytest.approx([3 / 7, 0, 0, 4 / 7])


def test_a_constant_channel_is_told_unless_it_is_silent():
    told = []
    maps = torch.tensor([[[0.0, 1.0], [0.0, 0.0], [5.0, 5.0], [torch.nan, 2.0]]])
    got = weights_of(maps, tally=lambda word, which: told.append((word, which.tolist())))
    assert told == [("constant", [[False, False, True, False]])]
    assert got[0].isnan().tolist() == [True, False, False, True]  # nan varies, and shows


def test_where_all_channels_are_constant_nothing_is_shown():
    calls = []
    weights = score_cam(torch.ones(2, 3, 4, 4), lambda *a, **k: calls.append(a))
    assert not weights.any()
    assert weights.shape == (2, 3, 1, 1)
    assert not calls


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"form": "papers"},
            r"form is one of \('paper', 'authors'\), not 'papers'. Near names: 'paper'",
        ),
        ({"top": 0}, r"1 or more; got top=0\. None takes all\."),
        ({"changes": ()}, "Expected at least one sample or step of the masks; got none"),
    ],
)
def test_what_makes_no_sense_is_said(options, message):
    with pytest.raises(MethodError, match=message):
        weights_of(MAPS, **options)
