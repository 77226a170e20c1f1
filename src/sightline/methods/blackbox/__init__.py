"""Black boxes: what can be learnt of a model by showing it pictures. One file each, listed here by
hand.

No layer is opened and nothing is looked back through, so these work for every model that runs. Each
is a pure function of `shown`, which tells the scores of the picture seen through masks, and returns
a signed map of the picture's size.
"""

from collections.abc import Callable

from sightline.methods.blackbox.lime import lime as lime
from sightline.methods.blackbox.occlusion import occlusion as occlusion
from sightline.methods.blackbox.query import FILLS as FILLS
from sightline.methods.blackbox.query import Note as Note
from sightline.methods.blackbox.query import Query as Query
from sightline.methods.blackbox.rise import rise as rise
from sightline.methods.catalogue import Catalogue, Method
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
        (
            "Zeiler and Fergus, Visualizing and Understanding Convolutional Networks, ECCV 2014,"
            " arXiv:1311.2901"
        ),
    ),
    "rise": ("RISE", "Petsiuk et al., RISE, BMVC 2018, arXiv:1806.07421"),
    "lime": ("LIME-style", "Ribeiro et al., Why Should I Trust You?, KDD 2016, arXiv:1602.04938"),
}


_CATALOGUE = Catalogue("a method for black boxes", BLACKBOX, ALIASES, _TITLES)


def about(name: str) -> Method:
    """A method's title, paper and one-line summary (the first line of its docstring).

    >>> about("rise").title, about("occlusion sensitivity").name
    ('RISE', 'occlusion')
    """
    return _CATALOGUE.about(find(name)[0])


def find(name: str) -> tuple[str, Callable[..., Map]]:
    """The method people mean, with its proper name. Case, spaces, `-` and `_` do not matter.

    Raises `MethodError` for an unknown name.

    >>> find("LIME")[0]
    'lime'
    """
    proper = _CATALOGUE.proper(name)
    if proper is None:
        raise _CATALOGUE.unknown(name)
    return proper, BLACKBOX[proper]
