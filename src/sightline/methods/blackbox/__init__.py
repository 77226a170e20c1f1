"""Black boxes: what can be learnt of a model by showing it pictures. One file each, listed here by
hand.

No layer is opened and nothing is looked back through, so these work for every model that runs. Each
is a pure function of `shown`, which tells the scores of the picture seen through masks, and returns
a signed map of the picture's size.
"""

from typing import TYPE_CHECKING

from sightline.supply import lazily as _lazily

if TYPE_CHECKING:
    from sightline.methods.blackbox.contents import BLACKBOX as BLACKBOX
    from sightline.methods.blackbox.contents import about as about
    from sightline.methods.blackbox.contents import find as find
    from sightline.methods.blackbox.lime import lime as lime
    from sightline.methods.blackbox.names import ALIASES as ALIASES
    from sightline.methods.blackbox.occlusion import occlusion as occlusion
    from sightline.methods.blackbox.query import FILLS as FILLS
    from sightline.methods.blackbox.query import Note as Note
    from sightline.methods.blackbox.query import Query as Query
    from sightline.methods.blackbox.rise import rise as rise

_WHERE = {
    "ALIASES": "sightline.methods.blackbox.names",
    "BLACKBOX": "sightline.methods.blackbox.contents",
    "FILLS": "sightline.methods.blackbox.query",
    "Note": "sightline.methods.blackbox.query",
    "Query": "sightline.methods.blackbox.query",
    "about": "sightline.methods.blackbox.contents",
    "find": "sightline.methods.blackbox.contents",
    "lime": "sightline.methods.blackbox.lime",
    "occlusion": "sightline.methods.blackbox.occlusion",
    "rise": "sightline.methods.blackbox.rise",
}

__all__ = [
    "ALIASES",
    "BLACKBOX",
    "FILLS",
    "Note",
    "Query",
    "about",
    "find",
    "lime",
    "occlusion",
    "rise",
]

_lazily(__name__)
