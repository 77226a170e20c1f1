"""The demo: real photographs, a real model, every kind of picture sightline makes, offline.

The photographs are scikit-image's cat (Stefan van der Walt, CC0) and coffee cup (Rachel Michetti,
CC0); some pictures are composed of them, so that several objects of one class, or two classes,
stand in one picture.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps
from torch import Tensor

from sightline.errors import ModelError, install_advice
from sightline.explanation.explain import explain
from sightline.explanation.page import entries, page
from sightline.explanation.result import Explanation
from sightline.maps.regions import Box
from sightline.methods.names import title_of
from sightline.models import load
from sightline.render import Entry

METHODS = ("grad_cam", "grad_cam_pp", "guided_grad_cam", "guided_grad_cam_pp")
STRONG = 0.5
"""An object counts as shown where the map exceeds this share of its maximum inside the object's
part.
"""


@dataclass(frozen=True)
class Scene:
    """A picture, what is asked about it, and where its objects stand, in shares of its sides."""

    name: str
    picture: Image.Image
    target: Any
    objects: tuple[tuple[float, float, float, float], ...]
    sentence: str


def scenes() -> list[Scene]:
    """The photographs and what is composed of them."""
    try:
        from skimage import data
    except ImportError as error:
        raise ModelError(
            "Expected scikit-image, which ships the demo's photographs; it is not installed."
            f" {install_advice('demo')}"
        ) from error
    cat, cup = Image.fromarray(data.chelsea()), Image.fromarray(data.coffee())
    square = ImageOps.fit(cat, (300, 300), centering=(0.55, 0.5))
    cups = ImageOps.fit(cup, (300, 300), centering=(0.4, 0.5))
    two, three = (
        beside([square, ImageOps.mirror(square)]),
        beside([cups, ImageOps.mirror(cups), cups]),
    )
    return [
        Scene(
            "A cat",
            cat,
            None,
            ((0.0, 0.0, 1.0, 1.0),),
            "One photograph, one object: the plainest case.",
        ),
        Scene(
            "A cup of coffee", cup, None, ((0.0, 0.0, 1.0, 1.0),), "One object of another class."
        ),
        Scene(
            "Two cats", two, "tabby", halves(2), "Two objects of one class: does the map show both?"
        ),
        Scene("Three cups", three, "espresso", halves(3), "Three objects of one class."),
        Scene(
            "A cat and a cup",
            beside([square, cups]),
            ["tabby", "espresso"],
            (),
            "Two classes in one picture, asked of one forward pass: each map should keep to its"
            " object.",
        ),
    ]


def run(out: Path, progress: Callable[[int], None] | None = None) -> Path:
    """Explain the scenes with the bundled model; write `index.html` and pictures into `out`."""
    model, card = load("lookout")
    # the model is convolutional: it takes the whole picture
    whole = replace(card.preprocess, crop=None)
    out.mkdir(parents=True, exist_ok=True)
    found: list[Entry] = []
    for scene in scenes():
        results = explain(model, scene.picture, scene.target, list(METHODS), preprocess=whole)
        named = {name: replace(one, names=[scene.name]) for name, one in results.items()}
        said = f"{scene.sentence} {_count_sentence(named, scene)}".strip()
        found.extend(entries(model, named, {scene.name: said}))
        for one in named.values():
            one.save(out / "pictures")
    path = out / "index.html"
    path.write_text(
        page("What the model looked at", _intro(card), found, METHODS, footer=_CREDITS),
        encoding="utf-8",
    )
    if progress is not None:
        progress(1)
    return path


def beside(pictures: list[Image.Image]) -> Image.Image:
    """Pictures of one height side by side."""
    joined = Image.new("RGB", (sum(p.width for p in pictures), pictures[0].height))
    left = 0
    for picture in pictures:
        joined.paste(picture, (left, 0))
        left += picture.width
    return joined


def halves(n: int) -> tuple[tuple[float, float, float, float], ...]:
    """The n equal columns of a picture, as shares.

    >>> halves(2)
    ((0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 1.0, 1.0))
    """
    return tuple((i / n, 0.0, (i + 1) / n, 1.0) for i in range(n))


def count_shown(one: Tensor, objects: tuple[tuple[float, float, float, float], ...]) -> int:
    """How many objects a map `[h, w]` shows: those in whose part it exceeds half of its maximum."""
    height, width = one.shape
    parts: list[Box] = [
        (round(left * width), round(top * height), round(right * width), round(bottom * height))
        for left, top, right, bottom in objects
    ]
    return sum(
        bool((one[top:bottom, left:right] > STRONG * one.max()).any())
        for left, top, right, bottom in parts
    )


def _count_sentence(named: dict[str, Explanation], scene: Scene) -> str:
    if len(scene.objects) < 2:
        return ""
    counts = [
        f"{title_of(name)} shows {count_shown(named[name].maps[0], scene.objects)}"
        for name in ("grad_cam", "grad_cam_pp")
    ]
    return (
        f"Of {len(scene.objects)} objects {' and '.join(counts)}: those on which a spot above half"
        " of the map's maximum lies. An object may have several."
    )


def _intro(card: Any) -> list[str]:
    return [
        (
            "Each row is one photograph, explained for a class by four methods. The model is"
            f" {card.name}, a small convolutional network bundled with sightline that knows"
            f" {len(card.classes or ())} classes; everything was computed on this machine, without"
            " a network connection."
        ),
        (
            "Bright places are where the network found evidence for the class. Beside every map"
            " stands what was measured on it, and last the picture that keeps only the mapped part,"
            " with the confidence the model has left."
        ),
    ]


_CREDITS = (
    "Photographs: Chelsea the cat by Stefan van der Walt (CC0) and a cup of coffee by Rachel"
    " Michetti (CC0), as shipped with scikit-image."
)
