"""Which axis is which, where the user says it: `axes="b t c"`."""

from collections.abc import Sequence
from typing import Any

from sightline.errors import ImageError


def channel_axis(axes: Any, shape: Sequence[int]) -> int:
    """The axis of the channels of an input of this shape, by what was said of its axes.

    `b` is the batch, `c` are the channels, every other word is an axis of places. A waveform `"b
    samples"` has no channels: 0. Raises `ImageError` where the words do not fit.

    >>> channel_axis("b steps c", (2, 500, 12)), channel_axis("b t c h w", (1, 8, 3, 32, 32))
    (2, 2)
    """
    example = " ".join(["b", *_PLACES.get(len(shape), _PLACES[4]), "c"])
    if not isinstance(axes, str):
        raise ImageError(
            f"Expected axes as a text, a word for each axis; got {axes!r}. Say axes={example!r} for"
            " the batch, the places and the channels."
        )
    words = axes.split()
    twice = next((word for word in words if words.count(word) > 1), None)
    if len(words) != len(shape):
        wrong = f"has {len(words)} words for an input of {len(shape)} axes, {tuple(shape)}"
    elif twice is not None:
        wrong = f"names {twice!r} twice"
    elif words[0] != "b":
        wrong = "does not begin with the batch"
    elif "c" not in words and len(shape) == 2:
        return 0
    elif "c" not in words:
        wrong = "names no channels"
    else:
        return words.index("c")
    raise ImageError(
        f"Expected axes with a word for each axis of the input: b for the batch, which comes first,"
        f" c for the channels, and any other word for each axis of places; {axes!r} {wrong}. Say"
        f" axes={example!r}, or whatever order yours has"
        + (": x.movedim(axis, 0) puts the batch first." if words and words[0] != "b" else ".")
    )


_PLACES = {3: ["steps"], 4: ["h", "w"], 5: ["t", "h", "w"]}
