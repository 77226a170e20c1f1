"""What the methods for black boxes are called, and what each does in one line: without torch."""

from sightline.methods.catalogue import About, Catalogue

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

_LINES = (
    About(
        "occlusion",
        "Occlusion",
        "Cover the picture window by window, and see how far the score drops (Zeiler and Fergus "
        "2014, section 4.2).",
        (
            "Zeiler and Fergus, Visualizing and Understanding Convolutional Networks, ECCV 2014, "
            "arXiv:1311.2901"
        ),
    ),
    About(
        "rise",
        "RISE",
        "Show the picture through many random masks, and average them by the scores they leave "
        "(section 3.1, eq. 6).",
        "Petsiuk et al., RISE, BMVC 2018, arXiv:1806.07421",
    ),
    About(
        "lime",
        "LIME-style",
        "Fit a linear model to the score near the picture; a segment's coefficient is its worth "
        "(Ribeiro et al. 2016).",
        "Ribeiro et al., Why Should I Trust You?, KDD 2016, arXiv:1602.04938",
    ),
)

BLACK_BOX_NAMES = Catalogue("a method for black boxes", _LINES, ALIASES)
