"""Nests of lists, tuples and mappings: exchanged in place of themselves, and searched in order."""

import torch
from torch import Tensor

from sightline.surgery.derivatives.nests import found_in, mapped


def test_only_one_kind_is_exchanged_and_the_nest_keeps_its_form():
    nest = [1.5, ("a", [2.5, None]), {"dim": 1, "other": {"scale": 3.5}}]
    got = mapped(nest, lambda value: -value, float)
    assert got == [-1.5, ("a", [-2.5, None]), {"dim": 1, "other": {"scale": -3.5}}]
    assert nest[1][1][0] == 2.5  # the one that came is as it was
    assert mapped((), lambda value: -value, float) == ()
    assert mapped("abc", lambda value: value.upper(), str) == "ABC"


def test_the_outputs_of_an_operator_keep_their_names():
    top = torch.tensor([3.0, 1.0, 2.0]).topk(2)
    got = mapped(top, lambda tensor: tensor + 10, Tensor)
    assert type(got) is type(top)
    assert (got.values.tolist(), got.indices.tolist()) == ([13, 12], [10, 12])
    assert mapped(torch.Size([2, 3]), lambda number: 2 * number, int) == torch.Size([4, 6])


def test_what_is_found_comes_in_the_order_of_the_arguments():
    a, b, c = torch.zeros(1), torch.zeros(2), torch.zeros(3)
    nest = (a, [b, "text", {"weight": c, "bias": None}], a)
    assert [one.numel() for one in found_in(nest, Tensor)] == [1, 2, 3, 1]
    assert next(found_in(b, Tensor)) is b
    assert list(found_in([None, {"x": ()}], Tensor)) == []
