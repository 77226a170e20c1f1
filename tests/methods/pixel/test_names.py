"""What methods in pixel space are called: aliases, and the CAM in the name of a guided product."""

import pytest

from sightline.methods.catalogue import normalised
from sightline.methods.pixel import PIXELSPACE
from sightline.methods.pixel.names import ALIASES, PIXEL_NAMES, multiplied_cam


def test_aliases_are_plain_lead_somewhere_and_hide_no_name():
    assert set(ALIASES.values()) <= set(PIXELSPACE)
    for alias in ALIASES:
        assert alias == normalised(alias)
        assert alias not in {normalised(name) for name in PIXELSPACE}


@pytest.mark.parametrize(
    ("written", "cam"),
    [
        ("Guided Grad-CAM++", "Grad-CAM++"),
        (" GUIDED grad_cam ", "grad_cam"),
        ("guided zebra", "zebra"),
        ("guided_cam", "cam"),
        ("guided", None),
        ("Guided Backpropagation", None),
        ("gbp", None),
        ("guided backprob", None),
        ("guided propagation", None),
        ("Grad-CAM++", None),
        ("misguided Grad-CAM", None),
        ("", None),
    ],
)
def test_the_cam_of_a_product_is_told_as_it_was_written(written, cam):
    assert multiplied_cam(written) == cam


def test_an_unknown_name_is_told_what_is_expected():
    assert str(PIXEL_NAMES.unknown("salience")).startswith(
        "Expected the name of a method in pixel space; came 'salience'."
    )
    assert PIXEL_NAMES.proper("salience") is None
    assert PIXEL_NAMES.proper("Saliency map") == "gradient"
