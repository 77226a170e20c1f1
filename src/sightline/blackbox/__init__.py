"""Black boxes: what can be learnt of a model by showing it pictures. One file each, listed here by hand.

No layer is opened and nothing is looked back through, so these work for every model that runs. Each is a pure function
of `shown`, which tells the scores of the picture seen through masks, and returns a signed map of the picture's size.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from sightline.blackbox.lime import lime as lime
from sightline.blackbox.occlusion import occlusion as occlusion
from sightline.blackbox.rise import rise as rise
from sightline.blackbox.shown import FILLS as FILLS
from sightline.blackbox.shown import Note as Note
from sightline.blackbox.shown import Shown as Shown
from sightline.errors import MethodError, near
from sightline.types import Map

BLACKBOX: dict[str, Callable[..., Map]] = {"occlusion": occlusion, "rise": rise, "lime": lime}

ALIASES = {
    "occlusionmap": "occlusion",
    "occlusionsensitivity": "occlusion",
    "slidingwindow": "occlusion",
    "randomizedinputsampling": "rise",
    "randomisedinputsampling": "rise",
    "limestyle": "lime",
    "limeimage": "lime",
}
"""Names that people use and that are not the method's own, however written: see `find`."""

_TITLES = {
    "occlusion": (
        "Occlusion",
        "Zeiler and Fergus, Visualizing and Understanding Convolutional Networks, ECCV 2014, arXiv:1311.2901",
    ),
    "rise": ("RISE", "Petsiuk et al., RISE, BMVC 2018, arXiv:1806.07421"),
    "lime": ("LIME-style", "Ribeiro et al., Why Should I Trust You?, KDD 2016, arXiv:1602.04938"),
}


@dataclass(frozen=True)
class Method:
    """What is to be said about a method in one line of a table."""

    name: str
    title: str
    summary: str
    paper: str


def about(name: str) -> Method:
    """A method's title, paper and one-line summary (the first line of its docstring).

    >>> about("rise").title, about("occlusion sensitivity").name
    ('RISE', 'occlusion')
    """
    name, function = find(name)
    title, paper = _TITLES[name]
    return Method(name, title, (inspect.getdoc(function) or "").partition("\n")[0], paper)


def find(name: str) -> tuple[str, Callable[..., Map]]:
    """The method people mean, with its proper name. Case, spaces, `-` and `_` do not matter.

    Raises `MethodError` for an unknown name.

    >>> find("LIME")[0]
    'lime'
    """
    known = {_plain(own): own for own in BLACKBOX} | ALIASES
    proper = known.get(_plain(name))
    if proper is None:
        raise MethodError(f"Expected the name of a method for black boxes; came {name!r}. {near(name, BLACKBOX)}")
    return proper, BLACKBOX[proper]


@lru_cache(maxsize=256)
def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())
