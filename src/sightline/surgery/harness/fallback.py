"""Why a fast strategy was given up for a general one: logged, and never a cover for a mistake.

A known limit of a fast strategy is an exception of its own, a `Foreseen`. The general strategy is
then taken and the reason stands in the log, at debug. Whatever else goes wrong may be a mistake of
ours, of which a user should not suffer: it is logged, too, but raised where the environment says
`SIGHTLINE_STRICT=1`, as it does in the tests. Else a mistake in a fast path is only a slow day.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch


class Foreseen(RuntimeError):  # noqa: N818  # no error: another strategy is taken
    """A known limit of a fast strategy.

    A `RuntimeError`, as most of torch's own are: one `except` meets both.
    """


class NoRule(Foreseen):
    """Torch has no rule for an operator: to vectorise it, or to differentiate it once more."""


def reason(error: Exception) -> str:
    """Why the general strategy is taken, in a line for the log.

    Raises the error itself where it was not foreseen and `SIGHTLINE_STRICT=1`. Memory that does not
    suffice is foreseen.

    >>> reason(NoRule("no rule for aten::sort"))
    'no rule for aten::sort'
    """
    if isinstance(error, Foreseen):
        return first_line(error)
    # Read now and not when this was imported: a test may want the users' path.
    if os.environ.get("SIGHTLINE_STRICT") == "1" and not isinstance(error, torch.OutOfMemoryError):
        raise error
    return f"{type(error).__name__}: {first_line(error)}"


@contextmanager
def no_rule_foreseen() -> Iterator[None]:
    """Inside, torch's words for an operator without a rule become a `NoRule`."""
    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, NotImplementedError) and not any(
            words in str(error) for words in _NO_RULE
        ):
            raise
        raise NoRule(first_line(error)) from error


def first_line(error: Exception) -> str:
    """What an error says, without the pages that torch may add."""
    return str(error).partition("\n")[0]


_NO_RULE = (
    "is not implemented",
    "not been implemented",
    "does not have vmap support",
    "vmap: ",
    "under vmap",
    "atching rule",
)
"""Torch has one class for all that goes wrong; what it is, only the words tell."""
