"""Matrix products of gradients: mostly zeros, few rows, or few directions."""

from itertools import groupby

import torch
import torch.nn.functional as F
from torch import Tensor

THIN = 32
"""Up to so many rows a product is bound by reading the right factor."""

_LARGE = 1 << 19
"""Below so many entries of the right factor nothing is gained."""

_STRIP = 32
"""Rows of the right factor at a time: they stay in the cache (`benchmarks/thin.py`)."""

_BLOCK = 256
"""Columns searched together for zeros: the query's, key's and value's lie side by side."""


def thin(left: Tensor, right: Tensor) -> Tensor:
    """`left @ right` for few rows: the right factor is read once, and only as far as needed.

    >>> left, right = torch.zeros(2, 1000), torch.rand(1000, 600)
    >>> left[0, 3], left[1, 8] = 1.0, 2.0
    >>> torch.equal(thin(left, right), torch.stack([right[3], 2 * right[8]]))
    True
    """
    halves = left.dtype.itemsize < 4  # are to be rounded once, not after each strip
    if right.numel() < _LARGE or right.stride(1) != 1 or halves:
        return left @ right
    single, nonzero = len(left) == 1, left.any(0).nonzero().squeeze(1)
    if 16 * len(nonzero) <= len(right):
        return left[:, nonzero] @ right[nonzero]
    if 10 * len(nonzero) >= 7 * len(right):  # too few zeros to pay for choosing among the rows
        return left @ right if single else _in_strips(left, right, None)
    if single and right.dtype == torch.float32 and right.is_contiguous():
        # A bag is a weighted sum of rows: torch reads each row once. A few, for threads to share.
        bags = torch.arange(8, device=left.device) * (len(nonzero) // 8)
        return F.embedding_bag(
            nonzero, right, bags, mode="sum", per_sample_weights=left[0, nonzero]
        ).sum(0, keepdim=True)
    return _in_strips(left[:, nonzero], right, nonzero)


def _in_strips(left: Tensor, right: Tensor, nonzero: Tensor | None) -> Tensor:
    """The product with the rows `nonzero` of the right factor (None: with all)."""
    out = left.new_zeros(len(left), right.shape[1])
    gathered = right if nonzero is None else right.new_empty(_STRIP, right.shape[1])
    for start in range(0, left.shape[1], _STRIP):
        part, rows = left[:, start : start + _STRIP], right[start : start + _STRIP]
        if nonzero is not None:
            rows = gathered[: part.shape[1]]
            torch.index_select(right, 0, nonzero[start : start + _STRIP], out=rows)
        out.addmm_(part, rows)
    return out


def nonzero_rows(left: Tensor) -> Tensor | None:
    """The rows that are not zero, if that is at most half of them; nan and infinity are not zero.

    >>> nonzero_rows(torch.eye(3)[[0, 0]] * torch.tensor([[0.0], [5.0]]))
    tensor([1])
    """
    nonzero = (left.abs().amax(1) != 0).nonzero().squeeze(1)
    return nonzero if 2 * len(nonzero) <= len(left) else None


def by_blocks(left: Tensor, right: Tensor, images: int = 0, width: int = 0) -> Tensor:
    """`left @ right` for many rows: some columns at a time, each with its nonzero rows.

    `images` and `width` say that an image's blocks of so many columns may have rank one; where they
    do, that is used.

    >>> left, right = torch.rand(4, 1) * torch.rand(1, 6), torch.rand(6, 3)
    >>> torch.allclose(by_blocks(left, right, images=1, width=3), left @ right)
    True
    """
    if left.dtype.itemsize < 4:
        return left @ right
    if width and len(left) % images == 0 and left.shape[1] % width == 0:
        found = _behind_single_queries(left, right, images, width)
        if found is not None:
            return found
    blocks = left.shape[1] // _BLOCK if left.shape[1] % _BLOCK == 0 else 1
    nonzero = left.abs().unflatten(1, (blocks, -1)).amax(2) != 0
    dense = (2 * nonzero.sum(0) > len(left)).tolist()
    if all(dense):
        return left @ right
    out, start = left.new_zeros(len(left), right.shape[1]), 0
    for full, run in groupby(dense):
        stop = start + len(list(run))
        columns = slice(start * left.shape[1] // blocks, stop * left.shape[1] // blocks)
        if full:
            out.addmm_(left[:, columns], right[columns])
        else:
            rows = nonzero[:, start:stop].any(1).nonzero().squeeze(1)
            out.index_add_(0, rows, left[rows, columns] @ right[columns])
        start = stop
    return out


def _behind_single_queries(left: Tensor, right: Tensor, images: int, width: int) -> Tensor | None:
    """The product, if every head of every image has rank one.

    The rows may go by image or by position.
    """
    blocks, factors = left.unflatten(1, (-1, width)), right.unflatten(0, (-1, width))
    by_image = _of_rank_one(blocks.unflatten(0, (images, -1)), factors)
    if by_image is not None:
        return by_image.flatten(0, 1)
    by_position = _of_rank_one(blocks.unflatten(0, (-1, images)).transpose(0, 1), factors)
    return None if by_position is None else by_position.transpose(0, 1).flatten(0, 1)


def _of_rank_one(blocks: Tensor, right: Tensor) -> Tensor | None:
    """`[images, positions, out]`, if each block is a column times a row: behind one query.

    `blocks` `[images, positions, heads, width]`, `right` `[heads, width, out]`. Each block's
    largest row gives the two; that they make up the block is checked at every entry, to rounding.
    """
    n = torch.arange(len(blocks), device=blocks.device)[:, None]
    heads = torch.arange(blocks.shape[2], device=blocks.device)
    largest = torch.linalg.vector_norm(blocks, dim=3).argmax(1)
    tops = blocks[n, largest, heads]  # [images, heads, width]
    column = tops.abs().argmax(2)
    pivots = tops.gather(2, column.unsqueeze(2)).squeeze(2)
    divisors = pivots.masked_fill(pivots == 0, 1).unsqueeze(2)
    shares = blocks[n, :, heads, column] / divisors  # [images, heads, positions]
    enough = 8 * torch.finfo(blocks.dtype).eps * pivots.abs()
    # An image at a time, for the memory of what is left over.
    for block, share, top, near in zip(blocks, shares.mT, tops, enough, strict=True):
        rest = torch.addcmul(block, share.unsqueeze(2), top, value=-1).abs_().amax((0, 2))
        if not (rest <= near).all():
            return None
    return shares.mT @ torch.bmm(tops.transpose(0, 1), right).transpose(0, 1)
