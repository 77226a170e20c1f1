"""A stand-in for several gradients is those gradients, whatever is done with it."""

import pytest
import torch

from sightline.surgery.backward.batched import BatchedScores, pack, unpack
from sightline.surgery.backward.batched_tensors import Many, Rows, Slices
from sightline.surgery.backward.sparse import SparseBackward


def test_rows_are_zero_elsewhere():
    rows = Rows.of(torch.ones(2, 1, 3), torch.tensor([4]), (2, 3, 3))
    assert rows.shape == (2, 3, 3)
    for part in rows.parts:
        want = torch.zeros(2, 3, 3)
        want[1, 1] = 1
        assert torch.equal(part, want)


def test_slices_are_zero_elsewhere():
    slices = Slices.of({1: [torch.ones(2), torch.full((2,), 3.0)]}, 0, (3, 2))
    assert [part.tolist() for part in slices.parts] == [
        [[0, 0], [1, 1], [0, 0]],
        [[0, 0], [3, 3], [0, 0]],
    ]


def test_many_are_what_they_are():
    parts = [torch.rand(2, 3), torch.rand(2, 3)]
    assert all(one is other for one, other in zip(Many.of(parts).parts, parts, strict=True))


def test_a_stand_in_is_what_it_stands_for():
    seeds = torch.rand(3, 2, 5)
    with SparseBackward() as one, BatchedScores(one):
        rows = pack(seeds)
        spread = torch.ops.aten.select_backward(rows, [2, 4, 5], 1, 2)
        assert isinstance(spread, Rows)
        moved = spread.transpose(0, 1).unsqueeze(0)
        assert isinstance(moved, Rows)
        turned = moved.transpose(2, 3)  # the rows are broken up
        assert not isinstance(turned, Rows)
        together_again = unpack(turned)
    want = torch.zeros(3, 2, 4, 5)
    want[:, :, 2] = seeds
    assert torch.equal(unpack(rows), seeds)
    assert torch.equal(unpack(spread), want)
    assert torch.equal(unpack(moved), want.transpose(1, 2).unsqueeze(1))
    assert torch.equal(together_again, want.transpose(1, 2).unsqueeze(1).transpose(3, 4))
    with pytest.raises(RuntimeError, match="outside of BatchedScores"):
        rows + 1
