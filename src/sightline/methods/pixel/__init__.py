"""Pixel space: what is no weighing of activations. One file each, listed here by hand.

Each takes what comes back to the pixels under some backward rule and returns signed pixels `[b, c,
*s]`; `full_grad` takes what comes back to every bias as well, and has no sign. `reduce` makes the
map. The guided rules fail the sanity checks of Adebayo et al. 2018: guided products are pictures of
detail inside a region, never evidence for a class at the level of pixels.
"""

import re
from collections.abc import Callable
from difflib import get_close_matches

from sightline.methods.catalogue import Catalogue, Method, plain
from sightline.methods.pixel.deconvnet import deconvnet as deconvnet
from sightline.methods.pixel.full_grad import full_grad as full_grad
from sightline.methods.pixel.gradient import gradient as gradient
from sightline.methods.pixel.guided_backprop import guided_backprop as guided_backprop
from sightline.methods.pixel.guided_cam import guided_cam as guided_cam
from sightline.methods.pixel.reduce import reduce as reduce
from sightline.types import Gradients

PIXELSPACE: dict[str, Callable[..., Gradients]] = {
    "gradient": gradient,
    "guided_backprop": guided_backprop,
    "deconvnet": deconvnet,
    "guided_cam": guided_cam,
    "full_grad": full_grad,
}

ALIASES = {
    "gradients": "gradient",
    "inputgradient": "gradient",
    "inputgradients": "gradient",
    "vanillagradient": "gradient",
    "vanillagradients": "gradient",
    "saliency": "gradient",
    "saliencymap": "gradient",
    "fullgradient": "full_grad",
    "fullgradients": "full_grad",
    "guidedbackpropagation": "guided_backprop",
    "guidedbp": "guided_backprop",
    "gbp": "guided_backprop",
    "deconv": "deconvnet",
    "deconvolution": "deconvnet",
    "deconvolutionalnetwork": "deconvnet",
}
"""Names that people use and that are not the method's own, however written: see `find`."""

_TITLES = {
    "gradient": (
        "Gradient",
        "Simonyan et al., Deep Inside Convolutional Networks, arXiv:1312.6034",
    ),
    "full_grad": (
        "FullGrad",
        (
            "Srinivas and Fleuret, Full-Gradient Representation for Neural Network Visualization,"
            " NeurIPS 2019, arXiv:1905.00780"
        ),
    ),
    "guided_backprop": (
        "Guided backpropagation",
        "Springenberg et al., Striving for Simplicity: The All Convolutional Net, arXiv:1412.6806",
    ),
    "deconvnet": (
        "Deconvnet",
        (
            "Zeiler and Fergus, Visualizing and Understanding Convolutional Networks, ECCV 2014,"
            " arXiv:1311.2901"
        ),
    ),
    "guided_cam": (
        "Guided CAM",
        (
            "Selvaraju et al., Grad-CAM, ICCV 2017, arXiv:1610.02391; Chattopadhay et al.,"
            " Grad-CAM++, WACV 2018, arXiv:1710.11063"
        ),
    ),
}


_CATALOGUE = Catalogue("a method in pixel space", PIXELSPACE, ALIASES, _TITLES)


def about(name: str) -> Method:
    """A method's title, paper and one-line summary (the first line of its docstring).

    >>> about("saliency").title, about("Guided Grad-CAM").name
    ('Gradient', 'guided_cam')
    """
    return _CATALOGUE.about(find(name)[0])


def find(name: str) -> tuple[str, Callable[..., Gradients], str | None]:
    """The method people mean: proper name, function and, for a guided product, the CAM's name as it
    was written.

    Case, spaces, `-` and `_` do not matter. `guided` before anything else names the product with
    that CAM, which the caller looks up (`methods.find`). Raises `MethodError` for an unknown name.

    >>> find("Guided Backpropagation")[0], find("saliency")[2]
    ('guided_backprop', None)
    >>> find("Guided Grad-CAM++")[::2], find("guided_layer_cam")[::2]
    (('guided_cam', 'Grad-CAM++'), ('guided_cam', 'layer_cam'))
    """
    proper = _CATALOGUE.proper(name)
    if proper is not None and proper != "guided_cam":
        return proper, PIXELSPACE[proper], None
    product = re.fullmatch(r"\W*guided[\W_]*(\w.*)", name.strip(), flags=re.IGNORECASE)
    if product and not get_close_matches(plain(product[1]), ("backprop", "backpropagation")):
        return "guided_cam", guided_cam, product[1]
    raise _CATALOGUE.unknown(name)
