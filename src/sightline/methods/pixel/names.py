"""What the methods in pixel space are called, and what each does in one line: without torch."""

import re
from difflib import get_close_matches

from sightline.methods.catalogue import About, Catalogue, normalised

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

_LINES = (
    About(
        "gradient",
        "Gradient",
        "Show how the score would change with each pixel (Simonyan et al. 2013, section 3).",
        "Simonyan et al., Deep Inside Convolutional Networks, arXiv:1312.6034",
    ),
    About(
        "guided_backprop",
        "Guided backpropagation",
        "Show the pixels that reach the score on active, positive paths alone (Springenberg et "
        "al. 2015, section 3.4).",
        "Springenberg et al., Striving for Simplicity: The All Convolutional Net, arXiv:1412.6806",
    ),
    About(
        "deconvnet",
        "Deconvnet",
        "Show the pixels a deconvolutional network would rebuild from the score (Zeiler and "
        "Fergus 2014, section 2.1).",
        (
            "Zeiler and Fergus, Visualizing and Understanding Convolutional Networks, ECCV 2014, "
            "arXiv:1311.2901"
        ),
    ),
    About(
        "guided_cam",
        "Guided CAM",
        "Multiply guided backpropagation by an enlarged map, pixel by pixel (Grad-CAM section "
        "3.2, Grad-CAM++ section 4).",
        (
            "Selvaraju et al., Grad-CAM, ICCV 2017, arXiv:1610.02391; Chattopadhay et al., "
            "Grad-CAM++, WACV 2018, arXiv:1710.11063"
        ),
    ),
    About(
        "full_grad",
        "FullGrad",
        "Show where the picture and the biases of all layers add to the score, in size and not "
        "in direction.",
        (
            "Srinivas and Fleuret, Full-Gradient Representation for Neural Network Visualization, "
            "NeurIPS 2019, arXiv:1905.00780"
        ),
    ),
)

PIXEL_NAMES = Catalogue("a method in pixel space", _LINES, ALIASES)


def multiplied_cam(name: str) -> str | None:
    """The CAM that a guided product multiplies, as it was written; None where none is asked for.

    >>> multiplied_cam("Guided Grad-CAM++"), multiplied_cam("guided_backprop")
    ('Grad-CAM++', None)
    """
    if PIXEL_NAMES.proper(name) not in (None, "guided_cam"):
        return None
    product = re.fullmatch(r"\W*guided[\W_]*(\w.*)", name.strip(), flags=re.IGNORECASE)
    # what is nearly guided backpropagation is a slip of the pen, and no CAM
    if product and not get_close_matches(normalised(product[1]), ("backprop", "backpropagation")):
        return product[1]
    return None
