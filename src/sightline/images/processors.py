"""What an image processor of Hugging Face transformers does, read off its settings."""

from collections.abc import Mapping
from typing import Any

from sightline.images.transforms import INTERPOLATIONS, Pixels, Reading, of_transform, pair
from sightline.types import Preprocess


def is_processor(given: object) -> bool:
    """Whether it has the settings of an image processor, or holds a transform as timm's does."""
    return not isinstance(given, type) and (
        hasattr(given, "image_mean") or hasattr(given, "val_transforms")
    )


def of_processor(given: Any) -> Reading:
    """Its settings as a `Preprocess`, in each of the ways in which the families read them."""
    if hasattr(given, "val_transforms"):
        return of_transform(given.val_transforms)
    pixels = Pixels()
    if _set(given, "do_rescale"):
        pixels.scale(float(given.rescale_factor))
        if _set(given, "rescale_offset"):  # of EfficientNets: 1 is subtracted
            pixels.normalise(1.0, 1.0)
    if _set(given, "do_normalize"):
        if given.image_mean is None or given.image_std is None:
            return Reading(obstacle="it has no image_mean and image_std")
        pixels.normalise(given.image_mean, given.image_std)
    crop = pair(_sides(given.crop_size)) if _set(given, "do_center_crop") else None
    look: dict[str, Any] = {"mean": pixels.mean, "std": pixels.std}
    if not _set(given, "do_resize"):
        return Reading([Preprocess(resize=None, crop=crop, **look)])
    resample = getattr(given, "resample", 2)
    look["interpolation"] = INTERPOLATIONS.get(getattr(resample, "value", resample))
    if look["interpolation"] is None:
        return Reading(obstacle=f"its resample is {resample}")
    sides = _sides(given.size)
    if not sides:
        return Reading(obstacle=f"its size is {given.size}, which depends on the picture")
    if len(sides) == 2:
        return Reading([Preprocess(resize=(sides[0], sides[1]), crop=crop, **look)])
    return Reading(
        [Preprocess(resize=r, crop=c, **look) for r, c in _short_sides(given, sides[0], crop)]
    )


def _short_sides(
    given: Any, short: int, crop: tuple[int, int] | None
) -> list[tuple[int | tuple[int, int], tuple[int, int] | None]]:
    """Resize and crop where a size is said of the short side: families mean different things."""
    ways: list[tuple[int | tuple[int, int], tuple[int, int] | None]] = [(short, crop)]
    if share := getattr(given, "crop_pct", None):  # ConvNeXt's: resized to more, then cut out
        ways += [(int(short / share), (short, short)), ((short, short), None)]
    if crop is not None:
        ways.append((int(256 / 224 * short), crop))  # LeViT's
    return ways


def _set(given: Any, name: str) -> bool:
    return bool(getattr(given, name, False))


def _sides(size: Any) -> list[int]:
    """`[height, width]`, `[short side]`, or nothing where that depends on the picture."""
    if isinstance(size, int):
        return [size]
    known = {
        name: value
        for name in _WORDS
        if (value := size.get(name) if isinstance(size, Mapping) else getattr(size, name, None))
    }
    said = known.keys() in ({"height", "width"}, {"shortest_edge"})
    return [int(value) for value in known.values()] if said else []


_WORDS = (
    "height",
    "width",
    "shortest_edge",
    "longest_edge",
    "max_height",
    "max_width",
    "min_pixels",
    "max_pixels",
)
