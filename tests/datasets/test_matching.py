"""The data's names and the model's: the surest sign first, and never a guess."""

import json

import pytest

from helpers.data import shared
from sightline.datasets import match, open_data
from sightline.datasets.class_lists import imagenet
from sightline.errors import DataError
from sightline.models.bundled import CARD
from sightline.models.card import Card

LOOKOUT = Card.read(CARD).classes or ()
SHORT = [name for _, name in imagenet()]


def test_names_letter_by_letter_come_first():
    model = ["cardigan", "Cardigan", "tabby"]
    assert match(["Cardigan", "cardigan", "Tabby"], model) == {
        "Cardigan": 1,
        "cardigan": 0,
        "Tabby": 2,
    }


@pytest.mark.parametrize("name", ["great_white-shark", "Great White Shark", " great  white shark "])
def test_capitals_and_separators_do_not_count(name):
    assert match([name, "x"], ["tench", "great white shark"])[name] == 1


def test_synonyms_on_either_side():
    model = ["tench, Tinca tinca", "tabby, tabby cat", "tiger cat", "pig"]
    data = ["Tinca tinca", "tabby cat", "hog, pig, grunter", "cat"]
    assert match(data, model) == {
        "Tinca tinca": 0,
        "tabby cat": 1,
        "hog, pig, grunter": 3,
        "cat": None,
    }


def test_two_pandas_share_a_synonym_and_are_not_the_same():
    model = ["giant panda, panda, panda bear, coon bear"]
    assert match(["lesser panda, red panda, panda", "panda"], model) == {
        "lesser panda, red panda, panda": None,
        "panda": 0,
    }


def test_words_within_a_name_are_no_name():
    assert match(["train", "bus", "pizza"], ["bullet train", "school bus", "pizza"]) == {
        "train": None,
        "bus": None,
        "pizza": 2,
    }


def test_a_name_of_two_classes_is_none_of_them_but_its_wnid_is():
    data = ["crane", "tabby"]
    assert match(data, SHORT) == {"crane": None, "tabby": 281}
    assert match(data, SHORT, aliases={"crane": ("n03126707",)}) == {"crane": 517, "tabby": 281}


def test_wnids():
    assert match(["n02123045", "n01440764", "n99999999"], SHORT) == {
        "n02123045": 281,
        "n01440764": 0,
        "n99999999": None,
    }
    assert match(["n02123045"], ["dog", "tabby"]) == {"n02123045": 1}  # by ImageNet's name for it
    assert match(["n02123045"], ["n02085620", "n02123045"]) == {"n02123045": 1}


def test_numbers():
    assert match(["281", "7"], SHORT) == {"281": 281, "7": 7}
    assert match(["0", "1"], None, count=2) == {"0": 0, "1": 1}
    assert match(["0", "1"], ["one", "0"]) == {"0": 1, "1": None}  # digits may be names
    with pytest.raises(DataError, match="found none"):
        match(["281", "1000"], SHORT)
    with pytest.raises(DataError, match="found none"):
        match(["7", "hat"], SHORT[:5])
    assert match(["hat"], None, count=9, aliases={"hat": ("n1", "4")}) == {"hat": 4}


def test_positions_where_the_model_has_no_names():
    assert match(["cat", "dog"], None, count=2) == {"cat": 0, "dog": 1}
    with pytest.raises(
        DataError, match=r"The model's: 3 classes without names\. Say which is which in a JSON file"
    ):
        match(["cat", "dog"], None, count=3)
    with pytest.raises(DataError, match="The model's: unknown classes without names"):
        match(["cat", "dog"], None)


def test_nothing_shared_is_told_with_both_lists():
    message = (
        r"found none\. The data set's: 'raccoon'\. The model's: 'tench', 'goldfish', .*, and 992"
        r" more\. "
        r"Say which is which in a JSON file, as in \{\"raccoon\": 281\}, and pass it with"
        r" --class-map FILE \(class_map=\)"
    )
    with pytest.raises(DataError, match=message):
        match(["raccoon"], SHORT)


def test_a_mapping_comes_before_all_else(tmp_path):
    mapping = {"Kangaroo": "wallaby", "tabby": 7, "dog": None, "other": 3}
    expected = {"kangaroo": 104, "tabby": 7, "dog": None, "tench": 0}
    assert match(list(expected), SHORT, mapping) == expected
    file = tmp_path / "classes.json"
    file.write_text(json.dumps(mapping))
    assert match(list(expected), SHORT, file) == match(list(expected), SHORT, str(file)) == expected


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"cat": 2}, "number of one of the model's 2 classes, its name, or null for none; came 2"),
        ({"cat": -1}, "came -1"),
        ({"cat": True}, "came True"),
        (
            {"cat": "tiger"},
            r"expected a class of the model for 'cat'\. The model has no class 'tiger'",
        ),
        (
            {"cow": 1},
            r"expected names of the data set's classes as keys \('cat', 'dog'\); came 'cow'",
        ),
        ({"cat": None, "dog": None}, "found none"),
    ],
)
def test_a_mapping_that_does_not_fit(mapping, message):
    with pytest.raises(DataError, match=message):
        match(["cat", "dog"], ["tabby", "boxer"], mapping)


def test_a_mapping_file_that_is_none(tmp_path):
    for content, message in [
        ("[1]", "expected a dict in JSON, .*came list"),
        ("{", "it cannot be read"),
    ]:
        (tmp_path / "a.json").write_text(content)
        with pytest.raises(DataError, match=message):
            match(["cat"], ["tabby"], tmp_path / "a.json")
    with pytest.raises(DataError, match="it cannot be read"):
        match(["cat"], ["tabby"], tmp_path / "b.json")


def test_real_sets_and_the_bundled_model():
    tiny = open_data(shared("tinyimagenet50"), split="val", limit=10)
    numbers = match(tiny.classes, LOOKOUT, aliases=tiny.aliases)
    assert list(numbers.values()) == list(range(50))


def test_real_imagenet_pictures_and_a_model_of_all_classes():
    samples = open_data(shared("imagenet-samples"))
    numbers = match(samples.classes, SHORT, aliases=samples.aliases)
    assert all(samples.aliases[name][-1] == str(number) for name, number in numbers.items())
    some = match(samples.classes, LOOKOUT, aliases=samples.aliases)
    assert 0 < sum(number is not None for number in some.values()) < 50
    assert all(number is None or LOOKOUT[number] == name for name, number in some.items())
