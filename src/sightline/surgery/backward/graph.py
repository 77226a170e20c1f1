"""The graph that autograd recorded, walked from a score back."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from torch import Tensor
from torch.autograd.function import BackwardCFunction

from sightline.surgery.backward.sparse_products import THIN

_MOST_NODES = 256
_FEW_NODES = 24


def nodes(scores: Tensor) -> Iterator[Any]:
    """Every node once, in no order that means anything.

    >>> import torch
    >>> x = torch.ones(2, requires_grad=True)
    >>> [node.name() for node in nodes((x * x).sum())]
    ['SumBackward0', 'MulBackward0', 'torch::autograd::AccumulateGrad']
    """
    seen: set[Any] = set()
    stack: list[Any] = [scores.grad_fn]
    while stack:
        node = stack.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        yield node
        stack.extend(following for following, _ in node.next_functions)


def has_python_functions(scores: Tensor) -> bool:
    """Whether functions written in Python lie behind it, as backward hooks of modules do."""
    return any(isinstance(node, BackwardCFunction) for node in nodes(scores))


def is_short_and_torchs_own(scores: Tensor) -> bool:
    """Whether few operators lie behind it, none written in Python: then no code of a model runs.

    >>> import torch
    >>> x = torch.ones(2, requires_grad=True)
    >>> is_short_and_torchs_own((x * x).sum())
    True
    """
    some = list(islice(nodes(scores), _FEW_NODES + 1))
    return len(some) <= _FEW_NODES and not any(isinstance(one, BackwardCFunction) for one in some)


def has_many_rows(scores: Tensor) -> bool:
    """Whether products of many rows lie behind the layer, as in a transformer.

    Then zeros are worth more than vectorising.

    >>> import torch
    >>> from torch import nn
    >>> linear = nn.Linear(4, 2)
    >>> has_many_rows(linear(torch.ones(1, 4))), has_many_rows(linear(torch.ones(1, 100, 4)))
    (False, True)
    """
    for node in islice(nodes(scores), _MOST_NODES):
        if node.name() in ("AddmmBackward0", "MmBackward0"):
            sizes = (
                "_saved_self_sym_sizes" if node.name() == "MmBackward0" else "_saved_mat1_sym_sizes"
            )
            if getattr(node, sizes)[0] > THIN:
                return True
    return False
