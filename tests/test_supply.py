"""Names are requests."""

from functools import partial

import pytest

from sightline.errors import MethodError, RequestError
from sightline.supply import Supply, options, requests, supply


class Kitchen(Supply):
    """Offers that write down when they are made."""

    def __init__(self, **values):
        self.log = []
        super().__init__({word: partial(self.make, word, value) for word, value in values.items()})

    def make(self, word, value):
        self.log.append(word)
        return value


@pytest.fixture
def kitchen():
    return Kitchen(activations="A", gradients="G", tally="T")


def weigh(activations, gradients, *, alpha="paper", tally=None):
    return activations, gradients, alpha, tally


def test_a_function_gets_what_its_names_ask_for_and_nothing_else_is_made(kitchen):
    assert kitchen.call(lambda activations: activations * 2) == "AA"
    assert kitchen.log == ["activations"]


def test_what_is_made_is_made_once(kitchen):
    kitchen.call(lambda gradients, activations: None)
    kitchen.call(weigh)
    assert kitchen["gradients"] == "G"
    assert sorted(kitchen.log) == ["activations", "gradients", "tally"]
    assert set(kitchen.made) == {"activations", "gradients", "tally"}


def test_even_if_it_is_nothing():
    kitchen = Kitchen(gradients=None)
    assert kitchen.call(lambda gradients: gradients) is None
    assert kitchen.call(lambda gradients: gradients) is None
    assert kitchen.log == ["gradients"]


def test_an_offer_may_take_from_the_others(kitchen):
    kitchen.offers["both"] = lambda: kitchen["activations"] + kitchen["gradients"]
    assert kitchen.call(lambda both, gradients: both + gradients) == "AGG"
    assert kitchen.log == ["activations", "gradients"]


def test_an_offer_that_fails_is_not_kept():
    attempts = []

    def fail_once():
        attempts.append(1)
        if len(attempts) == 1:
            raise ZeroDivisionError
        return 7

    kitchen = Supply({"it": fail_once})
    with pytest.raises(ZeroDivisionError):
        kitchen["it"]
    assert kitchen["it"] == 7


def test_an_option_keeps_its_default_is_given_or_is_supplied(kitchen):
    assert kitchen.call(weigh) == ("A", "G", "paper", "T")
    assert kitchen.call(weigh, alpha="authors") == ("A", "G", "authors", "T")
    assert supply(weigh, {"activations": lambda: 1, "gradients": lambda: 2}) == (
        1,
        2,
        "paper",
        None,
    )
    assert supply(weigh, {"activations": lambda: 1, "gradients": lambda: 2}, tally=3) == (
        1,
        2,
        "paper",
        3,
    )


def test_a_typo_in_a_request_is_told_the_word_and_nothing_was_made(kitchen):
    def f(activations, gradient):
        """Ask for what nobody offers."""

    with pytest.raises(RequestError) as raised:
        kitchen.call(f)
    assert (
        str(raised.value)
        == "f asks for 'gradient'. Did you mean 'gradients'? On offer: 'activations', 'gradients',"
        " 'tally'."
    )
    assert kitchen.log == []


def test_a_request_like_nothing_on_offer():
    with pytest.raises(RequestError) as raised:
        supply(weigh, {})
    assert str(raised.value) == "weigh asks for 'activations'. On offer: nothing."
    with pytest.raises(RequestError, match=r"Somebody asks for 'zebra'\. On offer: 'a'\."):
        Supply({"a": lambda: 1})["zebra"]


@pytest.mark.parametrize(
    ("function", "given", "message"),
    [
        (
            weigh,
            {"alhpa": 1},
            "weigh has the options 'alpha'; 'alhpa' is not among them. Near names: 'alpha'.",
        ),
        (
            weigh,
            {"zebra": 1},
            "weigh has the options 'alpha'; 'zebra' is not among them. On offer: 'alpha'.",
        ),
        (weigh, {"tally": 1}, "'tally' is not among them"),
        (weigh, {"gradients": 1}, "'gradients' is not among them"),
        (
            max_of := lambda gradients: gradients,
            {"alpha": 1},
            "has no options; 'alpha' is not among them. Leave",
        ),
    ],
)
def test_an_unknown_option_is_told_what_there_is_and_nothing_was_made(
    kitchen, function, given, message
):
    with pytest.raises(MethodError) as raised:
        kitchen.call(function, **given)
    assert message in str(raised.value)
    assert kitchen.log == []


def test_partial_functions_ask_for_what_is_left(kitchen):
    bound = partial(weigh, alpha="authors", gradients="mine")
    assert requests(bound) == ["activations"]
    assert kitchen.call(bound) == ("A", "mine", "authors", "T")
    assert kitchen.call(bound, alpha="paper") == ("A", "mine", "paper", "T")
    assert kitchen.call(partial(weigh, tally="mine"))[3] == "mine", (
        "what was bound is not supplied again"
    )
    with pytest.raises(RequestError, match="weigh asks for 'gradients'"):
        supply(partial(partial(weigh), alpha=1), {"activations": lambda: 1})


def test_objects_with_a_call_are_functions_too(kitchen):
    class Method:
        def __call__(self, gradients, *, power=2):
            return gradients * power

    assert kitchen.call(Method()) == "GG"
    assert kitchen.call(Method(), power=3) == "GGG"
    with pytest.raises(MethodError, match="Method has the options 'power'"):
        kitchen.call(Method(), powr=3)


@pytest.mark.parametrize(
    ("function", "parameter"),
    [
        (lambda **anything: 1, r"\*\*anything"),
        (lambda *anything: 1, r"\*anything"),
        (lambda gradients, /: 1, "gradients"),
    ],
    ids=["**", "*", "/"],
)
def test_a_function_that_does_not_name_what_it_wants_is_refused(function, parameter):
    with pytest.raises(
        RequestError, match=f"all be given by name; .* has '{parameter}'. Name what it asks for"
    ):
        supply(function, {"gradients": lambda: 1})


def test_requests_and_options_are_listed_in_order():
    assert requests(weigh) == ["activations", "gradients"]
    assert options(weigh) == ["alpha", "tally"]
    assert requests(lambda: 1) == options(lambda: 1) == []
