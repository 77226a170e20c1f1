"""MS COCO: one JSON file with images, annotations and categories, and a folder of pictures."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sightline.datasets.annotation import annotated
from sightline.datasets.data import Data, evenly
from sightline.datasets.masks import Polygons, RunLengths
from sightline.datasets.record import Mask, Object, Record
from sightline.errors import DataError


def coco(path: Path, split: str | None = None, limit: int | None = None) -> Data:
    """COCO's JSON, or a folder with `instances.json` or `annotations/instances_val2017.json`.

    `split` picks the file whose name holds it, or, where there is one file, the images whose own
    `split` begins with it. Boxes are `x, y, width, height`. Masks are polygons or run lengths
    (plain or packed), drawn when wanted; an empty `segmentation` is no mask. `iscrowd` objects are
    kept and marked. An image with `"has_boxes": false` is not annotated: that nothing is said of it
    means nothing.

    Pictures are looked for beside the JSON, in `images/`, and in a folder called as the split
    (`val2017/`), there and one folder up. A missing picture, an unknown category and a box that
    makes no sense are errors of their record. Raises `DataError` when there is no such file, and
    when it lists no images.
    """
    file, taken = _file(path, split)
    content = _content(file)
    images = content["images"]
    if split is not None and not taken:
        images = [one for one in images if str(one.get("split", "")).startswith(split)]
        if not images:
            held = sorted({str(one["split"]) for one in content["images"] if one.get("split")})
            raise DataError(
                f"{file}: expected images of split {split!r}; found"
                f" {', '.join(held) or 'none that name a split'}. Name one of these, or leave split"
                " out."
            )
    names = {
        one.get("id"): str(one.get("name", one.get("id")))
        for one in content.get("categories") or ()
    }
    objects: dict[Any, list[Mapping[str, Any]]] = defaultdict(list)
    for one in content.get("annotations") or ():
        objects[one.get("image_id")].append(one)
    places = _places(file, split)
    records = [
        _record(one, objects.get(one.get("id"), ()), names, places) for one in evenly(images, limit)
    ]
    strays = sum(
        len(objects[key]) for key in objects.keys() - {one.get("id") for one in content["images"]}
    )
    notes = (
        (f"{strays} annotations of {file.name} belong to images that it does not list.",)
        if strays
        else ()
    )
    return Data(
        path.stem if path.is_file() else path.name,
        "coco",
        path,
        records,
        tuple(dict.fromkeys(names.values())) or None,
        {},
        notes,
        split,
    )


def annotation_files(path: Path) -> list[Path]:
    """The JSON files named as COCO's with boxes are, in a folder or in its `annotations/`."""
    patterns = (
        "instances*.json",
        "annotations/instances*.json",
        "_annotations*.json",
        "annotations/*.json",
    )
    for pattern in patterns:
        if found := sorted(path.glob(pattern)):
            return found
    return []


def _file(path: Path, split: str | None) -> tuple[Path, bool]:
    """The JSON file, and whether it was picked for the split."""
    if path.is_file():
        return path, split is not None and split in path.stem
    files = annotation_files(path)
    if split is not None:
        exact = [file for file in files if file.stem.rpartition("_")[2] == split]
        fitting = exact or [
            file for file in files if file.stem.rpartition("_")[2].startswith(split)
        ]
        if len(fitting) == 1:
            return fitting[0], True
    if len(files) == 1:
        return files[0], False
    listed = ", ".join(str(file.relative_to(path)) for file in files[:8])
    if split is not None and files:
        raise DataError(
            f"{path}: expected annotations for split {split!r}; found {listed}. Name one of these"
            " parts."
        )
    if files:
        raise DataError(
            f"{path}: expected one JSON file of annotations; found {listed}. Give one of them, or a"
            " split."
        )
    raise DataError(
        f"{path}: expected COCO's annotations in instances.json or annotations/*.json; found no"
        " such file. Give the JSON file itself."
    )


