"""Names are requests: a function is called with exactly what its parameter names ask for.

What is asked for is made when it is first needed, and once. So a method that names no `gradients`
costs no backward pass, and several methods share one. The rooms' doors keep to the same thought: a
name is imported when it is first used.
"""

import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from functools import cache, lru_cache, partial
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from sightline.errors import DISTRIBUTION, MethodError, RequestError, near

Offers = Mapping[str, Callable[[], Any]]
"""What can be had: for each word a function that makes it."""


def supply(function: Callable[..., Any], offers: Offers, **options: Any) -> Any:
    """Call `function` once with what it asks for. For several calls on the same offers use
    `Supply`.

    >>> supply(lambda height, width: height * width, {"width": lambda: 3, "height": lambda: 2})
    6
    """
    return Supply(offers).call(function, **options)


class Supply:
    """Offers, and what has been made of them so far.

    >>> def costly():
    ...     print("made")
    ...     return 21
    >>> kitchen = Supply({"half": costly, "other": lambda: 1 / 0})
    >>> (
    ...     kitchen.call(lambda half: 2 * half),
    ...     kitchen.call(lambda half, *, plus=0: half + plus, plus=4),
    ... )
    made
    (42, 25)
    """

    def __init__(self, offers: Offers) -> None:
        self.offers = dict(offers)
        self.made: dict[str, Any] = {}

    def __getitem__(self, word: str) -> Any:
        """What is offered under `word`, made now if it was not yet.

        An offer may use it to take another.
        """
        if word not in self.made:
            if word not in self.offers:
                raise RequestError(_missing("Somebody", word, self.offers))
            self.made[word] = self.offers[word]()
        return self.made[word]

    def call(self, function: Callable[..., Any], **options: Any) -> Any:
        """Call `function`: requests from the offers, options from `options` or from their defaults.

        A parameter is a *request* if it has no default or if its name is offered; else it is an
        *option*. Everything is checked before anything is made. Raises `RequestError` for a request
        that nobody offers, `MethodError` for an option that `function` does not have.
        """
        needed, optional = _split_parameters(function, self.offers)
        for word in needed:
            if word not in self.offers:
                raise RequestError(_missing(called(function), word, self.offers))
        for option in options:
            if option not in optional:
                has = f"has the options {_quoted(optional)}" if optional else "has no options"
                raise MethodError(
                    f"{called(function)} {has}; {option!r} is not among them. "
                    + (near(option, optional) if optional else "Leave it out.")
                )
        return function(**{word: self[word] for word in needed}, **options)


def requests(function: Callable[..., Any]) -> list[str]:
    """The words that `function` cannot do without, in its order.

    >>> def weigh(gradients, *, alpha="paper"): ...
    >>> requests(weigh)
    ['gradients']
    """
    return _split_parameters(function, {})[0]


def options(function: Callable[..., Any]) -> list[str]:
    """The names of its parameters that have defaults.

    >>> def weigh(gradients, *, alpha="paper"): ...
    >>> options(weigh)
    ['alpha']
    """
    return _split_parameters(function, {})[1]


def defaults(function: Callable[..., Any]) -> dict[str, Any]:
    """Its options and what they are when nobody says otherwise.

    >>> def weigh(gradients, *, alpha="paper"): ...
    >>> defaults(weigh)
    {'alpha': 'paper'}
    """
    try:
        return dict(_defaults(function))
    except TypeError:  # a callable that cannot be hashed is read anew
        return dict(_defaults.__wrapped__(function))


@lru_cache(maxsize=256)
def _defaults(function: Callable[..., Any]) -> tuple[tuple[str, Any], ...]:
    parameters = inspect.signature(function).parameters
    return tuple((word, parameters[word].default) for word in options(function))


def _split_parameters(
    function: Callable[..., Any], offers: Iterable[str]
) -> tuple[list[str], list[str]]:
    try:
        needed, optional = _read_signature(function, frozenset(offers))
    except TypeError:  # a callable that cannot be hashed is read anew
        needed, optional = _read_signature.__wrapped__(function, frozenset(offers))
    return list(needed), list(optional)


@lru_cache(maxsize=256)
def _read_signature(
    function: Callable[..., Any], offers: frozenset[str]
) -> tuple[list[str], list[str]]:
    """Reading a signature takes longer than many a method."""
    bound = function.keywords if isinstance(function, partial) else {}
    needed: list[str] = []
    optional: list[str] = []
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise RequestError(
                f"Expected a function whose parameters can all be given by name; {called(function)}"
                f" has '{parameter}'. Name what it asks for, or wrap it in a function that does."
            )
        open_to_offers = parameter.default is parameter.empty or (
            name in offers and name not in bound
        )
        (needed if open_to_offers else optional).append(name)
    return needed, optional


def _missing(asker: str, word: str, offers: Iterable[str]) -> str:
    close = get_close_matches(word, list(offers), n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"{asker} asks for {word!r}.{hint} On offer: {_quoted(offers) or 'nothing'}."


def _quoted(words: Iterable[str]) -> str:
    return ", ".join(repr(word) for word in words)


def called(function: Callable[..., Any]) -> str:
    """What a function is called, inside a `partial` too."""
    while isinstance(function, partial):
        function = function.func
    return str(getattr(function, "__name__", type(function).__name__))


def lazily(package: str) -> None:
    """Have a package import its public names when they are first used; its `_WHERE` says whence.

    PEP 562 with one thing more, see `_Door`. Type checkers and editors read the same names under
    `if TYPE_CHECKING:`; a test holds the two lists together.
    """
    sys.modules[package].__class__ = _Door


class _Door(ModuleType):
    """A package whose names are in `_WHERE`: each with the module that has it."""

    _WHERE: Mapping[str, str]

    def __getattr__(self, name: str) -> Any:
        """Import what is not there yet: a name of `_WHERE`, or else a part of the package."""
        if name in self._WHERE:
            found = getattr(import_module(self._WHERE[name]), name)
            setattr(self, name, found)  # the next time it is simply there
            return found
        part = f"{self.__name__}.{name}"
        if not name.startswith("_") and find_spec(part):
            return import_module(part)
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        """Keep a file from hiding the function that has its name.

        Python hangs a file that has been imported into its package: `sightline.metrics.loc` would
        be the file `loc.py` as soon as anybody had imported that, and the function before.
        """
        if not (name in self._WHERE and isinstance(value, ModuleType)):
            super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        """The public names, the rooms behind this door, and what every module has."""
        from pkgutil import iter_modules  # for those who look, not for every import

        rooms = {part.name for part in iter_modules(self.__path__) if part.ispkg}
        return sorted({*self._WHERE, *rooms, *(name for name in vars(self) if name[:2] == "__")})


@cache
def version() -> str:
    """The installed version; `0+unknown` where a checkout is run that nobody installed.

    >>> version()[0].isdigit()
    True
    """
    from importlib import (
        metadata,  # reads mail headers: a sixth of all that `import sightline` costs
    )

    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return "0+unknown"
