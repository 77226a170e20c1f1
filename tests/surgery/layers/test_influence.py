"""Whether a score depends on a layer at more than one position."""

import pytest
import torch
from torch import nn

from helpers.nets import assert_same, batch, convnet, photograph
from sightline.surgery.harness.given import Given
from sightline.surgery.layers.influence import all_outputs, heads_of_zeros, influences, mixed


class Reads(nn.Module):
    """A map of which the head reads so many positions."""

    def __init__(self, positions):
        super().__init__()
        torch.manual_seed(0)
        self.map, self.head, self.positions = nn.Conv2d(3, 4, 1), nn.Linear(4, 2), positions

    def forward(self, x):
        return self.head(self.map(x).flatten(2)[..., : self.positions].sum(2))


@pytest.mark.parametrize(("positions", "matters"), [(0, False), (1, False), (2, True), (20, True)])
def test_more_than_one_position_has_to_matter(positions, matters):
    given = Given.of(Reads(positions).eval(), torch.rand(2, 3, 4, 5))
    assert influences(given, ["map"], None, all_outputs) == [matters]


def test_a_grid_of_one_position_has_no_more():
    given = Given.of(Reads(1).eval(), torch.rand(2, 3, 1, 1))
    assert influences(given, ["map"], None, all_outputs) == [True]


def test_the_score_asked_for_counts_not_the_outputs():
    given = Given.of(Reads(20).eval(), torch.rand(2, 3, 4, 5))
    assert influences(given, ["map"], None, lambda outputs: outputs[:, 0].detach() * 2) == [False]
    assert influences(given, ["map"], None, lambda outputs: outputs[:, 0]) == [True]


def test_what_goes_into_a_head_of_zeros_counts_where_the_outputs_depend_on_nothing():
    net = convnet()
    nn.init.zeros_(net[8].weight)
    assert heads_of_zeros(net) == [net[8]]
    assert heads_of_zeros(convnet()) == []
    given, before = Given.of(net, batch()), photograph(net)
    assert influences(given, ["5"], None, all_outputs) == [False]
    assert influences(given, ["5"], None, all_outputs, net[8]) == [True]
    assert_same(before, photograph(net))


def test_several_layers_by_one_run():
    net, runs = convnet(), []
    net.register_forward_hook(lambda *_: runs.append(1))
    given = Given.of(net, batch())
    assert influences(given, ["5", "2", "0"], None, lambda out: out[:, 0].detach()) == [False] * 3
    del runs[:]
    assert influences(given, ["5", "2", "0"], None, all_outputs) == [True] * 3
    assert len(runs) == 1


def test_weights_that_are_no_numbers_count():
    net = convnet()
    with torch.no_grad():
        net[8].weight.fill_(float("nan"))
    assert influences(Given.of(net, batch()), ["5"], None, all_outputs) == [True]


def test_no_two_outputs_cancel():
    values = torch.tensor([[1.0, -1.0], [2.0, -2.0]])
    assert values.sum(1).tolist() == [0, 0]
    found = mixed(values)
    assert bool((found != 0).all())
    torch.testing.assert_close(found[1], 2 * found[0])
    torch.testing.assert_close(mixed(values.view(2, 1, 2)), found)


def test_no_rows_at_all_are_no_score_and_no_error():
    assert mixed(torch.zeros(0, 4)).shape == (0,)
    assert mixed(torch.ones(3)).shape == (3,)
