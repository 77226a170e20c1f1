"""Names of a model's outputs, from what people have."""

import json

import pytest

from sightline.errors import ModelError
from sightline.models import read_names


@pytest.mark.parametrize(
    ("name", "text", "want"),
    [
        ("a.txt", "cat\ndog\n\n", ("cat", "dog")),
        ("a.txt", "\ufeffcat\r\n  dog ", ("cat", "dog")),
        ("a.txt", "n02123045 tabby, cat\nn02085620 Chihuahua", ("tabby, cat", "Chihuahua")),
        ("a.labels", "red apple\n7", ("red apple", "7")),
        ("a.json", json.dumps(["cat", "dog"]), ("cat", "dog")),
        ("a.json", json.dumps({"10": "k", **dict(enumerate("abcdefghij"))}), (*"abcdefghijk",)),
        ("a.JSON", json.dumps({"dog": 1, "cat": 0}), ("cat", "dog")),
        ("a.json", json.dumps({"0": ["n01440764", "tench"]}), ("tench",)),
    ],
)  # fmt: skip
def test_files(name, text, want, tmp_path):
    file = tmp_path / name
    file.write_bytes(text.encode())
    assert read_names(file) == read_names(str(file)) == want


def test_a_folder_s_folders_in_sorted_order(tmp_path):
    for name in ("b", "a", "C", ".cache"):
        (tmp_path / name).mkdir()
    (tmp_path / "file.txt").touch()
    assert read_names(tmp_path) == ("C", "a", "b")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.txt", "", "it is empty"),
        ("a.txt", "cat\n\ndog", "its line 2 is empty, and output 1 without a name"),
        ("a.json", "[", "it is no JSON"),
        ("a.json", "[]", "its list is empty"),
        ("a.json", "3", "it holds a int"),
        ("a.json", "[3]", "it has 3 among the names"),
        ("a.json", '{"0": "a", "2": "b"}', "output 1 has no name"),
        ("a.json", '{"a": 0, "b": 0}', "output 1 has no name"),
        ("a.json", '{"a": "b"}', "indices neither for all keys nor for all values"),
    ],
)
def test_what_names_nothing_is_told(name, text, said, tmp_path):
    (tmp_path / name).write_text(text)
    with pytest.raises(ModelError, match=f"expected the names of the model's outputs.*{said}"):
        read_names(tmp_path / name)


def test_what_is_not_there_and_what_is_no_text(tmp_path):
    with pytest.raises(ModelError, match=r"cannot be read .No such file"):
        read_names(tmp_path / "nowhere.txt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match="a folder without sub-folders"):
        read_names(tmp_path / "empty")
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ModelError, match="no text in UTF-8"):
        read_names(tmp_path / "a.txt")
