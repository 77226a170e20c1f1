"""The figures of places, against their slow twin and on what one can do by hand."""

import pytest
import torch

from reference.place import figures as by_hand
from sightline.surgery.place.statistic import Looks


def figures(looked, declared):
    return Looks(looked).figures(declared)


CELLS = {1: (9,), 2: (5, 6), 3: (4, 5, 4)}


def grid(*sizes):
    """Centres of all cells `[n, axes]`, in sides of the picture."""
    axes = [(torch.arange(n, dtype=torch.double) + 0.5) / n for n in sizes]
    return torch.cartesian_prod(*axes).view(-1, len(sizes))


def own_cell(*sizes):
    """Each place looks at its own cell alone `[2, n, *sizes]`."""
    n = len(grid(*sizes))
    return torch.eye(n, dtype=torch.double).view(1, n, *sizes).repeat(2, *[1] * (1 + len(sizes)))


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("seed", range(4))
def test_the_slow_twin(axes, seed):
    made = torch.Generator().manual_seed(seed)
    n, cells = 7 + seed, CELLS[axes]
    looked = torch.rand(2, n, *cells, generator=made, dtype=torch.double) ** (1 + 2 * seed)
    declared = torch.rand(n, axes, generator=made, dtype=torch.double)
    if seed == 2:  # places that look where they are declared, and a cell at which nobody looks
        near = (grid(*cells)[None] - declared[:, None]).square().sum(2)
        looked = looked * torch.exp(-20 * near).view(1, n, *cells)
        looked[:, :, *[0] * axes] = 0
    if seed == 3 and axes > 1:
        declared[:, 0] = 0.5  # one row
    found, want = figures(looked, declared), by_hand(looked, declared)
    for name, value in want.items():
        assert getattr(found, name) == pytest.approx(value, rel=1e-9, abs=1e-9), name


@pytest.mark.parametrize("sizes", [(6,), (4, 5), (3, 4, 3)])
def test_each_place_looks_at_its_own_cell(sizes):
    found = figures(own_cell(*sizes), grid(*sizes))
    assert found.correlation == pytest.approx(1, abs=1e-12)
    assert found.spread == pytest.approx(1, abs=1e-12)
    assert found.share == pytest.approx(1, abs=1e-12)
    assert found.peak == found.own > 2


@pytest.mark.parametrize("axis", [0, 1])
def test_mirrored(axis):
    found = figures(own_cell(4, 4).flip(2 + axis), grid(4, 4))
    assert found.correlation == pytest.approx(-1, abs=1e-12)
    assert found.share < 0.2
    assert found.spread == pytest.approx(1, abs=1e-12)  # it is as wide as it should be


def test_axes_exchanged():
    """Along neither axis do the centroids go with the declared places, and as wide as they do."""
    looked = own_cell(4, 4).transpose(2, 3)
    found = figures(looked, grid(4, 4))
    assert found.correlation == pytest.approx(0, abs=1e-12)
    assert found.share < 0.5
    assert figures(looked, grid(4, 4).flip(1)).correlation == pytest.approx(1, abs=1e-12)


def test_rolled_by_half():
    found = figures(own_cell(4, 4).roll(2, 3), grid(4, 4))
    # Along a row 1, 2, 3, 4 became 3, 4, 1, 2: the covariance -3/4 over the variance 5/4.
    assert found.correlation == pytest.approx(-0.6, abs=1e-12)
    assert found.share < 0
    assert found.peak > 2


def test_all_places_look_at_the_same():
    """What they share cancels, however far it is from even: nothing is any place's own."""
    bright = torch.arange(1.0, 17.0, dtype=torch.double).view(4, 4) ** 3
    found = figures(bright.expand(2, 16, 4, 4), grid(4, 4))
    assert found.peak == pytest.approx(1, abs=1e-12)
    assert found.own == pytest.approx(1, abs=1e-12)


def test_what_only_one_half_saw_is_no_peak():
    """Noise: each place has a cell of its own in each half, but another one."""
    looked = own_cell(16).clone()
    looked[1] = looked[1].roll(8, 1)
    apart = figures(looked, grid(16))
    assert apart.peak < 0.1
    assert figures(own_cell(16), grid(16)).peak > 2


def test_what_all_share_and_each_has_its_own():
    """A bright corner that everybody looks at leaves the rest readable."""
    looked = own_cell(4, 4) + 1
    looked[:, :, 0, 0] += 100
    found = figures(looked, grid(4, 4))
    assert found.correlation > 0.9
    assert found.share > 0.9


def test_the_unit_of_what_a_place_looks_at_is_nothing():
    made = torch.Generator().manual_seed(0)
    looked = torch.rand(2, 9, 4, 4, generator=made, dtype=torch.double)
    declared = torch.rand(9, 2, generator=made, dtype=torch.double)
    scaled = looked * torch.rand(2, 9, 1, 1, generator=made, dtype=torch.double) * 1e-20
    for name, value in vars(figures(looked, declared)).items():
        assert vars(figures(scaled, declared))[name] == pytest.approx(value, rel=1e-9), name


def test_one_row_of_places():
    """Along an axis with a single place nothing can be said, and nothing is asked."""
    row = torch.tensor([0.5]).double()
    declared = torch.cartesian_prod(row, grid(6).flatten())
    looked = own_cell(6).view(2, 6, 1, 6).repeat(1, 1, 3, 1)
    found = figures(looked, declared)
    assert found.correlation == pytest.approx(1, abs=1e-12)
    assert found.spread == 1
    assert figures(looked.flip(3), declared).correlation == pytest.approx(-1, abs=1e-12)


def test_along_one_axis_all_look_at_the_middle():
    """As wide as the other axis, and no wider: the grid is flat."""
    looked = own_cell(4, 4).sum(3, keepdim=True).expand(2, 16, 4, 4) + 0.0
    found = figures(looked, grid(4, 4))
    assert found.spread == pytest.approx(0, abs=1e-12)
    assert abs(found.correlation) < 1e-6
