"""The list of whole files in conftest.py names files that are there."""

import conftest


def test_what_is_named_is_there():
    assert [name for name in conftest.ZOO if not (conftest.HERE / name).exists()] == []


def test_whole_folders_and_single_files():
    assert conftest.in_zoo(conftest.HERE / "zoo" / "test_torchvision.py")
    assert conftest.in_zoo(conftest.HERE / "evaluation" / "test_peers.py")
    assert not conftest.in_zoo(conftest.HERE / "evaluation" / "test_controls.py")
    assert not conftest.in_zoo(conftest.HERE.parent / "src" / "sightline" / "errors.py")
