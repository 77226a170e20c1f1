"""A family by name: spelling does not matter, what somebody added is found, errors say what is."""

import pytest

from sightline.errors import MethodError
from sightline.methods.catalogue import About, Catalogue, normalised

FRUIT = Catalogue(
    "a fruit",
    (
        About("red_apple", "Red apple", "Round.", "Newton 1666"),
        About("pear_pp", "Pear++", "Long.", "Newton 1667"),
    ),
    {"malus": "red_apple"},
)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("red_apple", "red_apple"),
        ("Red-Apple", "red_apple"),
        ("REDAPPLE", "red_apple"),
        ("Malus", "red_apple"),
        ("pear++", "pear_pp"),
        ("zebra", None),
    ],
)
def test_spelling_does_not_matter(written, meant):
    assert FRUIT.proper(written) == meant


def test_what_somebody_added_is_found_too():
    assert FRUIT.proper("Green apple") is None
    assert FRUIT.proper("Green apple", own=["green_apple"]) == "green_apple"
    assert "'green_apple'" in str(FRUIT.unknown("green aple", own=["green_apple"]))


def test_what_is_said_about_it_or_an_error_with_near_names():
    assert FRUIT.about("malus") is FRUIT.lines[0]
    with pytest.raises(MethodError, match="Expected the name of a fruit; came 'pear'") as raised:
        FRUIT.about("pear")
    assert str(raised.value).endswith("Near names: 'pear_pp'.")


def test_plus_is_read_aloud():
    assert normalised("A++ b+-c_D") == "appbpluscd"
