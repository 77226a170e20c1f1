r"""The backward of scaled dot product attention, from the few queries that carry a gradient.

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
    """The queries whose output carries a gradient, if these are few; else None.

    None also of an attention that is causal, masked, or drops out. `rows` are the queries, where
    they are known.
    """
    if causal or dropout or attn_mask is not None or query.shape[1] != key.shape[1]:
        return None
    queries = rows
    if queries is None:
        queries = (grad.abs().amax((0, 1, 3)) != 0).nonzero().squeeze(1)  # NaN is not zero
    return queries if _SHARE * len(queries) <= grad.shape[2] else None


def attention_backward(
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
    """Derivatives at query, key and value `[b, heads, n, d]`, from those queries alone.

    Halves are rounded at the end.

    >>> q, k, v = torch.rand(3, 1, 2, 9, 4).requires_grad_().unbind()
    >>> out, grad = (
    ...     torch.nn.functional.scaled_dot_product_attention(q, k, v),
    ...     torch.zeros(1, 2, 9, 4),
    ... )
    >>> grad[:, :, 5] = 1.0
    >>> want = torch.autograd.grad(out, (q, k, v), grad)
    >>> got = attention_backward(grad, q, k, v, out, queries=torch.tensor([5]))
    >>> all(torch.allclose(a, b, atol=1e-6) for a, b in zip(want, got))
    True
    """
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    exact = torch.promote_types(query.dtype, torch.float32)
    d_out, some, outputs = (tensor[:, :, queries].to(exact) for tensor in (grad, query, out))
    key, value = key.to(exact), value.to(exact)
    weights = (some @ key.mT * scale).softmax(-1)
    d_scores = weights * (d_out @ value.mT - (d_out * outputs).sum(-1, keepdim=True)) * scale
    d_query, d_key, d_value = (
        made.to(query) for made in (d_scores @ key, d_scores.mT @ some, weights.mT @ d_out)
    )
    return torch.zeros_like(query).index_copy_(2, queries, d_query), d_key, d_value
