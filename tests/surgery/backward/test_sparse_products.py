"""Products of gradients that are mostly zeros are the products, up to the order of summation."""

import pytest
import torch

from helpers.backward import like, random
from sightline.surgery.backward import sparse_products as products


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.6, 0.9, 1.0])
@pytest.mark.parametrize("rows", [1, 3, 32])
def test_a_product_of_few_rows(rows, share, dtype, monkeypatch):
    """Whatever part of the columns is nonzero: chosen rows, weighted bags, strips, or all."""
    monkeypatch.setattr(products, "_LARGE", 0)
    left, right = random(rows, 200, dtype=dtype), random(200, 40, seed=1, dtype=dtype)
    keep = torch.rand(200, generator=torch.Generator().manual_seed(2)) < share
    left = left * keep
    like(products.thin(left, right), left @ right, 1e-12 if dtype == torch.float64 else 2e-5)


def test_rows_that_are_nan_are_not_zero():
    left = torch.zeros(6, 3)
    left[1, 2], left[4, 0] = torch.nan, torch.inf
    assert products.nonzero_rows(left).tolist() == [1, 4]
    assert products.nonzero_rows(torch.ones(6, 3)) is None


def test_blocks_of_columns_are_looked_through_apart():
    """As behind the last attention: the query's columns in one row, key's and value's in all."""
    left, right = random(100, 768), random(768, 5)
    left[1:, :256] = 0
    like(products.by_blocks(left, right), left @ right)
    left[:, 256:512] = 0
    like(products.by_blocks(left, right), left @ right)
    like(products.by_blocks(torch.zeros(100, 768), right.float()), torch.zeros(100, 5))


@pytest.mark.parametrize("images_first", [True, False])
@pytest.mark.parametrize("images", [1, 3])
def test_blocks_of_rank_one_are_used_whatever_comes_first(images, images_first, monkeypatch):
    blocks = random(images, 20, 4, 1) * random(images, 1, 4, 8, seed=1)
    blocks[0, 1:, 2], blocks[0, :, 3] = 0, 0
    left = (blocks if images_first else blocks.transpose(0, 1)).reshape(images * 20, 32)
    right = random(32, 5, seed=2)
    used = []
    inner = products._of_rank_one
    monkeypatch.setattr(products, "_of_rank_one", lambda *a: used.append(inner(*a)) or used[-1])
    like(products.by_blocks(left, right, images, 8), left @ right)
    assert used[-1] is not None
    left[7, 11] += 1e-9 * left.abs().max()  # no longer of rank one, by ever so little
    like(products.by_blocks(left, right, images, 8), left @ right)
    assert used[-1] is None


def test_rank_one_is_not_believed_where_nan_or_infinity_is():
    left, right = torch.ones(40, 16), torch.ones(16, 3)
    left[3, 2] = torch.nan
    assert products.by_blocks(left, right, 1, 8)[3].isnan().all()
    assert products.by_blocks(left, right, 1, 8)[4].eq(16).all()
    left[3, 2] = torch.inf
    assert products.by_blocks(left, right, 1, 8)[3].isinf().all()
