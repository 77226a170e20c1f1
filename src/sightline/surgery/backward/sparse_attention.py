r"""Scaled dot product attention, looked back through from the few queries that carry a gradient.

With $P = \mathrm{softmax}(Q K^T / \sqrt d)$ and $O = P V$:

$$dV = P^T dO, \quad dS = P \circ (dO\,V^T - \mathrm{rowsum}(dO \circ O)), \quad
  dQ = dS\,K / \sqrt d, \quad dK = dS^T Q / \sqrt d$$

Rows of dO that are zero add nothing to any of them. Behind the last attention of a vision
transformer all but one are.
"""

import torch
from torch import Tensor

_SHARE = 4
"""Worth it up to one query in so many."""


def few_queries(
    grad: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    out: Tensor,
    logsumexp: Tensor,
    dropout: float,
    causal: bool,
    *,
    attn_mask: Tensor | None = None,
    scale: float | None = None,
    rows: Tensor | None = None,
) -> Tensor | None:
    """The queries whose output carries a gradient, if they are few and the attention is a plain
    one; else None.

    `rows` are these queries where somebody knows.
    """
    if causal or dropout or attn_mask is not None or query.shape[1] != key.shape[1]:
        return None
    queries = (
        (grad.abs().amax((0, 1, 3)) != 0).nonzero().squeeze(1) if rows is None else rows
    )  # nan is felt
    return queries if _SHARE * len(queries) <= grad.shape[2] else None


def attention(
    grad: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    out: Tensor,
    *_: object,
    queries: Tensor,
    attn_mask: None = None,
    scale: float | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Derivatives at query, key and value `[b, heads, n, d]`, from those queries alone; halves are
    rounded at the end.

    >>> q, k, v = torch.rand(3, 1, 2, 9, 4).requires_grad_().unbind()
    >>> out, grad = (
    ...     torch.nn.functional.scaled_dot_product_attention(q, k, v),
    ...     torch.zeros(1, 2, 9, 4),
    ... )
    >>> grad[:, :, 5] = 1.0
    >>> want = torch.autograd.grad(out, (q, k, v), grad)
    >>> got = attention(grad, q, k, v, out, queries=torch.tensor([5]))
    >>> all(torch.allclose(a, b, atol=1e-6) for a, b in zip(want, got))
    True
    """
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    exact = torch.promote_types(query.dtype, torch.float32)
    back, some, said = (tensor[:, :, queries].to(exact) for tensor in (grad, query, out))
    key, value = key.to(exact), value.to(exact)
    weights = (some @ key.mT * scale).softmax(-1)
    slopes = weights * (back @ value.mT - (back * said).sum(-1, keepdim=True)) * scale
    queried, keyed, valued = (
        made.to(query) for made in (slopes @ key, slopes.mT @ some, weights.mT @ back)
    )
    return torch.zeros_like(query).index_copy_(2, queries, queried), keyed, valued
