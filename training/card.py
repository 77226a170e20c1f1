"""Measure the weights that `classifier.py` left, put them into the package, and write the model's
card.

    python training/card.py --out out/lookout --resize 96 --command "..." --hardware "..."

Accuracy is that of the float16 weights on val.parquet, by the package's own reading and
preprocessing.
"""

import argparse
import json
import shutil
from math import sqrt
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import torch
from torch import Tensor

from sightline.images import prepare
from sightline.models.lookout import Lookout, lookout
from sightline.types import Preprocess

ROOT = Path(__file__).resolve().parents[1]
MODELS = ROOT / "src/sightline/models"
SIZES = (48, 64, 80, 96, 112, 128)


def preprocess(size: int) -> Preprocess:
    """The card's preprocessing at a working resolution; the rest is as in ImageNet, and as in
    training.
    """
    return Preprocess(resize=size, crop=(size, size))


@torch.inference_mode()
def logits(model: Lookout, files: list[bytes], size: int) -> Tensor:
    batches = (files[start : start + 100] for start in range(0, len(files), 100))
    return torch.cat([model(prepare(batch, preprocess(size)).inputs) for batch in batches])


def wilson(share: float, n: int, z: float = 1.959964) -> list[float]:
    """The 95 % interval of a share seen in n trials (Wilson 1927)."""
    middle, half = share + z * z / (2 * n), z * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return [round((middle + sign * half) / (1 + z * z / n), 4) for sign in (-1, 1)]


def measure(model: Lookout, val: Path, size: int) -> dict[str, Any]:
    """Accuracy at the working resolution with its interval, and top-1 at all resolutions."""
    table = pq.read_table(val)
    files, labels = (
        [row["bytes"] for row in table["image"].to_pylist()],
        torch.tensor(table["label"].to_pylist()),
    )

    def top(k: int, scores: Tensor) -> float:
        return (scores.topk(k).indices == labels[:, None]).any(1).float().mean().item()

    scores = {side: logits(model, files, side) for side in sorted({*SIZES, size})}
    top1 = top(1, scores[size])
    return {
        "data": "val.parquet of tinyimagenet50, all images",
        "n": len(files),
        "val_top1": round(top1, 4),
        "val_top1_95": wilson(top1, len(files)),
        "val_top5": round(top(5, scores[size]), 4),
        "val_top1_by_size": {str(side): round(top(1, s), 4) for side, s in scores.items()},
        "weights": "as stored, rounded to float16; computed in float32",
        "chosen_on_val": (
            "the working resolution; nothing else (the last epoch's weights, no early stopping)"
        ),
    }


def photographs(model: Lookout, classes: list[str], size: int) -> dict[str, Any]:
    """The three likeliest classes of scikit-image's cat and coffee cup, with probabilities."""
    from skimage import data

    found = {}
    for name in ("chelsea", "coffee"):
        with torch.inference_mode():
            p = model(prepare(getattr(data, name)(), preprocess(size)).inputs)[0].softmax(0)
        best = p.topk(3)
        found[name] = {
            classes[i]: round(v, 3)
            for i, v in zip(best.indices.tolist(), best.values.tolist(), strict=True)
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=ROOT / "../shared/data/tinyimagenet50")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder in which classifier.py left its files"
    )
    parser.add_argument("--resize", type=int, required=True, help="working resolution in pixels")
    parser.add_argument("--command", required=True, help="how classifier.py was called")
    parser.add_argument("--hardware", required=True, help="what it ran on")
    parser.add_argument("--teacher", help="what it learnt from besides the labels")
    args = parser.parse_args()

    shutil.copyfile(args.out / "lookout.safetensors", MODELS / "lookout.safetensors")
    model = lookout()
    entries = json.loads((args.data / "classes.json").read_text())
    classes = [entry["name"].split(",")[0] for entry in entries]
    log = [json.loads(line) for line in (args.out / "log.jsonl").read_text().splitlines()]
    side = model.features(torch.zeros(1, 3, args.resize, args.resize)).shape[-2:]
    chosen = preprocess(args.resize)
    card = {
        "name": "lookout",
        "layer": "features",
        "feature_grid": list(side),
        "preprocess": {
            "resize": chosen.resize,
            "crop": chosen.crop,
            "interpolation": chosen.interpolation,
            "mean": chosen.mean,
            "std": chosen.std,
        },
        "classes": classes,
        "wnids": [entry["wnid"] for entry in entries],
        "source": (
            "trained for sightline by training/classifier.py on 25,000 photographs of Tiny ImageNet"
        ),
        "licence": (
            "weights: MIT, as sightline. Training data (not included): Tiny ImageNet, whose terms"
            " are those of ImageNet: research and education"
        ),
        "made": {
            "program": "training/classifier.py",
            "command": args.command,
            "seed": 0,
            "epochs": log[-1]["epoch"],
            "minutes": log[-1]["minutes"],
            "schedule": (
                "learning rate and image sizes follow the share of the time budget that is spent"
            ),
            "hardware": args.hardware,
            "teacher": args.teacher,
            "parameters": sum(p.numel() for p in model.parameters()),
        },
        "measured": measure(model, args.data / "val.parquet", args.resize),
        "photographs": photographs(model, classes, args.resize),
    }
    (MODELS / "lookout.json").write_text(json.dumps(card, indent=1) + "\n")
    print(json.dumps(card["measured"] | card["photographs"], indent=1))


if __name__ == "__main__":
    main()
