"""The methods in pixel space, listed by hand: each one's own name and its function."""

from collections.abc import Callable

from sightline.methods.catalogue import About
from sightline.methods.pixel.deconvnet import deconvnet
from sightline.methods.pixel.full_grad import full_grad
from sightline.methods.pixel.gradient import gradient
from sightline.methods.pixel.guided_backprop import guided_backprop
from sightline.methods.pixel.guided_cam import guided_cam
from sightline.methods.pixel.names import PIXEL_NAMES, multiplied_cam
from sightline.types import Gradients

PIXELSPACE: dict[str, Callable[..., Gradients]] = {
    "gradient": gradient,
    "guided_backprop": guided_backprop,
    "deconvnet": deconvnet,
    "guided_cam": guided_cam,
    "full_grad": full_grad,
}

RULES: dict[str, str | None] = {
    "gradient": None,
    "guided_backprop": "guided",
    "deconvnet": "deconvnet",
    "guided_cam": "guided",
    "full_grad": None,
}
"""The backward rule by which each comes back to the pixels; None is the derivative itself."""


def about(name: str) -> About:
    """A method's title, paper and summary (the first paragraph of its docstring).

    >>> about("saliency").title, about("Guided Grad-CAM").name
    ('Gradient', 'guided_cam')
    """
    return PIXEL_NAMES.about("guided_cam" if multiplied_cam(name) else name)


def find(name: str) -> tuple[str, Callable[..., Gradients], str | None]:
    """The method people mean: proper name, function and, for a guided product, its CAM as written.

    Case, spaces, `-` and `_` do not matter. `guided` before anything else names the product with
    that CAM, which the caller looks up (`methods.find`). Raises `MethodError` for an unknown name.

    >>> find("Guided Backpropagation")[0], find("saliency")[2]
    ('guided_backprop', None)
    >>> find("Guided Grad-CAM++")[::2], find("guided_layer_cam")[::2]
    (('guided_cam', 'Grad-CAM++'), ('guided_cam', 'layer_cam'))
    """
    cam = multiplied_cam(name)
    if cam is not None:
        return "guided_cam", guided_cam, cam
    proper = PIXEL_NAMES.proper(name, PIXELSPACE)
    if proper in (None, "guided_cam"):
        raise PIXEL_NAMES.unknown(name, PIXELSPACE)
    return proper, PIXELSPACE[proper], None
