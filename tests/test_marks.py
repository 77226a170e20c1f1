"""What conftest.py decides of the tests: which are whole networks, which run in a sample, and in
which modules shapes are checked.
"""

from itertools import pairwise

import pytest
import torch
from jaxtyping import TypeCheckError

import conftest
from sightline.methods.cams.grad_cam import grad_cam


def test_what_is_named_is_there():
    assert [name for name in conftest.ZOO if not (conftest.HERE / name).exists()] == []


def test_whole_folders_and_single_files():
    assert conftest.in_zoo(conftest.HERE / "zoo" / "test_torchvision.py")
    assert conftest.in_zoo(conftest.HERE / "evaluation" / "test_peers.py")
    assert not conftest.in_zoo(conftest.HERE / "evaluation" / "test_controls.py")
    assert not conftest.in_zoo(conftest.HERE.parent / "src" / "sightline" / "errors.py")


class Item:
    def __init__(self, nodeid):
        self.nodeid = nodeid


def test_a_sample_is_every_nth_of_many_cases_and_all_of_few():
    many = [Item(f"a.py::test_many[{k}]") for k in range(100)]
    few = [Item(f"a.py::test_few[{k}]") for k in range(conftest.MANY_CASES)]
    left_out = conftest._beyond_the_sample([*many, *few, Item("a.py::test_one")], 4)
    kept = [k for k, item in enumerate(many) if item not in left_out]
    assert len(kept) == 25
    assert {after - before for before, after in pairwise(kept)} == {4}
    assert left_out == set(many) - {many[k] for k in kept}
    assert conftest._beyond_the_sample([*many, *few], 1) == set()


def test_shapes_are_checked_where_they_stand_in_a_signature():
    checked = conftest.with_shapes()
    assert {"sightline.methods.cams.grad_cam", "sightline.surgery.layer_trace"} <= set(checked)
    assert "sightline.surgery.harness.hooks" not in checked
    assert "sightline" not in checked, "a package stands for all in it"


@pytest.mark.slow  # `make quick` takes the shapes as they are
def test_a_wrong_shape_is_an_error_in_a_test_run():
    with pytest.raises(TypeCheckError, match="Float"):
        grad_cam(torch.rand(4))
