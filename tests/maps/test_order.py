"""The order of pixels and the masks of top shares and quantiles: ties, ends, and the slow twins."""

from itertools import pairwise

import pytest
import torch

import reference.order as slowly
from sightline.errors import ImageError
from sightline.maps import first_mask, quantile_mask, rank, top_mask

SHARES = [0, 0.05, 0.1, 0.25, 1 / 3, 0.5, 0.75, 0.9, 1]


def maps(ties):
    torch.manual_seed(0)
    return torch.rand(4, 7, 6, dtype=torch.float64).relu().round(decimals=1 if ties else 9)


@pytest.mark.parametrize("ties", [False, True])
def test_slow_twins(ties):
    given = maps(ties)
    assert torch.equal(rank(given), slowly.rank(given))
    for share in SHARES:
        assert torch.equal(top_mask(given, share), slowly.top_mask(given, share))
        assert torch.equal(quantile_mask(given, share), slowly.quantile_mask(given, share))


def test_ties_are_read_row_by_row():
    assert rank(torch.zeros(1, 3, 4)).tolist() == [list(range(12))]
    assert rank(torch.tensor([[[0.0, 1.0], [0.0, 1.0]]])).tolist() == [[1, 3, 0, 2]]
    assert torch.equal(rank(torch.ones(1, 224, 224)), torch.arange(224 * 224).unsqueeze(0))


def test_a_top_mask_has_its_size_whatever_is_tied():
    for given in (maps(True), torch.zeros(4, 7, 6), torch.ones(4, 7, 6)):
        for share in SHARES:
            assert top_mask(given, share).flatten(1).sum(1).tolist() == [int(share * 42 + 0.5)] * 4


def test_half_a_pixel_is_rounded_up():
    assert [
        int(top_mask(torch.rand(1, 5), share).sum()) for share in (0.0999, 0.1, 0.3, 0.5, 0.9)
    ] == [0, 1, 2, 3, 5]


def test_top_shares_grow_into_each_other():
    given = maps(True)
    masks = [top_mask(given, share) for share in SHARES]
    assert all((small <= large).all() for small, large in pairwise(masks))


def test_the_last_of_an_order_are_the_first_of_it_turned_round():
    order = rank(maps(False))
    weakest = first_mask(order.flip(1), 10, (7, 6))
    assert torch.equal(weakest, ~first_mask(order, 32, (7, 6)))
    assert not first_mask(order, 0, (7, 6)).any()


@pytest.mark.parametrize(
    ("theta", "kept"),
    [(0, 4), (0.2, 4), (1 / 3, 4), (0.34, 2), (0.5, 2), (2 / 3, 2), (0.67, 1), (1, 1)],
)
def test_quantiles_by_hand(theta, kept):
    """Of 0, 0, 0.5, 1 the quantiles are 0 up to a third, 0.5 at two thirds, 1 at the end."""
    assert int(quantile_mask(torch.tensor([[0.5, 0.0, 1.0, 0.0]]), theta).sum()) == kept


def test_quantiles_of_an_equally_spaced_map_hide_their_share():
    """21 values, thetas 0.05 apart: each hides one more, none is rounded past its value."""
    given = torch.arange(21.0).unsqueeze(0)
    assert [int((~quantile_mask(given, 0.05 * k)).sum()) for k in range(21)] == list(range(21))


@pytest.mark.parametrize("value", [0.0, 0.1])
def test_a_constant_map_is_never_hidden(value):
    assert all(quantile_mask(torch.full((2, 3, 3), value), share).all() for share in SHARES)


def test_each_image_has_its_own_quantile():
    given = maps(False)
    assert torch.equal(
        quantile_mask(given * torch.tensor([1, 10, 100, 0.1]).view(-1, 1, 1), 0.3),
        quantile_mask(given, 0.3),
    )
    alone = torch.cat([quantile_mask(given[k : k + 1], 0.3) for k in range(4)])
    assert torch.equal(alone, quantile_mask(given, 0.3))


@pytest.mark.parametrize("mask", [top_mask, quantile_mask])
@pytest.mark.parametrize("share", [-0.1, 1.1, 50, float("nan")])
def test_what_is_no_share_is_refused(mask, share):
    with pytest.raises(ImageError, match=r"from 0 to 1; got .* Per cent are hundredths"):
        mask(torch.rand(1, 3, 3), share)
