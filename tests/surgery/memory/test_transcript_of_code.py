"""Functions, read to the letter: by what they do, and not by what they say they are."""

import functools

import torch.nn.functional as F

from sightline.surgery.memory.transcript import Transcript


def read(value):
    transcript = Transcript()
    transcript.read(value)
    return transcript.digest


def test_lines_and_comments_are_no_code():
    made = []
    for text in ("lambda x: x + 1", "\n\n(lambda x:\n  # a word\n x + 1)"):
        made.append(eval(text.strip(), {"__name__": "somewhere"}))
    assert read(made[0]) == read(made[1])
    assert read(made[0]) != read(eval("lambda x: x + 2"))


def test_a_wrapper_that_bears_the_name_of_a_librarys_function_is_read():
    @functools.wraps(F.relu)
    def relu(x):
        return x.flip(3)

    @functools.wraps(F.relu)
    def other(x):
        return x

    assert read(relu) != read(other)
    assert read(relu) != read(F.relu)


def test_defaults_and_cells_are_read():
    def made(held):
        return lambda x, by=held: (x, by, held)

    assert read(made(1)) == read(made(1))
    assert read(made(1)) != read(made(2))
