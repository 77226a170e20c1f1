"""A made-up run: smooth photographs with objects, maps that find them more or less well, and the
numbers to it.

Nothing here comes from a network. Image k's difficulty is shared by all methods, as it is in life;
Grad-CAM++ is better than Grad-CAM, Grad-CAM+ is between them, FakeCAM loses no confidence, the
random map finds nothing.
"""

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from sightline.metrics import average_drop, metric
from sightline.metrics.metric import mean
from sightline.protocol import Protocol

SIDE, GRID, DELTAS = 160, 7, tuple(Protocol().deltas)
CLASSES = ["tabby_cat", "espresso & cream", "sea lion", "100 % wool"]
SKILL = {
    "grad_cam": 0.55,
    "grad_cam_pp": 0.74,
    "grad_cam_plus": 0.68,
    "fake_cam": 0.99,
    "random": 0.1,
}


@metric(
    title="Increase in Confidence", group="faithfulness", higher_is_better=True, unit="%", scale=100
)
def increase(full_score, masked_score):
    """Share of the images of which the network is surer when it sees only the mapped part.

    More is not said here.
    """


@metric(title="Deletion AUC", group="faithfulness", higher_is_better=False)
def deletion_auc(deletion_curve):
    """Area under the confidence while the strongest pixels are taken away first."""


def at(delta):
    return lambda values, deltas: mean(values[:, deltas.index(delta)])


def best_of(values):
    return (
        float(np.nanmax(np.nanmean(values, axis=0))) if np.isfinite(values).any() else float("nan")
    )


@metric(
    title="Loc",
    group="localisation",
    higher_is_better=True,
    axis="deltas",
    figures={"Loc(0)": at(0.0), "Loc(0.25)": at(0.25), "Loc(0.5)": at(0.5), "best over δ": best_of},
)
def loc(image_map, boxes):
    """Overlap of the thresholded map with the union of the class's boxes (IoU)."""


@metric(title="Pointing game", group="localisation", higher_is_better=True, unit="%", scale=100)
def pointing_game(image_map, boxes):
    """Share of the images whose strongest place lies on an object of the class."""


@metric(title="Complexity", group="shape", higher_is_better=None)
def complexity(image_map):
    """Mean of the map: how much of the picture it lights up."""


METRICS = {
    "average_drop": average_drop,
    "increase": increase,
    "deletion_auc": deletion_auc,
    "loc": loc,
    "pointing_game": pointing_game,
    "complexity": complexity,
}


@dataclass
class Made:
    run: dict[str, Any]
    rows: pa.Table
    views: pa.Table


def made(
    images=60,
    methods=("grad_cam", "grad_cam_pp", "grad_cam_plus"),
    controls=("fake_cam", "random"),
    seed=0,
    broken=(17,),
    silent=(5,),
    pictures=True,
) -> Made:
    """`broken` images have an error in every row, `silent` ones a map without positive evidence."""
    rng = np.random.default_rng(seed)
    rows, views = [], []
    for item in range(images):
        scene = Scene(np.random.default_rng([seed, item]))
        if pictures:
            views.append({"item": item, "jpeg": scene.jpeg()})
        difficulty = rng.normal(0, 0.12)
        for name in (*methods, *controls):
            rows.append(_row(scene, item, name, difficulty, rng, item in broken, item in silent))
    protocol = Protocol()
    run = {
        "protocol": protocol.as_dict(),
        "protocol_digest": protocol.digest,
        "model": {
            "name": "resnet50",
            "source": "torchvision IMAGENET1K_V2",
            "licence": "BSD-3",
            "parameters": 25557032,
            "weights": "11ad3fa6",
        },
        "data": {
            "name": "made-up photographs",
            "path": "/data/made_up",
            "kind": "folder",
            "records": images,
        },
        "methods": list(methods),
        "controls": list(controls),
        "metrics": list(METRICS),
        "versions": {"sightline": "0.1.0", "torch": "2.9"},
        "created": "2026-01-31T12:00:00Z",
        "seconds": 71.5,
    }
    for row in rows:
        row["protocol"] = protocol.digest
    return Made(run, pa.Table.from_pylist(rows, SCHEMA), pa.Table.from_pylist(views, VIEWS))


VIEWS = pa.schema([("item", pa.int64()), ("jpeg", pa.binary())])
_WORDS = [
    "image",
    "source",
    "method",
    "label_name",
    "target_name",
    "predicted_name",
    "layer",
    "status",
    "message",
    "error",
    "protocol",
]
_NUMBERS = [
    "full_score",
    "masked_score",
    "average_drop",
    "increase",
    "deletion_auc",
    "pointing_game",
    "complexity",
]
_LISTS = ["deletion_curve", "insertion_curve", "occluded_curve", "occluded_fraction", "loc"]
SCHEMA = pa.schema(
    [
        ("item", pa.int64()),
        *((name, pa.string()) for name in _WORDS),
        ("tags", pa.list_(pa.string())),
    ]
    + [(name, pa.int64()) for name in ("label", "target", "predicted", "view_height", "view_width")]
    + [(name, pa.float64()) for name in _NUMBERS]
    + [(name, pa.list_(pa.float64())) for name in _LISTS]
    + [("coarse", pa.list_(pa.float32())), ("coarse_shape", pa.list_(pa.int32()))]
    + [("boxes", pa.list_(pa.list_(pa.float64())))]
)


