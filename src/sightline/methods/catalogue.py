"""A family of methods by name, without the methods: what people write leads to a proper name.

And that to what is said about the method in a list. Nothing here needs torch.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

from sightline.errors import MethodError, near


@dataclass(frozen=True)
class About:
    """What is to be said about a method in one line of a table."""

    name: str
    title: str
    summary: str
    paper: str


@dataclass(frozen=True)
class Catalogue:
    """What is said about a family's methods, and other names for them.

    `kind` says what is expected: "a method", "a method in pixel space". Aliases are written as
    `normalised` writes them.

    >>> words = Catalogue(
    ...     "a word", (About("near", "Near", "Not far.", "a paper"),), {"close": "near"}
    ... )
    >>> words.proper("Close"), words.proper("far"), words.entries["near"].title
    ('near', None, 'Near')
    >>> words.unknown("neer").args[0]
    "Expected the name of a word; came 'neer'. Near names: 'near'."
    """

    kind: str
    lines: tuple[About, ...]
    aliases: Mapping[str, str]

    @cached_property
    def entries(self) -> dict[str, About]:
        """What is said, by proper name."""
        return {line.name: line for line in self.lines}

    def proper(self, name: str, own: Iterable[str] = ()) -> str | None:
        """The proper name of what people mean; None where nothing is called so.

        `own` are names that somebody added to the family's functions.
        """
        word = normalised(name)
        if word in self._spellings:
            return self._spellings[word]
        return next((one for one in own if normalised(one) == word), None)

    @cached_property
    def _spellings(self) -> dict[str, str]:
        return {normalised(one): one for one in self.entries} | dict(self.aliases)

    def about(self, name: str) -> About:
        """What is said about the method people mean, or a `MethodError`."""
        proper = self.proper(name)
        if proper is None:
            raise self.unknown(name)
        return self.entries[proper]

    def unknown(self, name: str, own: Iterable[str] = ()) -> MethodError:
        """What to raise for a name that nobody has.

        A name with `++` is compared in the way it reads.
        """
        read = name.strip().replace("++", "_pp").replace("+", "_plus").replace("-", "_").lower()
        known = dict.fromkeys((*self.entries, *own))
        return MethodError(f"Expected the name of {self.kind}; came {name!r}. {near(read, known)}")


@lru_cache(maxsize=256)
def normalised(name: str) -> str:
    """A name without case, spaces, `-` and `_`; `++` reads `pp`, `+` reads `plus`.

    >>> normalised("Grad-CAM++"), normalised("grad_cam_pp")
    ('gradcampp', 'gradcampp')
    """
    name = name.lower().replace("++", "pp").replace("+", "plus")
    return "".join(letter for letter in name if letter.isalnum())
