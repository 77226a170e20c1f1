"""What methods for black boxes are called: aliases are plain, and hide no other family's name."""

import pytest

from sightline import methods
from sightline.methods import pixel as pixelspace
from sightline.methods.blackbox import BLACKBOX
from sightline.methods.blackbox.names import ALIASES, BLACK_BOX_NAMES
from sightline.methods.catalogue import normalised


def test_aliases_are_plain_lead_somewhere_and_hide_no_name():
    assert set(ALIASES.values()) <= set(BLACKBOX)
    others = {
        *BLACKBOX,
        *methods.METHODS,
        *pixelspace.PIXELSPACE,
        *methods.ALIASES,
        *pixelspace.ALIASES,
    }
    for alias in ALIASES:
        assert alias == normalised(alias)
        assert alias not in {normalised(name) for name in others}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("Sliding window", "occlusion"),
        ("occlusion_map", "occlusion"),
        ("Randomised Input Sampling", "rise"),
        ("Randomized input sampling", "rise"),
        ("LIME (image)", "lime"),
        ("Grad-CAM", None),
        ("", None),
    ],
)
def test_names_lead_to_the_proper_one_without_the_methods(written, meant):
    assert BLACK_BOX_NAMES.proper(written) == meant


def test_an_unknown_name_is_told_what_is_expected():
    assert str(BLACK_BOX_NAMES.unknown("rize")) == (
        "Expected the name of a method for black boxes; came 'rize'. Near names: 'rise', 'lime'."
    )
