"""The one word with which a black box is asked: what it says of the picture seen through masks."""

from collections.abc import Callable, Sequence

from torch import Tensor

from sightline.errors import MethodError, near

FILLS = ("zero", "blur")
"""What can take the place of pixels that a mask hides."""

Query = Callable[..., Tensor]
"""`shown(masks)`: the scores `[m, r]` of the pictures seen through masks `[m, b, *s]`, where 1
shows and 0 hides.

`b` may be 1, one mask for all images. The `r` rows are the images of one question after those of
another: n questions about b images share their runs. Options, by name:

- `fill`: what is seen where a mask hides. `"zero"` is 0 in the model's own input, which on
  normalised pictures is the data set's mean colour; `"blur"` the picture without its detail.
- `probability`: how sure the model is, and not the score.
- `at_once`: not more than so many pictures (but one of each image) go through the model at a time.

Scores are float64 and lie on the CPU, where the arithmetic of the maps is done."""

Note = Callable[[str, Sequence[float]], None]
"""`note(what, values)`: something to be told in the result, a number for each of the r rows."""


def unheard(what: str, values: Sequence[float]) -> None:
    """A `Note` that goes nowhere."""


def check_options(*, fill: str, at_once: object, **counts: object) -> None:
    """Raise `MethodError` for an unknown fill, or a count that is no whole number from 1 on.

    >>> check_options(fill="zero", at_once=16, masks=0)
    Traceback (most recent call last):
        ...
    sightline.errors.MethodError: Expected a whole number, 1 or more; got masks=0.
    """
    if fill not in FILLS:
        raise MethodError(
            f"Expected a fill for what is hidden; came fill={fill!r}. {near(str(fill), FILLS)}"
        )
    for name, value in {"at_once": at_once, **counts}.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise MethodError(f"Expected a whole number, 1 or more; got {name}={value!r}.")