def _content(file: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{file}: expected COCO's JSON; it cannot be read ({error}). Copy it again."
        ) from error
    if not isinstance(content, dict) or not isinstance(content.get("images"), list):
        keys = (
            ", ".join(map(repr, content)) if isinstance(content, dict) else type(content).__name__
        )
        raise DataError(
            f"{file}: expected COCO's JSON, a dict with 'images', 'annotations' and 'categories';"
            f" came {keys[:200]}. Give the file with the boxes (instances)."
        )
    if not content["images"]:
        raise DataError(
            f"{file}: expected at least one image; its list 'images' is empty. Look how it was"
            " written."
        )
    if not all(isinstance(one, dict) for key in _LISTS for one in content.get(key) or ()):
        raise DataError(
            f"{file}: expected dicts in 'images', 'annotations' and 'categories'; came others."
            " Mend it."
        )
    return content


_LISTS = ("images", "annotations", "categories")


def _places(file: Path, split: str | None) -> list[Path]:
    """The folders in which pictures may lie."""
    word = file.stem.rpartition("_")[2]
    tops = [file.parent, file.parent.parent]
    own = [word, f"images/{word}", *([split, f"images/{split}"] if split else [])]
    below = [*own, "images", "."]
    return [place for top in tops for name in below if (place := top / name).is_dir()]


def _record(
    image: Mapping[str, Any],
    notes: Iterable[Mapping[str, Any]],
    names: Mapping[Any, str],
    places: list[Path],
) -> Record:
    file = image.get("file_name")
    if not file:
        reason = (
            f"Expected a file_name for the image with id {image.get('id')!r}; there is none. Mend"
            " the JSON."
        )
        return Record(f"image {image.get('id')}", b"", error=reason)
    name = str(file)
    picture = next((place / name for place in places if (place / name).is_file()), None)
    error = None
    if picture is None:
        error = (
            f"Expected the picture {name} that the JSON lists; it is not in {places[0]}. Copy it"
            " there."
        )
        picture = places[0] / name
    size = None
    try:
        size = (
            (int(image["width"]), int(image["height"]))
            if image.get("width") and image.get("height")
            else None
        )
    except (TypeError, ValueError) as fault:
        error = (
            f"Expected width and height of {name} as numbers; came others ({fault}). Mend the JSON."
        )
    if image.get("has_boxes") is False:
        return Record(name, picture, size=size, error=error)
    objects = []
    for note in notes:
        try:
            objects.append(_object(note, names, size))
        except (KeyError, TypeError, ValueError) as fault:
            error = error or (
                "Expected COCO's bbox [x, y, width, height] and a known category_id; annotation"
                f" {note.get('id')!r} of {name} differs ({type(fault).__name__}: {fault}). Mend it."
            )
    return annotated(name, picture, objects, size=size, error=error)


def _object(
    note: Mapping[str, Any], names: Mapping[Any, str], size: tuple[int, int] | None
) -> Object:
    left, top, width, height = (
        value if isinstance(value, int) else float(value) for value in note["bbox"]
    )
    box = (left, top, left + width, top + height)
    mask = _mask(note.get("segmentation"), size, note.get("area"))
    return Object(names[note["category_id"]], box, mask, crowd=bool(note.get("iscrowd")))


def _mask(shape: Any, size: tuple[int, int] | None, area: Any) -> Mask | None:
    """The segmentation, still in COCO's words; it is drawn when it is wanted."""
    if not shape:
        return None
    if isinstance(shape, dict):
        height, width = (int(side) for side in shape["size"])
        counts = shape["counts"]
        return RunLengths(
            counts if isinstance(counts, str) else tuple(int(count) for count in counts),
            (width, height),
        )
    if size is None:
        raise ValueError("a polygon needs the image's width and height")
    outlines = tuple(tuple(float(value) for value in outline) for outline in shape if outline)
    return Polygons(outlines, size, float(area) if area else None) if outlines else None
