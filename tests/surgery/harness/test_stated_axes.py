"""What a user says of the axes of an input, and what is said to what cannot be."""

import pytest

from sightline.errors import ImageError
from sightline.surgery.harness.stated_axes import channel_axis


@pytest.mark.parametrize(
    ("axes", "shape", "axis"),
    [
        ("b c h w", (2, 3, 8, 8), 1),
        ("b h w c", (2, 8, 8, 3), 3),
        ("b steps c", (2, 500, 12), 2),
        ("b t c h w", (1, 8, 3, 4, 4), 2),
        ("  b   rows c ", (1, 9, 2), 2),
    ],
)
def test_where_the_channels_are(axes, shape, axis):
    assert channel_axis(axes, shape) == axis


@pytest.mark.parametrize(
    ("axes", "shape", "wrong"),
    [
        ("b c h", (2, 3, 8, 8), "has 3 words for an input of 4 axes, (2, 3, 8, 8)"),
        ("b c h h", (2, 3, 8, 8), "names 'h' twice"),
        ("c b h w", (2, 3, 8, 8), "does not begin with the batch"),
        ("b x y z", (2, 3, 8, 8), "names no channels"),
    ],
)
def test_what_does_not_fit_is_said(axes, shape, wrong):
    with pytest.raises(ImageError) as raised:
        channel_axis(axes, shape)
    assert f"{axes!r} {wrong}. Say axes='b h w c'" in str(raised.value)


@pytest.mark.parametrize("axes", [("b", "c"), 3, ["b c h w"]])
def test_no_text(axes):
    with pytest.raises(ImageError, match="Expected axes as a text"):
        channel_axis(axes, (2, 3, 8, 8))
