"""Digests tell weights and functions apart, and only these."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from sightline.evaluation.fingerprint import contents_digest, weights_digest


def grown(by=1.0):
    return lambda gradients: gradients.mean((2, 3), keepdim=True) * by


def test_digests_tell_weights_apart():
    one, other = nn.Linear(2, 2), nn.Linear(2, 2)
    assert weights_digest(one) != weights_digest(other)
    other.load_state_dict(one.state_dict())
    assert weights_digest(one) == weights_digest(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (grown(1.0), grown(2.0)),
        (partial(torch.mul, other=2), partial(torch.mul, other=3)),
        (lambda x, by=1: x * by, lambda x, by=2: x * by),
        (lambda x: x.relu(), lambda x: x.abs()),
        (grown(torch.ones(3)), grown(torch.ones(3) * 2)),
        (grown(np.arange(3)), grown(np.arange(3.0))),
        (grown(lambda x: x + 1), grown(lambda x: x + 2)),
        (grown(nn.Linear(2, 1)), grown(nn.Linear(2, 1))),
        (grown({"a": 1}), grown({"a": 2})),
        (grown([1, 2]), grown([1, 3])),
    ],
    ids=[
        "closed over",
        "partial",
        "default",
        "code",
        "tensor",
        "array",
        "function",
        "module",
        "mapping",
        "list",
    ],
)
def test_functions_are_told_apart_by_what_they_do(one, other):
    assert contents_digest(one) == contents_digest(one) != contents_digest(other)


def test_the_same_function_made_twice_is_the_same():
    assert contents_digest(grown(torch.ones(3))) == contents_digest(grown(torch.ones(3)))


def test_a_function_that_holds_itself_and_a_set_has_contents_too():
    def folded(among):
        def mine(x, n=2):
            return mine(x, n - 1) if n in among else x

        return mine

    assert (
        contents_digest(folded({1, 2}))
        == contents_digest(folded({2, 1}))
        != contents_digest(folded({1, 3}))
    )
