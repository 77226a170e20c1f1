"""A family of methods by name: what people write leads to the function, and to what is to be said
about it.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sightline.errors import MethodError, near


@dataclass(frozen=True)
class Method:
    """What is to be said about a method in one line of a table."""

    name: str
    title: str
    summary: str
    paper: str


@dataclass(frozen=True)
class Catalogue:
    """A family's functions by their proper names, other names for them, and each one's title and
    paper.

    `kind` says what is expected: "a method", "a method in pixel space". Aliases are written as
    `plain` writes them.

    >>> from sightline.errors import near as hint
    >>> words = Catalogue(
    ...     "a word", {"near": hint}, {"close": "near"}, {"near": ("Near", "a paper")}
    ... )
    >>> words.proper("Close"), words.proper("far"), words.about("near").title
    ('near', None, 'Near')
    >>> words.unknown("neer").args[0]
    "Expected the name of a word; came 'neer'. Near names: 'near'."
    """

    kind: str
    functions: Mapping[str, Callable[..., Any]]
    aliases: Mapping[str, str]
    sources: Mapping[str, tuple[str, str]]

    def proper(self, name: str) -> str | None:
        """The proper name of what people mean; None where nothing is called so."""
        return ({plain(own): own for own in self.functions} | dict(self.aliases)).get(plain(name))

    def about(self, proper: str) -> Method:
        """Title, paper and summary: the first paragraph of the docstring."""
        title, paper = self.sources[proper]
        first = (inspect.getdoc(self.functions[proper]) or "").partition("\n\n")[0]
        return Method(proper, title, " ".join(first.split()), paper)

    def unknown(self, name: str) -> MethodError:
        """What to raise for a name that nobody has.

        A name with `++` is compared in the way it reads.
        """
        read = name.strip().replace("++", "_pp").replace("+", "_plus").replace("-", "_").lower()
        return MethodError(
            f"Expected the name of {self.kind}; came {name!r}. {near(read, self.functions)}"
        )


@lru_cache(maxsize=256)
def plain(name: str) -> str:
    """A name without case, spaces, `-` and `_`; `++` reads `pp`, `+` reads `plus`.

    >>> plain("Grad-CAM++"), plain("grad_cam_pp")
    ('gradcampp', 'gradcampp')
    """
    name = name.lower().replace("++", "pp").replace("+", "plus")
    return "".join(letter for letter in name if letter.isalnum())
