"""Where a layer answers to patches that are drawn anew, patch by patch."""

import pytest
import torch
from torch import nn

from helpers.nets import assert_same, photograph
from sightline.surgery.harness.given import Given
from sightline.surgery.harness.opened_layer import LayerRun
from sightline.surgery.place.look_back import noise
from sightline.surgery.place.look_forward import answers
from sightline.surgery.place.opened import NotRun

SOME = [(0, 0), (0, 3), (2, 1), (3, 2)]


class Net(nn.Module):
    """A layer whose place p sees the sixteen pixels of p alone."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Conv2d(3, 5, 4, 4)

    def forward(self, x):
        with torch.no_grad():
            return self.layer(x).mean((2, 3))


@pytest.mark.parametrize("half", [0, 1])
def test_a_place_answers_to_its_own_pixels_alone(half):
    net = Net().double().eval()
    given = Given.of(net, torch.rand(2, 3, 16, 16, dtype=torch.double))
    before = photograph(net)
    found = answers(given, LayerRun("layer"), SOME, (4, 4), half)
    assert_same(before, photograph(net))
    assert found.shape == (4, 4, 4)
    generator = torch.Generator().manual_seed(101 + half)
    pictures = noise(given, half)
    for place, seen in zip(SOME, found, strict=True):
        others = torch.ones(4, 4, dtype=torch.bool)
        others[place] = False
        assert float(seen[others].max()) == 0
        rows, columns = (slice(4 * k, 4 * k + 4) for k in place)
        fresh = torch.randn(1, 3, 4, 4, generator=generator).double()
        change = net.layer(fresh) - net.layer(pictures[:, :, rows, columns])
        torch.testing.assert_close(seen[place], change.detach().abs().sum())


def test_other_parts_of_other_sizes():
    """Patches are the picture's part under a place, whatever the grid: here 2 x 8 on 16 x 16."""
    given = Given.of(Net().eval(), torch.rand(1, 3, 16, 16))
    found = answers(given, LayerRun("layer"), [(1, 0), (0, 7)], (2, 8), 0)
    below, above = found[0] > 0, found[1] > 0
    assert below.nonzero().tolist() == [[2, 0], [3, 0]]
    assert above.nonzero().tolist() == [[0, 3], [1, 3]]


def test_a_layer_that_does_not_run():
    net = Net().eval()
    net.never = nn.ReLU()
    with pytest.raises(NotRun, match="'never' did not run"):
        answers(Given.of(net, torch.rand(1, 3, 16, 16)), LayerRun("never"), SOME, (4, 4), 0)
