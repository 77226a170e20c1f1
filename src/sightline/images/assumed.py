"""What was assumed of how a model's pictures are prepared, in a sentence."""

from sightline.types import Preprocess


def assumption(preprocess: Preprocess) -> str | None:
    """What of a `Preprocess` is a guess, and how to say otherwise; None where nothing is.

    >>> print(assumption(Preprocess(mean=(0.5,), std=(0.5,), assumed=("resize", "crop"))))
    how the model's pictures are prepared is not known; assumed: short side to 256 pixels, the
    centre 224 x 224. Say it with preprocess= (--size, --mean, --std)
    """
    words = [word for part, word in _words(preprocess) if part in preprocess.assumed]
    if not words:
        return None
    return (
        f"how the model's pictures are prepared is not known; assumed: {', '.join(words)}."
        " Say it with preprocess= (--size, --mean, --std)"
    )


def _words(preprocess: Preprocess) -> list[tuple[str, str]]:
    resize, crop = preprocess.resize, preprocess.crop
    if isinstance(resize, tuple):
        resized = f"squeezed to {resize[0]} x {resize[1]} (height x width)"
    else:
        resized = "no resizing" if resize is None else f"short side to {resize} pixels"
    return [
        ("resize", resized),
        ("crop", "no crop" if crop is None else f"the centre {crop[0]} x {crop[1]}"),
        ("mean", f"mean {_numbers(preprocess.mean)}"),
        ("std", f"std {_numbers(preprocess.std)}"),
    ]


def _numbers(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:g}" for value in values)
