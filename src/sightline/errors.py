"""What can go wrong, as a tree: catch `SightlineError` for all of it.

```
SightlineError
├── ImageError     a picture cannot be read or prepared          (also a ValueError)
├── ModelError     a model cannot be found, loaded or explained  (also a ValueError)
├── LayerError     no such layer, or one without a spatial grid  (also a LookupError)
├── TargetError    no such class, or a question the outputs cannot answer (also a ValueError)
├── MethodError    no such method, option or colour map          (also a LookupError)
├── DataError      a data set cannot be read, or does not fit the model (also a ValueError)
├── ProtocolError  a measurement asked for in a way that makes no sense (also a ValueError)
├── StoreError     results cannot be written or read             (also an OSError)
├── RequestError   a function asks for what nobody supplies      (also a TypeError)
└── SurgeryError   the model ran, but cannot be looked into      (also a RuntimeError)
```

Every message has three parts: what was expected, what came, what to do.
"""

from collections.abc import Iterable
from difflib import get_close_matches

DISTRIBUTION = "sightline-cam"
"""What package indexes know this library as: there the import's name belongs to somebody else."""


class SightlineError(Exception):
    """The root of everything sightline raises on purpose."""


class ImageError(SightlineError, ValueError):
    """A picture cannot be read or prepared."""


class ModelError(SightlineError, ValueError):
    """A model cannot be found, loaded or explained."""


class LayerError(SightlineError, LookupError):
    """There is no such layer, or it has no spatial grid."""


class TargetError(SightlineError, ValueError):
    """There is no such class, or the outputs cannot answer the question."""


class MethodError(SightlineError, LookupError):
    """There is no such method, option or colour map."""


class DataError(SightlineError, ValueError):
    """A data set cannot be read, or does not fit the model."""


class ProtocolError(SightlineError, ValueError):
    """A measurement was asked for in a way that makes no sense."""


class StoreError(SightlineError, OSError):
    """Results cannot be written or read."""


class RequestError(SightlineError, TypeError):
    """A function asks for something nobody supplies."""


class SurgeryError(SightlineError, RuntimeError):
    """The model ran, but could not be looked into."""


def near(word: str, choices: Iterable[str], most: int = 5) -> str:
    """The end of a message about an unknown name: near ones, or what is on offer.

    >>> near("layr4", ["layer3", "layer4", "fc"])
    "Near names: 'layer4', 'layer3'."
    >>> near("zebra", ["cam", "grad_cam"])
    "On offer: 'cam', 'grad_cam'."
    """
    names = list(choices)
    lowered = {name.lower(): name for name in names}
    close = [
        lowered[match] for match in get_close_matches(word.lower(), lowered, n=most, cutoff=0.5)
    ]
    if close:
        return "Near names: " + ", ".join(repr(name) for name in close) + "."
    shown = ", ".join(repr(name) for name in names[:12])
    return f"On offer: {shown}{', ...' if len(names) > 12 else ''}."
