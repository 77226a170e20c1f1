"""From a path to the object in Python code, and what can be wrong on the way."""

import sys

import pytest

from sightline.errors import ModelError
from sightline.models.import_path import found_at, is_import_path


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder to stand in, in which a test writes files; what it imports is forgotten after it."""
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def write(place, **files):
    """Files by their paths without the ending; a folder's name ends in `_in_`."""
    for name, text in files.items():
        path = place / f"{name.replace('_in_', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def at(path):
    with found_at(path) as found:
        return found


def test_names_of_other_models_are_none():
    names = ("resnet50.IMAGENET1K_V1", "timm/vit", "hf-hub:timm/x", "hf_hub:timm/x", "lookout")
    assert not any(is_import_path(name) for name in names)
    assert all(is_import_path(name) for name in ("a.b:c", "a.py:c", "a.py", "a:", "C:/a.py:c"))


def test_a_module_a_file_and_what_is_inside_an_object(place):
    write(place, nets_a="class Net:\n    small = 7\n")
    assert at("nets_a:Net").__name__ == "Net"
    assert at("nets_a.py:Net.small") == at(f"{place}/nets_a.py:Net.small") == 7
    assert at("math:pi") == pytest.approx(3.14159, abs=1e-5)


def test_what_lies_beside_a_file_can_be_imported_while_it_is_in_use_only(place):
    write(
        place, deep_in_nets_b="import beside_b\nimported = beside_b.x\ndef later(): import after_b"
    )
    write(place, deep_in_beside_b="x = 3", deep_in_after_b="")
    path = list(sys.path)
    with found_at("deep/nets_b.py:later") as later:
        assert str(place / "deep") in sys.path
        later()
    assert sys.path == path
    assert at("deep/nets_b.py:imported") == 3
    with pytest.raises(ModelError):
        at("deep/nets_b.py:nothing")
    assert sys.path == path


def test_a_file_of_a_package_may_import_relatively(place):
    write(place, pack_c_in___init__="", pack_c_in_sub_in___init__="", pack_c_in_base="x = 5")
    write(place, pack_c_in_sub_in_nets="from ..base import x as y")
    assert at("pack_c/sub/nets.py:y") == at("pack_c.sub.nets:y") == 5


def test_a_file_is_read_anew_and_takes_nobody_s_name(place):
    write(place, json="x = 1", nets_d="x = 1")
    import json

    assert at("json.py:x") == at("nets_d.py:x") == 1
    assert sys.modules["json"] is json
    (place / "nets_d.py").write_text("x = 22")
    assert at("nets_d.py:x") == 22
    assert "json.py" not in str(json.__file__).removesuffix("__init__.py")


@pytest.mark.parametrize(
    ("text", "path", "said"),
    [
        ("", "nosuch_e:x", "there is no module 'nosuch_e', neither in the current folder nor on"),
        ("", "nets_e.sub:x", "there is no module 'nets_e.sub'"),
        ("", "./nets_e:x", "there is no module './nets_e', .*There is a file: 'nets_e.py:...'"),
        ("", ".nets_e:x", "there is no module '.nets_e'"),
        ("", "nosuch.py:x", "there is no file 'nosuch.py'. Near names: 'nets_e.py'."),
        ("", "nowhere/a.py:x", "there is no file 'nowhere/a.py'. Check the path."),
        ("", "nets_e.py", "got 'nets_e.py'. It is empty."),
        ("def f(): ...\nclass N: ...\nm = 3", "nets_e.py:", "In it are: 'f', 'N', 'm'."),
        ("", ":x", "expected package.module:name or file.py:name; got ':x'"),
        ("def build(): ...", "nets_e:biuld", "'nets_e' has no 'biuld'. Near names: 'build'."),
        ("", "nets_e.py:build", "'nets_e.py' has no 'build'. There is nothing in it to call."),
        ("\n1 / 0", "nets_e.py:f", "'nets_e.py' raised ZeroDivisionError: .*nets_e.py, line 2"),
        ("\n1 / 0", "nets_e:f", "'nets_e' raised ZeroDivisionError: .*nets_e.py, line 2"),
        ("import nosuch", "nets_e.py:f", "'nets_e.py' imports 'nosuch', which is not there"),
        ("import nosuch", "nets_e:f", "'nets_e' imports 'nosuch', which is not there"),
        ("def f(:", "nets_e.py:f", "cannot be read as Python: .*nets_e.py, line 1"),
        ("raise SystemExit(2)", "nets_e.py:f", "ended the program .*if __name__ == '__main__':"),
    ],
)
def test_what_can_be_wrong_is_told_in_words(text, path, said, place):
    write(place, nets_e=text)
    with pytest.raises(ModelError, match=said):
        at(path)
