"""What every black box takes: fills and counts, or an error that says what there is."""

import pytest

from sightline.errors import MethodError
from sightline.methods.blackbox.query import FILLS, check_options, unheard


def test_every_fill_and_whole_numbers_from_one_on_are_taken():
    for fill in FILLS:
        check_options(fill=fill, at_once=1, masks=4000)
    unheard("share of the picture", [0.5])  # goes nowhere, and does not fail


@pytest.mark.parametrize(
    ("fill", "said"),
    [("blurr", "Near names: 'blur'."), ("noise", "On offer: 'zero', 'blur'.")],
)
def test_an_unknown_fill_is_told_what_there_is(fill, said):
    with pytest.raises(MethodError, match="Expected a fill for what is hidden; came fill=") as told:
        check_options(fill=fill, at_once=1)
    assert said in str(told.value)


@pytest.mark.parametrize("value", [0, -3, 2.0, True, None, "8"])
@pytest.mark.parametrize("name", ["at_once", "masks"])
def test_a_count_that_is_none_is_named_with_its_value(name, value):
    with pytest.raises(MethodError) as told:
        check_options(**{"fill": "zero", "at_once": 16, "masks": 10, name: value})
    assert str(told.value) == f"Expected a whole number, 1 or more; got {name}={value!r}."
