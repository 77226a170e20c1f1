"""Positions that can move together have nothing in common, and those behind a pool are alike."""

import pytest
import torch
from torch import nn

from helpers import curved_tails
from helpers.tapes import second_run
from sightline.surgery.derivatives.colouring import colours, depends_on_means, owners, reach, seam


def test_two_positions_of_a_colour_have_nothing_in_common():
    affected = torch.rand(12, 30, generator=torch.Generator().manual_seed(0)) < 0.1
    groups = colours(affected)
    assert sorted(position for group in groups for position in group) == list(range(12))
    assert 1 < len(groups) < 12
    for group in groups:
        assert int(affected[group].sum(0).max()) == 1
        own = owners(affected, group)
        found = [(m, position) for m, position in enumerate(own.tolist()) if position < 12]
        assert all(bool(affected[position][m]) for m, position in found)
        assert len(found) == int(affected[group].sum())


@pytest.mark.parametrize("name", curved_tails.TAILS)
def test_behind_a_pool_the_scores_depend_on_means(name):
    run = second_run(*curved_tails.made(name))
    tape, _ = run.tape()
    assert depends_on_means(tape, run.index) is name.startswith("pooled")


def test_a_convolution_reaches_its_window():
    torch.manual_seed(0)
    tail = nn.Sequential(nn.Conv1d(1, 1, 3, padding=1), nn.SiLU(), nn.Flatten(), nn.Linear(5, 3))
    run = second_run(nn.Sequential(nn.Identity(), tail).eval(), torch.randn(1, 1, 5))
    tape, _ = run.tape()
    count, slot = seam(tape)
    found = reach(tape, run.index, count, slot, chunk=2).flatten(1)
    window = (torch.arange(5)[:, None] - torch.arange(5)).abs() <= 1
    assert torch.equal(found, window)
    assert len(colours(found)) == 3
