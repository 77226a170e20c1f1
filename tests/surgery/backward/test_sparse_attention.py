"""The backward of attention from the few queries that count is the backward of attention."""

import pytest
import torch
import torch.nn.functional as F

from helpers.backward import both_ways, like, random
from sightline.surgery.backward.sparse import SparseBackward
from sightline.surgery.backward.sparse_attention import attention_backward, few_queries


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_grouped_queries_share_keys(heads):
    q, k, v = (
        random(2, 4, 17, 5).requires_grad_(),
        *(random(2, heads, 17, 5, seed=i).requires_grad_() for i in (1, 2)),
    )
    out = F.scaled_dot_product_attention(q, k, v, enable_gqa=True)
    grad = torch.zeros_like(out)
    grad[:, :, 3] = 1.0
    both_ways(out, (q, k, v), grad)


@pytest.mark.parametrize("queries", [[0], [2, 7], []])
@pytest.mark.parametrize("scale", [None, 0.3])
def test_attention_from_few_queries_is_autograds(queries, scale):
    q, k, v = (random(2, 3, 17, 5, seed=i).requires_grad_() for i in range(3))
    out = F.scaled_dot_product_attention(q, k, v, scale=scale)
    grad = torch.zeros_like(out)
    grad[:, :, queries] = random(2, 3, len(queries), 5, seed=3)
    want = torch.autograd.grad(out, (q, k, v), grad, retain_graph=True)
    mine = attention_backward(
        grad, q, k, v, out.detach(), queries=torch.tensor(queries, dtype=torch.long), scale=scale
    )
    with SparseBackward():
        through = torch.autograd.grad(out, (q, k, v), grad)
    for one, two, three in zip(want, mine, through, strict=True):
        like(two, one)
        like(three, one)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_attention_in_halves_is_rounded_at_the_end_only(dtype):
    made = [random(2, 3, 17, 8, seed=i).to(dtype) for i in range(4)]
    back = torch.zeros_like(made[3]).index_copy_(2, torch.tensor([2]), made[3][:, :, [2]])
    halves = [one.clone().requires_grad_() for one in made[:3]]
    doubles = [one.double().requires_grad_() for one in made[:3]]
    with SparseBackward():
        found = torch.autograd.grad(F.scaled_dot_product_attention(*halves), halves, back)
    want = torch.autograd.grad(F.scaled_dot_product_attention(*doubles), doubles, back.double())
    for one, two in zip(
        found, want, strict=True
    ):  # what is left is torch's own output, which was rounded before
        assert one.dtype == dtype
        assert ((one.double() - two).norm() / two.norm()).item() < torch.finfo(dtype).eps


@pytest.mark.parametrize(
    "case", [{"is_causal": True}, {"attn_mask": torch.zeros(17, 17).double()}, {}]
)
def test_other_attentions_and_many_queries_are_left_to_torch(case):
    q, k, v = (random(2, 3, 17, 5, seed=i).requires_grad_() for i in range(3))
    out = F.scaled_dot_product_attention(q, k, v, **case)
    grad = random(*out.shape, seed=4) if not case else torch.zeros_like(out)
    grad[:, :, 4] = 1.0
    both_ways(out, (q, k, v), grad)


def test_few_queries_means_few():
    zeros = torch.zeros(1, 1, 8, 2)
    some = zeros.clone()
    some[0, 0, 3], some[0, 0, 6, 1] = 1.0, torch.nan
    assert few_queries(some, zeros, zeros, zeros, zeros, zeros, 0.0, False).tolist() == [3, 6]
    assert few_queries(some.half(), *[zeros.half()] * 5, 0.0, False).tolist() == [3, 6]
    assert few_queries(some, zeros, zeros, zeros, zeros, zeros, 0.5, False) is None
    some[0, 0, 0] = 1.0
    assert few_queries(some, zeros, zeros, zeros, zeros, zeros, 0.0, False) is None
