"""The methods for black boxes, listed by hand: each one's own name and its function."""

from collections.abc import Callable

from sightline.methods.blackbox.lime import lime
from sightline.methods.blackbox.names import BLACK_BOX_NAMES
from sightline.methods.blackbox.occlusion import occlusion
from sightline.methods.blackbox.rise import rise
from sightline.methods.catalogue import About
from sightline.types import Map

BLACKBOX: dict[str, Callable[..., Map]] = {"occlusion": occlusion, "rise": rise, "lime": lime}


def about(name: str) -> About:
    """A method's title, paper and summary (the first paragraph of its docstring).

    >>> about("rise").title, about("occlusion sensitivity").name
    ('RISE', 'occlusion')
    """
    return BLACK_BOX_NAMES.about(name)


def find(name: str) -> tuple[str, Callable[..., Map]]:
    """The method people mean, with its proper name. Case, spaces, `-` and `_` do not matter.

    Raises `MethodError` for an unknown name.

    >>> find("LIME")[0]
    'lime'
    """
    proper = BLACK_BOX_NAMES.proper(name, BLACKBOX)
    if proper is None:
        raise BLACK_BOX_NAMES.unknown(name, BLACKBOX)
    return proper, BLACKBOX[proper]
