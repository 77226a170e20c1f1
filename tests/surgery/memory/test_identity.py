"""Whether a thing is the one it was."""

import torch

from sightline.surgery.memory.identity import MOST_HASHED, contents, same, version


class Equal:
    """Says of everything that it is its equal."""

    def __eq__(self, other):
        return True

    def __hash__(self):
        return 0


def test_an_object_is_itself_whatever_it_calls_equal():
    one, other = Equal(), Equal()
    assert same(one) == same(one)
    assert same(one) != same(other)


def test_what_is_gone_is_equal_to_nothing():
    before = same(Equal())
    assert before != same(Equal())
    assert before != before


def test_what_cannot_be_held_weakly_goes_by_its_kind():
    assert same(object()) is object
    assert same(3) is int


def test_contents_are_read_anew_where_they_were_written():
    table = torch.arange(6)
    before, written = contents(table), version(table)
    assert contents(torch.arange(6)) == before
    table[0] = 9
    assert version(table) > written
    assert contents(table) != before
    table[0] = 0
    assert contents(table) == before


def test_large_ones_and_those_without_numbers_have_no_contents():
    assert contents(torch.zeros(MOST_HASHED + 1, dtype=torch.uint8)) is None
    assert contents(torch.zeros(MOST_HASHED, dtype=torch.uint8)) is not None
    assert contents(torch.zeros(3, device="meta")) is None


def test_nobody_counts_what_is_written_in_inference():
    with torch.inference_mode():
        table = torch.arange(6)
    assert version(table) == -1
    before = contents(table)
    with torch.inference_mode():
        table[0] = 9
    assert contents(table) != before
