"""Maps as labels for weak supervision: what lies above a threshold, in the photograph's pixels."""

import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from sightline.atomic_write import write_atomically
from sightline.datasets import Placement, to_photo
from sightline.errors import MethodError, ProtocolError, StoreError, near
from sightline.evaluation.store import Results
from sightline.explanation.save import file_name, unused
from sightline.maps.regions import boxes_above
from sightline.maps.upsample import image_map


@dataclass
class Seeds:
    """The masks written, the boxes, and the images of which nothing could be made."""

    masks: list[Path] = field(default_factory=list)
    boxes: Path | None = None
    empty: list[str] = field(default_factory=list)


def export_seeds(
    results: Results,
    out: str | Path,
    *,
    method: str | None = None,
    threshold: int | float = 0.2,
    largest: bool = False,
) -> Seeds:
    """Write segmentation seeds and boxes from a method's maps, for weakly supervised training.

    A place belongs to the class explained where the map exceeds `threshold` times its maximum
    (SEC's seeds use 0.2, Grad-CAM's boxes 0.15). Written into `out`: `masks/CLASS/IMAGE.png` (0 and
    255, one for each image and class) and `boxes.json` in COCO's format, a box around each
    connected region with the mean of the map inside as its `score`; `largest=True` keeps the
    largest region's only. Both are in pixels of the upright photograph where the run knows it
    (`datasets`), else of the model's view. Images without positive evidence, or with an error, are
    listed as `empty`.

    Raises `MethodError` for a method the run does not have, `ProtocolError` for a threshold outside
    [0, 1), and `StoreError` where the disk is full or cannot be written; no file is left half
    written.
    """
    names = [*results.run["methods"], *results.run.get("controls", [])]
    method = method or names[0]
    if method not in names:
        raise MethodError(f"Expected a method of this run; got {method!r}. {near(method, names)}")
    if not 0 <= threshold < 1:
        raise ProtocolError(
            f"Expected a threshold from 0 to below 1, a share of the maximum; got {threshold}. 0.2"
            " is usual."
        )
    place = Path(out)
    found, coco, taken = Seeds(), _Coco(), dict[Path, set[str]]()
    for row in results.rows.to_pylist():
        if row["method"] != method:
            continue
        shown = None if row["error"] or row["coarse"] is None else _photograph(row)
        if shown is None or not shown.max() > 0:
            found.empty.append(row["image"])
            continue
        folder = place / "masks" / file_name(str(row["target_name"]))
        path = folder / f"{unused(file_name(row['image']), taken.setdefault(folder, set()))}.png"
        _write(path, _png((shown > threshold * shown.max()).numpy()), len(found.masks))
        found.masks.append(path)
        coco.add(row, shown, boxes_above(shown, threshold, largest=largest))
    found.boxes = place / "boxes.json"
    boxes = json.dumps(coco.as_dict(results, method, threshold))
    _write(found.boxes, boxes.encode("utf-8"), len(found.masks))
    return found


def _png(mask: "np.ndarray[Any, np.dtype[np.bool_]]") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8) * 255).save(buffer, "PNG")
    return buffer.getvalue()


def _write(path: Path, content: bytes, before: int) -> None:
    """Whole or not at all: half a mask would be read as one without the object's lower part."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
    except OSError as error:
        raise StoreError(
            f"Expected to write {path}; the system says: {error.strerror or error}. Masks written"
            f" before it: {before}. Make room, or name another folder with --out, and run the same"
            " command again: it writes all anew."
        ) from error


def _photograph(row: dict[str, Any]) -> Tensor:
    """A row's map `[h, w]` in the photograph's pixels, or in the view's where nobody knows them."""
    coarse = torch.tensor(row["coarse"], dtype=torch.float32, device="cpu").view(
        1, *row["coarse_shape"]
    )
    view = image_map(coarse, (row["view_height"], row["view_width"]))
    if not row["placement"]:
        return view[0]
    numbers = row["placement"]
    pairs = [(numbers[k], numbers[k + 1]) for k in range(0, 8, 2)]
    return to_photo(view, Placement(*pairs))[0]


class _Coco:
    """Images, categories and annotations as COCO numbers them, from 1."""

    def __init__(self) -> None:
        self.images: dict[str, dict[str, Any]] = {}
        self.categories: dict[int, dict[str, Any]] = {}
        self.annotations: list[dict[str, Any]] = []

    def add(
        self, row: dict[str, Any], shown: Tensor, boxes: list[tuple[int, int, int, int]]
    ) -> None:
        height, width = shown.shape
        image = self.images.setdefault(
            row["image"],
            {
                "id": len(self.images) + 1,
                "file_name": row["image"],
                "width": width,
                "height": height,
            },
        )
        self.categories.setdefault(row["target"], {"id": row["target"], "name": row["target_name"]})
        for left, top, right, bottom in boxes:
            score = float(shown[top:bottom, left:right].mean() / shown.max())
            box = [left, top, right - left, bottom - top]
            self.annotations.append(
                {
                    "id": len(self.annotations) + 1,
                    "image_id": image["id"],
                    "category_id": row["target"],
                    "bbox": box,
                    "area": box[2] * box[3],
                    "iscrowd": 0,
                    "segmentation": [],
                    "score": round(score, 4),
                }
            )

    def as_dict(self, results: Results, method: str, threshold: int | float) -> dict[str, Any]:
        return {
            "info": {
                "description": f"regions above {threshold:g} of the maximum of {method}",
                "protocol": results.run["protocol_digest"],
                "model": results.run["model"]["name"],
            },
            "images": list(self.images.values()),
            "categories": [self.categories[number] for number in sorted(self.categories)],
            "annotations": self.annotations,
        }