class Scene:
    """A soft gradient with one or two round objects on it."""

    def __init__(self, rng):
        self.several = rng.random() < 0.3
        self.kind = int(rng.integers(len(CLASSES)))
        self.centres = rng.uniform(0.25, 0.75, (1 + self.several, 2))
        self.radius = rng.uniform(0.12, 0.22)
        self.colours = rng.uniform(0.15, 0.95, (3, 3))
        self.rng = rng

    def jpeg(self):
        y, x = np.mgrid[:SIDE, :SIDE] / SIDE
        ground = self.colours[0] * x[..., None] + self.colours[1] * (1 - x[..., None]) * (
            0.6 + 0.4 * y[..., None]
        )
        for cy, cx in self.centres:
            far = np.hypot(y - cy, x - cx)
            inside = 1 / (1 + np.exp((far - self.radius) * 60))
            shade = self.colours[2] * (
                1.1 - 1.6 * np.hypot(y - cy + 0.05, x - cx + 0.05)[..., None]
            )
            ground = ground * (1 - inside[..., None]) + shade * inside[..., None]
        buffer = io.BytesIO()
        Image.fromarray((ground.clip(0, 1) * 255).astype(np.uint8)).save(buffer, "JPEG", quality=80)
        return buffer.getvalue()

    def boxes(self):
        ends = [
            (cx - self.radius, cy - self.radius, cx + self.radius, cy + self.radius)
            for cy, cx in self.centres
        ]
        return [[float(np.clip(e, 0, 1) * SIDE) for e in box] for box in ends]

    def coarse(self, skill):
        y, x = (np.mgrid[:GRID, :GRID] + 0.5) / GRID
        found = sum(
            np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 0.03) * (1 if k == 0 else skill**2)
            for k, (cy, cx) in enumerate(self.centres)
        )
        noise = self.rng.normal(0, 0.35 * (1 - min(skill, 0.9)), (GRID, GRID))
        return (found * min(skill, 0.9) + noise - 0.05).astype(np.float32)


def _row(scene, item, name, difficulty, rng, broken, silent):
    words = {
        "item": item,
        "image": f"photo_{item:03}.jpg",
        "source": "made_up",
        "method": name,
        "tags": ["several of a class"] if scene.several else ["one object"],
    }
    if broken:
        return words | {
            "status": "error",
            "message": "",
            "error": "ImageError: Expected a picture; came 3 bytes <&>.",
        }
    kind = CLASSES[scene.kind]
    skill = float(
        np.clip(
            SKILL.get(name, 0.5) + difficulty * (name != "fake_cam") + rng.normal(0, 0.06),
            0.02,
            1.0,
        )
    )
    full = float(rng.uniform(0.4, 0.99))
    masked = full * min(1.25, skill + 0.25) if name != "fake_cam" else full * 0.998
    steps = np.linspace(0, 1, 29)
    fraction = np.concatenate([np.linspace(0, 0.95, 21), [1.0]])
    curve = np.exp(-steps * (2 + 6 * skill))
    box = np.array([skill * np.exp(-((d - 0.25 * skill) ** 2) / 0.15) * 0.7 for d in DELTAS])
    if name == "fake_cam":
        box = box * 0.3
    there = scene.kind != 3  # nobody drew boxes around wool
    return words | {
        "label": scene.kind,
        "label_name": kind,
        "target": scene.kind,
        "target_name": kind,
        "predicted": scene.kind,
        "predicted_name": kind,
        "layer": "layer4",
        "status": "no positive evidence" if silent else "ok",
        "message": "Nothing speaks for the class." if silent else "",
        "error": None,
        "view_height": SIDE,
        "view_width": SIDE,
        "full_score": full,
        "masked_score": masked,
        "average_drop": max(0.0, 1 - masked / full),
        "increase": float(masked > full),
        "deletion_auc": float(curve.mean() * full),
        "pointing_game": float(rng.random() < skill) if there else float("nan"),
        "complexity": 0.2 + 0.5 * skill,
        "deletion_curve": (full * curve).tolist(),
        "insertion_curve": (full * (1 - curve)).tolist(),
        "occluded_curve": (full * np.clip(1 - fraction ** (1 + 5 * skill), 0, 1)).tolist(),
        "occluded_fraction": fraction.tolist(),
        "loc": box.tolist() if there else [float("nan")] * len(DELTAS),
        "coarse": (
            None
            if name == "fake_cam"
            else scene.coarse(skill if not silent else 0.0).ravel().tolist()
        ),
        "coarse_shape": None if name == "fake_cam" else [GRID, GRID],
        "boxes": scene.boxes() if there else [],
    }


def with_rows(results, rows):
    return Made(results.run, rows, results.views)


def replaced(table, name, values):
    return table.set_column(
        table.column_names.index(name), name, pa.array(values, table.schema.field(name).type)
    )
