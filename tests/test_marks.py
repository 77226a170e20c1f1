"""The list of whole files in conftest.py names files that are there."""

from itertools import pairwise

import conftest


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
