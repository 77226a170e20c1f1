"""The states of the random generators, and back to them."""

import random

import numpy as np
import pytest
import torch
from torch import nn

from sightline.surgery.harness.rng_state import Generators


def draw():
    return random.random(), float(np.random.rand()), float(torch.rand(()))


@pytest.mark.parametrize("foreign", [True, False])
def test_what_is_drawn_afterwards_is_drawn_again(foreign):
    before = Generators(nn.ReLU(), foreign)
    first = draw()
    before.restore()
    second = draw()
    # Python's and NumPy's generators come back only where code of others may draw from them.
    assert [a == b for a, b in zip(first, second, strict=True)] == [foreign, foreign, True]
