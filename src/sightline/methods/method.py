"""One method, of whatever kind: what it is called, what it computes, and what it asks for."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from sightline.errors import MethodError, near
from sightline.methods.blackbox.contents import BLACKBOX
from sightline.methods.blackbox.names import BLACK_BOX_NAMES
from sightline.methods.cams.common.exact import EXACT
from sightline.methods.contents import METHODS, find
from sightline.methods.names import CAM_NAMES
from sightline.methods.pixel.contents import PIXELSPACE, RULES
from sightline.methods.pixel.names import PIXEL_NAMES, multiplied_cam
from sightline.supply import called, defaults, requests

Kind = Literal["cam", "pixel", "black_box"]
"""A weighing of a layer's activations, pixels gone back to, or pictures shown to a closed model."""

_SUPPLIED = {"tally", "note"}
"""Parameters with a default that are no options: they are supplied where somebody listens."""


@dataclass(frozen=True)
class Method:
    """A method by its proper name. `rule` is the backward rule by which pixels are gone back to.

    A guided product is a method in pixel space with the `cam` that it multiplies.
    """

    name: str
    kind: Kind
    function: Callable[..., Any]
    rule: str | None = None
    cam: "Method | None" = None

    @cached_property
    def requests(self) -> list[str]:
        """What the function cannot do without: see the tables of words in `explanation.passes`."""
        return requests(self.function)

    @cached_property
    def options(self) -> dict[str, Any]:
        """What can be said otherwise, with what is usual; a product has its map's options."""
        own = {} if self.cam is None else self.cam.options
        return own | {k: v for k, v in defaults(self.function).items() if k not in _SUPPLIED}


def find_method(
    rule: str | Callable[..., Any], *, score: str | None = None, exact: bool = False
) -> Method:
    """The method people mean, of any kind; or a function of their own, by what it asks for.

    Spelling is free as in `find`. `score` picks the form of the score for Grad-CAM++, `exact` its
    true derivatives; other methods have neither and stay as they are. Raises `MethodError` for a
    name nobody knows, and for a guided product with anything but a map of a layer.

    >>> find_method("RISE").kind, find_method("Guided Grad-CAM++", score="softmax").name
    ('black_box', 'guided_grad_cam_pp_softmax')
    """
    if callable(rule):
        kind: Kind = "black_box" if "shown" in requests(rule) else "cam"
        return Method(called(rule), kind, rule)
    if cam := CAM_NAMES.proper(rule, METHODS):
        return _cam(cam, score, exact)
    if written := multiplied_cam(rule):
        return _product(rule, written, score, exact)
    if pixel := PIXEL_NAMES.proper(rule, PIXELSPACE):
        return Method(pixel, "pixel", PIXELSPACE[pixel], RULES.get(pixel))
    if black_box := BLACK_BOX_NAMES.proper(rule, BLACKBOX):
        return Method(black_box, "black_box", BLACKBOX[black_box])
    raise _unknown(rule)


def _cam(name: str, score: str | None, exact: bool) -> Method:
    if score is not None and name == "grad_cam_pp":
        name = find(name, score)[0]
    function = METHODS[name]
    return Method(name, "cam", EXACT.get(name, function) if exact else function)


def _product(written: str, cam: str, score: str | None, exact: bool) -> Method:
    """Guided backpropagation times a map: `cam` is that map's name as it was written."""
    proper = CAM_NAMES.proper(cam, METHODS)
    if proper is None:
        elsewhere = (PIXEL_NAMES.proper(cam, PIXELSPACE), BLACK_BOX_NAMES.proper(cam, BLACKBOX))
        if not any(elsewhere) and multiplied_cam(cam) is None:
            raise _unknown(cam, written)
        raise MethodError(
            f"Expected guided_ before the name of a map of a layer; {cam} is none. Take"
            f" guided_grad_cam_pp, or {cam} by itself."
        )
    own = _cam(proper, score, exact)
    return Method(f"guided_{own.name}", "pixel", PIXELSPACE["guided_cam"], RULES["guided_cam"], own)


def _unknown(name: str, written: str | None = None) -> MethodError:
    """What to raise for a name nobody has; `written` is all of it, where the name is a part."""
    known = [*METHODS, *PIXELSPACE, *BLACKBOX]
    return MethodError(
        f"There is no method {(written or name)!r}. {near(name, known)} `sightline methods` lists"
        " all."
    )
