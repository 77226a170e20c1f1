"""What targets beyond classes share: parts of outputs, class numbers, sums that do not overflow."""

from collections import namedtuple
from types import SimpleNamespace

import pytest
import torch

from sightline.errors import TargetError
from sightline.targets.target import class_in_words, class_numbers, part, reduced, what_came

Pair = namedtuple("Pair", "maps logits")
ONE, TWO = torch.zeros(1, 2), torch.ones(1, 3)


@pytest.mark.parametrize(
    ("outputs", "key"),
    [
        ({"a": {"b": TWO}}, ["a", "b"]),
        ((ONE, [ONE, TWO]), [1, 1]),
        ((ONE, TWO), -1),
        (Pair(ONE, TWO), "logits"),
        (SimpleNamespace(logits=TWO), "logits"),
    ],
    ids=str,
)
def test_a_part_is_found_by_names_and_numbers(outputs, key):
    assert part(outputs, key) is TWO


@pytest.mark.parametrize(
    ("outputs", "key", "said"),
    [
        (TWO, "logits", "one tensor [1, 3]. Leave the name"),
        ((ONE, TWO), 2, "returned 2 things. Ask by their number, from 0 to 1"),
        ({"logits": TWO}, "logit", "a dict without it. Near names: 'logits'"),
        (Pair(ONE, TWO), "map", "a Pair without it. Near names: 'maps'"),
        (SimpleNamespace(_own=1), "x", "Ask with a function of the outputs"),
    ],
)
def test_a_part_that_is_not_there_says_what_came(outputs, key, said):
    with pytest.raises(TargetError) as error:
        part(outputs, key)
    assert said in str(error.value)
    assert what_came(outputs, key) in str(error.value)


def test_class_numbers_are_one_an_image_and_within_the_outputs():
    assert class_numbers(1, 2, None, 3).tolist() == [1, 1]
    assert class_numbers(torch.tensor([2, 0]), 2, None, 3).tolist() == [2, 0]
    assert class_numbers("cat", 2, ["dog", "cat"], 2).tolist() == [1, 1]
    for klass, said in ((3, "from 0 to 2"), (torch.tensor([1]), "each of the 2 images")):
        with pytest.raises(TargetError, match=said):
            class_numbers(klass, 2, None, 3)
    for wrong in (1.0, True, torch.zeros(1, 1, dtype=torch.long)):
        with pytest.raises(TargetError, match="as number, name or integer tensor"):
            class_numbers(wrong, 1, None, 3)


def test_a_class_in_words():
    assert class_in_words(1, ["dog", "cat"]) == "cat"
    assert class_in_words(torch.tensor([1, 0])) == "a class for each image"


def test_halves_are_summed_where_they_do_not_overflow():
    values = torch.full((1, 100, 100), 60.0, dtype=torch.float16)
    assert reduced(values, "sum").item() == 600_000  # float16 ends at 65,504
    assert reduced(values, "mean").item() == 60
    with pytest.raises(TargetError, match="got 'max'"):
        reduced(values, "max")
