"""Which token is which position: found by changing the picture, not by counting tokens."""

import pytest
import torch
from torch import nn

from sightline.surgery.harness.given import Given
from sightline.surgery.layers.token_grid import survey_layers


class Tokens(nn.Module):
    """Patches of 8 with tokens before and behind them, and an embedding that sees no picture."""

    def __init__(self, before=0, behind=0):
        super().__init__()
        torch.manual_seed(0)
        self.patch, self.norm, self.mix = nn.Conv2d(3, 6, 8, 8), nn.LayerNorm(6), nn.Identity()
        self.queries = nn.Identity()
        self.first = nn.Parameter(torch.randn(1, before, 6))
        self.last = nn.Parameter(torch.randn(1, behind, 6))

    def forward(self, x):
        y = self.patch(x).flatten(2).transpose(1, 2)
        ends = [one.expand(len(x), -1, -1) for one in (self.first, self.last)]
        tokens = self.norm(torch.cat([ends[0], y, ends[1]], 1))
        self.queries(ends[1] + 0)
        return self.mix(tokens + tokens.mean(1, keepdim=True)).mean(1)


def grids(net, *size):
    rows, _ = survey_layers(Given.of(net.eval(), torch.rand(1, 3, *size)))
    return {row.name: row.grid for row in rows}


@pytest.mark.parametrize(("before", "behind"), [(0, 0), (1, 0), (5, 0), (1, 10), (0, 7)])
def test_the_tokens_before_and_behind_the_grid_are_told_from_those_of_the_picture(before, behind):
    found = grids(Tokens(before, behind), 32, 48)
    for name in ("norm", "mix"):
        assert (found[name].kind, found[name].size) == ("tokens", (4, 6))
        assert (found[name].prefix, found[name].certain) == (before, True)


def test_what_does_not_answer_to_the_picture_is_no_row():
    found = grids(Tokens(behind=24), 32, 48)  # as many queries as patches
    assert "queries" not in found
    assert found["norm"].size == (4, 6)


def test_tokens_out_of_order_are_no_map():
    class Shuffled(Tokens):
        def __init__(self):
            super().__init__()
            self.order = torch.randperm(24, generator=torch.Generator().manual_seed(1))

        def forward(self, x):
            y = self.patch(x).flatten(2).transpose(1, 2)
            return self.norm(y[:, self.order]).mean(1)

    assert list(grids(Shuffled(), 32, 48)) == ["patch"]


def test_a_map_by_chance_has_no_corners_and_is_not_certain():
    class Heads(Tokens):
        """Scores `[b, heads, n, n]` have the proportions of a square picture."""

        def __init__(self):
            super().__init__()
            self.scores = nn.Identity()

        def forward(self, x):
            y = self.norm(self.patch(x).flatten(2).transpose(1, 2))
            mixed = (y.mean((1, 2), keepdim=True) * torch.ones(1, 16, 16)).unsqueeze(1)
            return y.mean(1) + self.scores(mixed + 0).mean((1, 2, 3)).unsqueeze(1)

    found = grids(Heads(), 32, 32)
    assert found["patch"].certain
    assert found["norm"].size == (4, 4)
    assert not found["scores"].certain


def test_networks_without_tokens_run_once():
    net, runs = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), []
    net.register_forward_hook(lambda *_: runs.append(1))
    survey_layers(Given.of(net.eval(), torch.rand(1, 3, 8, 8)))
    assert len(runs) == 1
    tokens = Tokens()
    tokens.register_forward_hook(lambda *_: runs.append(1))
    grids(tokens, 32, 48)
    assert len(runs) == 1 + 4
