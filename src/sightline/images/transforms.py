"""What a torchvision transform does, read off its steps."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from sightline.types import Preprocess

Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos"]

INTERPOLATIONS: dict[Any, Interpolation] = {
    "nearest": "nearest",
    "nearest-exact": "nearest",
    "bilinear": "bilinear",
    "bicubic": "bicubic",
    "lanczos": "lanczos",
    0: "nearest",
    1: "lanczos",
    2: "bilinear",
    3: "bicubic",
}
"""torchvision's words and Pillow's numbers."""


@dataclass
class Reading:
    """What may have been meant, the likeliest first; steps not understood; what rules it out."""

    ways: list[Preprocess] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    obstacle: str = ""


@dataclass
class Pixels:
    """How a pixel p in [0, 1] has been turned into `(p - mean) / std`; first of all into 0..255."""

    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1 / 255,)
    scaled: bool = False

    def scale(self, factor: float = 1 / 255) -> None:
        """Multiply by a factor: by 1/255 into [0, 1]."""
        by = 1.0 if abs(255 * factor - 1) < 1e-6 else 1 / (255 * factor)
        self.mean, self.std, self.scaled = (0.0,), (by,), True

    def normalise(self, mean: Any, std: Any) -> None:
        """Subtract a mean, and divide by a standard deviation."""
        means, stds = _floats(mean), _floats(std)
        n = max(len(means), len(stds), len(self.mean))
        old_mean, old_std, means, stds = (
            one * n if len(one) == 1 else one for one in (self.mean, self.std, means, stds)
        )
        self.mean = tuple(m + s * new for m, s, new in zip(old_mean, old_std, means, strict=True))
        self.std = tuple(s * new for s, new in zip(old_std, stds, strict=True))


def is_transform(given: object) -> bool:
    """Whether it can be called with a picture, and is one of torchvision's or has steps.

    A plain function is none: nothing in it can be read.
    """
    if isinstance(given, type) or not callable(given):
        return False
    steps = isinstance(getattr(given, "transforms", None), list | tuple)
    return steps or any(_home(kind) for kind in type(given).__mro__)


def of_transform(given: object) -> Reading:
    """Resizing, cutting and normalising in the order of the steps; the others are named."""
    found: dict[str, Any] = {"resize": None, "crop": None}
    pixels, unknown = Pixels(), []
    for step in _steps(given):
        name = _name(step)
        if name.startswith(("Random", "AutoAugment", "TrivialAugment", "AugMix")):
            return Reading(
                obstacle=f"its step {name} differs from call to call. Give the one that the model"
                " is evaluated with"
            )
        if name == "Resize":
            if getattr(step, "max_size", None) is not None:
                return Reading(obstacle=f"its {name} limits the long side (max_size)")
            if found["resize"] is not None or found["crop"] is not None:
                return Reading(obstacle="it resizes behind another Resize or crop")
            found["resize"] = _resize(step.size)
            found["interpolation"] = _interpolation(step.interpolation)
            if found["interpolation"] is None:
                return Reading(obstacle=f"its interpolation is {step.interpolation}")
        elif name == "CenterCrop":
            if found["crop"] is not None:
                return Reading(obstacle="it cuts out the centre twice")
            found["crop"] = pair(step.size)
        elif name in ("ToTensor", "ConvertImageDtype") or (
            name == "ToDtype" and getattr(step, "scale", False)
        ):
            if not pixels.scaled:
                pixels.scale()
        elif name == "Normalize":
            pixels.normalise(step.mean, step.std)
        elif name not in _NOTHING:
            unknown.append(name)
    return Reading([Preprocess(**found, mean=pixels.mean, std=pixels.std)], unknown)


_NOTHING = ("PILToTensor", "ToImage", "ToPureTensor", "Identity", "ToDtype", "RGB")
"""Steps that change no pixel's value."""


@dataclass
class Step:
    """A step that a preset of torchvision's takes without an object for it."""

    name: str
    size: Any = None
    interpolation: Any = None
    mean: Any = None
    std: Any = None


def _steps(given: Any) -> Iterator[Any]:
    """The steps, one after another; a preset of torchvision's has them in its settings."""
    inner = getattr(given, "transforms", None)
    if isinstance(inner, list | tuple):
        for one in inner:
            yield from _steps(one)
    elif type(given).__name__ == "Sequential":
        for one in given:
            yield from _steps(one)
    elif type(given).__module__ == "torchvision.transforms._presets":
        if getattr(given, "resize_size", None) is not None:
            yield Step("Resize", given.resize_size, given.interpolation)
        if getattr(given, "crop_size", None) is not None:
            yield Step("CenterCrop", given.crop_size)
        yield Step("ToTensor")
        if hasattr(given, "mean"):
            yield Step("Normalize", mean=given.mean, std=given.std)
    else:
        yield given


def _name(step: Any) -> str:
    """What torchvision calls the step, or else what it is called itself."""
    if isinstance(step, Step):
        return step.name
    kind = next((one for one in type(step).__mro__ if _home(one)), None)
    return kind.__name__ if kind else getattr(step, "__name__", type(step).__name__)


def _home(kind: type) -> bool:
    own = kind.__module__.startswith("torchvision.transforms.")
    return own and kind.__name__ != "Transform"


def _resize(size: Any) -> int | tuple[int, int]:
    if isinstance(size, int):
        return size
    sides = [int(side) for side in size]
    return sides[0] if len(sides) == 1 else (sides[0], sides[1])


def pair(size: Any) -> tuple[int, int]:
    """`(height, width)` of a crop that may be given by one number."""
    sides = [size] if isinstance(size, int) else list(size)
    return int(sides[0]), int(sides[-1])


def _interpolation(given: Any) -> Interpolation | None:
    """Ours of torchvision's word, Pillow's number, or an enumeration of either."""
    return INTERPOLATIONS.get(getattr(given, "value", given))


def _floats(given: Any) -> tuple[float, ...]:
    values = given.tolist() if hasattr(given, "tolist") else given
    return tuple(float(v) for v in (values if isinstance(values, list | tuple) else [values]))
