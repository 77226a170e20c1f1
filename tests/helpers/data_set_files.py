"""Small data sets for these tests, written by hand so that every value in them is known."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

Corner = tuple[str, int, int, int, int]


def photo(
    path: Path, width: int = 20, height: int = 10, colour: tuple[int, int, int] = (200, 100, 50)
) -> Path:
    """A picture of one colour, in a folder that is made on the way."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, height), colour).save(path)
    return path


def white(size: tuple[int, int], box: Sequence[int]) -> np.ndarray:
    """`[h, w, 3]` uint8: black, and white in the box."""
    left, top, right, bottom = box
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[top:bottom, left:right] = 255
    return pixels


def xml(
    objects: Sequence[Corner], size: tuple[int, int] = (20, 10), difficult: Sequence[int] = ()
) -> str:
    """VOC's XML; corners as VOC counts them, from 1, the last one included."""
    listed = "".join(
        f"<object><name>{name}</name><difficult>{int(i in difficult)}</difficult>"
        f"<bndbox><xmin>{a}</xmin><ymin>{b}</ymin><xmax>{c}</xmax><ymax>{d}</ymax></bndbox></object>"
        for i, (name, a, b, c, d) in enumerate(objects)
    )
    return (
        "<annotation><filename>x.jpg</filename>"
        f"<size><width>{size[0]}</width><height>{size[1]}</height></size>"
        f"{listed}</annotation>"
    )


def voc_item(root: Path, stem: str, objects: Sequence[Corner], **options: Any) -> None:
    """A picture of 20 x 10 and its annotation."""
    photo(root / "JPEGImages" / f"{stem}.jpg")
    (root / "Annotations").mkdir(exist_ok=True)
    (root / "Annotations" / f"{stem}.xml").write_text(xml(objects, **options))


def palette(path: Path, indices: np.ndarray) -> None:
    """A palette PNG with these indices."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(indices.astype(np.uint8), "L").convert("P")
    picture.putdata(indices.astype(np.uint8).ravel().tolist())
    picture.putpalette([channel for i in range(256) for channel in (i, 255 - i, i // 2)])
    picture.save(path)


def coco_set(root: Path, images: list[dict[str, Any]], annotations: list[dict[str, Any]]) -> Path:
    """`instances.json` with the classes cat (1) and dog (2), and a picture for each image that has
    a size.
    """
    for image in images:
        photo(root / "images" / image["file_name"], image.get("width", 20), image.get("height", 10))
    categories = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (root / "instances.json").write_text(json.dumps(content))
    return root


def packed_runs(counts: list[int]) -> str:
    """COCO's own packing, letter by letter from its C code."""
    text = ""
    for i, count in enumerate(counts):
        x = count - (counts[i - 2] if i > 2 else 0)
        more = True
        while more:
            c = x & 0x1F
            x >>= 5
            more = x != -1 if c & 0x10 else x != 0
            text += chr((c | 0x20 if more else c) + 48)
    return text
