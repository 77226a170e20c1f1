"""Win %: pairs of methods, with ties and with images that say nothing."""

import numpy as np
import pytest
import torch

from reference.win import win as slowly
from sightline.metrics.average_drop import average_drop
from sightline.metrics.win import win, win_share


def test_by_hand():
    assert win(torch.tensor([0.1, 0.2, 0.0]), torch.tensor([0.2, 0.1, 0.0])).tolist() == [1, -1, 0]


def test_two_increases_tie_however_large_they_are():
    full = torch.tensor([0.5, 0.5])
    ours, theirs = (
        average_drop(full, torch.tensor([0.9, 0.5])),
        average_drop(full, torch.tensor([0.6, 0.6])),
    )
    assert win(ours, theirs).tolist() == [0, 0]


def test_where_either_says_nothing_nobody_wins():
    values = win(
        torch.tensor([torch.nan, 0.1, torch.nan]), torch.tensor([0.1, torch.nan, torch.nan])
    )
    assert values.isnan().all()
    assert np.isnan(win_share(values.numpy())).all()
    assert np.isnan(win_share(np.zeros(0))).all()


def test_shares():
    assert win_share(np.array([1.0, -1.0, -1.0, 0.0, np.nan, 1.0, 1.0, 0.0])) == pytest.approx(
        (3 / 7, 2 / 7, 2 / 7)
    )
    assert win_share(np.array([1.0])) == (1, 0, 0)


def test_turned_round_wins_are_losses():
    torch.manual_seed(0)
    ours, theirs = torch.rand(2, 50).round(decimals=1)
    won, tied, lost = win_share(win(ours, theirs).numpy())
    assert tied > 0
    assert won + tied + lost == pytest.approx(1)
    assert win_share(win(theirs, ours).numpy()) == (lost, tied, won)


def test_slow_twin():
    torch.manual_seed(0)
    ours, theirs = torch.rand(2, 200).round(decimals=1)
    assert torch.equal(win(ours, theirs), slowly(ours, theirs))
