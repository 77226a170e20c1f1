"""Pixel space: what is no weighing of activations. One file each, listed here by hand.

Each takes what comes back to the pixels under some backward rule and returns signed pixels `[b, c,
*s]`; `full_grad` takes what comes back to every bias as well, and has no sign. `reduce` makes the
map. The guided rules fail the sanity checks of Adebayo et al. 2018: guided products are pictures of
detail inside a region, never evidence for a class at the level of pixels.
"""

from typing import TYPE_CHECKING

from sightline.supply import lazily as _lazily

if TYPE_CHECKING:
    from sightline.methods.pixel.contents import PIXELSPACE as PIXELSPACE
    from sightline.methods.pixel.contents import about as about
    from sightline.methods.pixel.contents import find as find
    from sightline.methods.pixel.deconvnet import deconvnet as deconvnet
    from sightline.methods.pixel.full_grad import full_grad as full_grad
    from sightline.methods.pixel.gradient import gradient as gradient
    from sightline.methods.pixel.guided_backprop import guided_backprop as guided_backprop
    from sightline.methods.pixel.guided_cam import guided_cam as guided_cam
    from sightline.methods.pixel.names import ALIASES as ALIASES
    from sightline.methods.pixel.reduce import reduce as reduce

_WHERE = {
    "ALIASES": "sightline.methods.pixel.names",
    "PIXELSPACE": "sightline.methods.pixel.contents",
    "about": "sightline.methods.pixel.contents",
    "deconvnet": "sightline.methods.pixel.deconvnet",
    "find": "sightline.methods.pixel.contents",
    "full_grad": "sightline.methods.pixel.full_grad",
    "gradient": "sightline.methods.pixel.gradient",
    "guided_backprop": "sightline.methods.pixel.guided_backprop",
    "guided_cam": "sightline.methods.pixel.guided_cam",
    "reduce": "sightline.methods.pixel.reduce",
}

__all__ = [
    "ALIASES",
    "PIXELSPACE",
    "about",
    "deconvnet",
    "find",
    "full_grad",
    "gradient",
    "guided_backprop",
    "guided_cam",
    "reduce",
]

_lazily(__name__)
