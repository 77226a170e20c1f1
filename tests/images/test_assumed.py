"""What was assumed, in a sentence."""

import pytest

from sightline.images import assumption
from sightline.types import Preprocess


@pytest.mark.parametrize(
    ("preprocess", "said"),
    [
        (Preprocess(assumed=("mean",)), "assumed: mean 0.485 0.456 0.406."),
        (Preprocess(None, None, assumed=("resize", "crop")), "assumed: no resizing, no crop."),
        (
            Preprocess((32, 48), None, assumed=("resize",)),
            "assumed: squeezed to 32 x 48 (height x width).",
        ),
    ],
)
def test_only_the_guesses_are_told(preprocess, said):
    assert said in (assumption(preprocess) or "")


def test_nothing_assumed_is_nothing_told():
    assert assumption(Preprocess()) is None
