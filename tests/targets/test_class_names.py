"""A class by its name: whole, by a synonym, by words; and the errors that help to find it."""

import pytest

from sightline.errors import TargetError
from sightline.targets import Target, find_class
from sightline.targets.class_names import checked_index, label

CLASSES = [
    "tabby, tabby cat",
    "tiger cat",
    "tiger, Panthera tigris",
    "lens cap, lens cover",
    "crane",
    "crane",
    "American_eagle, eagle",
    "cat",
    "lion, king of beasts, Panthera leo",
]


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("tabby, tabby cat", 0),
        ("tabby", 0),
        ("TABBY", 0),
        ("  tabby ", 0),
        ("tabby cat", 0),
        ("tabby_cat", 0),
        ("tiger cat", 1),
        ("tiger", 2),  # the first synonym of one class, a word of another
        ("panthera tigris", 2),
        ("lens cover", 3),
        ("lens", 3),  # a word of one class only, in two of its synonyms
        ("american eagle", 6),
        ("eagle", 6),
        ("cat", 7),  # the whole name, though others hold the word
        ("king", 8),
        ("of beasts", 8),
        ("4", 4),
        (" 7 ", 7),
    ],
)
def test_a_name_finds_its_class(name, index):
    assert find_class(name, CLASSES, len(CLASSES)) == index


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("crane", r"'crane' fits 2: 4 'crane', 5 'crane'. Ask for one by number"),
        ("panthera", "fits 2: 2 .*, 8 "),
        ("ray", "no class 'ray'"),  # not inside a word
        ("", "no class ''. On offer"),
        ("tabbi", "Near names: 'tabby'"),
        ("lens capp", "Near names: 'lens cap'"),
        ("zebra crossing", "On offer: 'tabby', 'tabby cat', .* Numbers 0 to 8 work too"),
        ("9", r"from 0 to 8 .* got 9"),
    ],
)
def test_an_unknown_or_ambiguous_name_gets_help(name, message):
    with pytest.raises(TargetError, match=message):
        find_class(name, CLASSES, len(CLASSES))


def test_without_names_only_numbers_work():
    assert find_class("2", None, 3) == 2
    with pytest.raises(
        TargetError,
        match=r"names are not known, so 'tabby'.*classes=\[...\] with its 3 names.*0 to 2",
    ):
        find_class("tabby", None, 3)


def test_a_class_called_by_a_digit_is_found_by_its_name():
    """House numbers: class 0 is called 1, the tenth 0."""
    digits = [str((i + 1) % 10) for i in range(10)]
    assert [find_class(str(d), digits, 10) for d in (1, 9, 0)] == [0, 8, 9]


def test_more_names_than_outputs_end_in_an_error_and_not_in_a_wrong_class():
    with pytest.raises(TargetError, match=r"from 0 to 2 .* got 3"):
        find_class("lens cap", CLASSES, 3)


def test_labels_fall_back_to_numbers():
    assert label(1, CLASSES) == "tiger cat"
    assert label(12, CLASSES) == "class 12"
    assert label(3, None) == "class 3"
    assert str(Target(3, "crane")) == "crane"


def test_checked_knows_the_borders():
    assert checked_index(0, 3) == 0
    assert checked_index(2, 3) == 2
    for wrong in (-1, 3):
        with pytest.raises(TargetError, match=f"from 0 to 2 .* got {wrong}"):
            checked_index(wrong, 3)
