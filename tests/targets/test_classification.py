"""Which classes are asked of each image, in every form that names them."""

import numpy as np
import pytest
import torch

from sightline.errors import TargetError
from sightline.targets.classification import indices_of

ROWS = torch.tensor([[1.0, 3.0, 2.0], [5.0, 4.0, 6.0]])
NAMES = ["cat", "dog", "emu"]


@pytest.mark.parametrize(
    ("target", "indices", "several"),
    [
        (None, [[1], [2]], False),
        ("predicted", [[1], [2]], False),
        ("least", [[0], [1]], False),
        ("top2", [[1, 2], [2, 0]], True),
        ("Top-1", [[1], [2]], True),
        ("emu", [[2], [2]], False),
        (0, [[0], [0]], False),
        (np.int64(1), [[1], [1]], False),
        ([0, "dog"], [[0, 1], [0, 1]], True),
        (range(2), [[0, 1], [0, 1]], True),
        ([0], [[0], [0]], True),
        (torch.tensor(2), [[2], [2]], False),
        (torch.tensor([2, 0]), [[2], [0]], False),
        (torch.tensor([[2, 0], [1, 1]]), [[2, 0], [1, 1]], True),
        (np.array([2, 0]), [[2], [0]], False),
        ([["cat", "top2"], ["predicted", "top2"]], [[0, 1, 2], [2, 2, 0]], True),
    ],
    ids=str,
)
def test_each_form(target, indices, several):
    found, more = indices_of(target, ROWS, NAMES)
    assert (found.tolist(), more) == (indices, several)


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ([], "an empty list"),
        ("top4", "top1 to top3"),
        (3, "from 0 to 2"),
        (torch.tensor([0.5, 1.0]), "integers; got torch.float32"),
        (np.array(["cat", "dog"]), "an array of <U3"),
        (torch.tensor([0, 1, 2]), r"a tensor \[2\] or \[2, n\]; got \(3,\)"),
        ([[0]], "for each of the 2 images a list"),
        ([[0, 1], [2]], "equally many targets"),
        ([["top2"], [0]], r"the lists ask for \[2, 1\]"),
        ([len, 1], "got builtin_function_or_method among classes"),
        ([1.5], "got float"),
    ],
    ids=str,
)
def test_what_names_no_class(target, said):
    with pytest.raises(TargetError, match=said):
        indices_of(target, ROWS, NAMES)
