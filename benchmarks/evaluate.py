"""What measuring costs, against its forward passes and against pytorch-grad-cam's own metrics.

    python benchmarks/evaluate.py                    # 200 pictures; also with --curves
    python benchmarks/evaluate.py --memory 10000     # resident memory over many images

The pictures are JPEGs on disk with a box each, as users have them: decoding, resizing, thumbnails
and writing the rows are all in our time. The bare time is that of the forward passes alone, on
tensors that are ready: one for each image, and one for each picture that is shown masked. After
each batch of ours comes its bare time, so that a change of pace strikes both; a ratio is that of
the two sums over a run. pytorch-grad-cam's time is without any decoding.
"""

import argparse
import json
import shutil
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import build, in_turns, ratio
from PIL import Image, ImageFilter
from torch import nn

from sightline import Card, Preprocess, describe, evaluate
from sightline.datasets import load, open_data
from sightline.protocol import Protocol

METHODS = ["grad_cam", "grad_cam_pp", "grad_cam_plus"]
BATCH = 4
VIEW = Preprocess(resize=256, crop=(224, 224))


def pictures(folder: Path, count: int) -> Path:
    """A COCO file and its JPEGs: noise with the spectrum of photographs, one box each."""
    rng = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True)
    images, notes = [], []
    for k in range(count):
        noise = (
            sum(
                np.asarray(Image.fromarray(tile).resize((320, 256)), float) * s
                for s in (1, 4, 16, 64)
                for tile in [rng.integers(0, 255, (256 // s, 320 // s, 3), dtype=np.uint8)]
            )
            / 85
        )
        picture = Image.fromarray(noise.clip(0, 255).astype(np.uint8)).filter(
            ImageFilter.GaussianBlur(0.6)
        )
        picture.save(folder / "images" / f"{k:05}.jpg", quality=90)
        images.append({"id": k, "file_name": f"{k:05}.jpg", "width": 320, "height": 256})
        notes.append(
            {
                "id": k,
                "image_id": k,
                "category_id": k % 1000,
                "bbox": [80, 60, 120, 120],
                "iscrowd": 0,
                "area": 1,
            }
        )
    names = [{"id": k, "name": str(k)} for k in range(1000)]
    (folder / "instances.json").write_text(
        json.dumps({"images": images, "annotations": notes, "categories": names})
    )
    return folder


def forwards(model: nn.Module, batches: list[torch.Tensor], times: int) -> None:
    """Every picture through the model so many times, and nothing else."""
    with torch.no_grad():
        for batch in batches:
            for _ in range(times):
                model(batch)


def theirs(model: nn.Module, layer: nn.Module, batches: list[torch.Tensor]) -> None:
    """Drop and increase with pytorch-grad-cam's classes, as its tutorial has it."""
    from pytorch_grad_cam import GradCAM, GradCAMPlusPlus, XGradCAM
    from pytorch_grad_cam.metrics.cam_mult_image import (
        CamMultImageConfidenceChange,
        IncreaseInConfidence,
    )
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputSoftmaxTarget

    for batch in batches:
        with torch.no_grad():
            targets = [ClassifierOutputSoftmaxTarget(int(k)) for k in model(batch).argmax(1)]
        for method in (GradCAM, GradCAMPlusPlus, XGradCAM):  # it has no Grad-CAM+
            with method(model=model, target_layers=[layer]) as cam:
                maps = cam(batch, targets)
            for metric in (CamMultImageConfidenceChange(), IncreaseInConfidence()):
                metric(batch, maps, targets, model)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--models", nargs="+", default=["mobilenet_v2", "resnet50"])
    parser.add_argument(
        "--curves", action="store_true", help="insertion and deletion as well, 28 steps each"
    )
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument(
        "--memory", type=int, default=0, help="instead: resident memory over this many images"
    )
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.memory:
        memory(options.memory)
        return
    heads = [
        "model",
        "images",
        "metrics",
        "forwards an image",
        "bare",
        "sightline",
        "ratio, each run",
    ]
    heads += [] if options.no_peers else ["pytorch-grad-cam (drop, increase)", "ours, the same"]
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    with tempfile.TemporaryDirectory() as scratch:
        place = pictures(Path(scratch) / "data", options.images)
        for name in options.models:
            bench(name, place, Path(scratch) / "out", options)


def bench(name: str, place: Path, out: Path, options: Any) -> None:
    model = build(name)
    describe(model, Card(name, None, VIEW, tuple(str(k) for k in range(1000)), "random"))
    views = [load(record, VIEW).inputs for record in open_data(place)]
    batches = [torch.stack(views[k : k + BATCH]) for k in range(0, len(views), BATCH)]
    metrics = "average_drop,increase_in_confidence,loc" + (
        ",deletion,insertion" if options.curves else ""
    )
    protocol = Protocol(explained="given")
    needed = (
        1 + len(METHODS) + (2 * (1 + len(METHODS) * (protocol.steps - 1)) if options.curves else 0)
    )

    def ours(asked: str = metrics, progress: Any = False) -> None:
        shutil.rmtree(out, ignore_errors=True)
        evaluate(
            model,
            place,
            METHODS,
            asked,
            protocol=protocol,
            out=out,
            batch_size=BATCH,
            workers=options.workers,
            progress=progress,
        )

    def whole() -> tuple[float, float]:
        """Our time and the bare time over the same batches, in turns: a bare run after each batch
        of ours.
        """
        spent, bare, left = 0.0, 0.0, iter(batches)

        def after_a_batch(_: int) -> None:
            nonlocal spent, bare
            start = time.perf_counter()
            batch = [next(left)]
            forwards(model, batch, 1)  # not timed: what our work did to the caches is ours
            warm = time.perf_counter()
            forwards(model, batch, needed)
            bare += time.perf_counter() - warm
            spent += time.perf_counter() - start

        start = time.perf_counter()
        ours(progress=after_a_batch)
        return time.perf_counter() - start - spent, bare

    whole()
    runs = [whole() for _ in range(options.rounds)]
    times = sorted(mine / bare for mine, bare in runs)
    said = (
        f"| {name} | {len(views)} | {metrics} | {needed} | {min(bare for _, bare in runs):.1f} s "
    )
    said += (
        f"| {min(mine for mine, _ in runs):.1f} s | {', '.join(f'{one:.3f}' for one in times)} |"
    )
    if not options.no_peers:
        layer = model.features if name == "mobilenet_v2" else model.layer4
        jobs = {
            "drop": lambda: ours("average_drop,increase_in_confidence"),
            "theirs": lambda: theirs(model, layer, batches),
        }
        seconds = in_turns(jobs, options.rounds, warm_up=1)
        less = ratio(seconds, "theirs", "drop")[0]
        said += (
            f" {min(seconds['theirs']):.1f} s | {min(seconds['drop']):.1f} s: {less:.2f}x less |"
        )
    print(said, flush=True)


def memory(count: int) -> None:
    """Resident memory while batches go by: a small network, so that many of them do."""
    import resource

    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10)
    )
    start = time.perf_counter()
    seen: list[tuple[int, float]] = []

    def batches() -> Any:
        for k in range(0, count, 50):
            if k % (count // 10) == 0:
                pages = int(Path("/proc/self/statm").read_text().split()[1])
                seen.append((k, pages * resource.getpagesize() / 2**20))
            yield torch.rand(50, 3, 64, 64)

    with tempfile.TemporaryDirectory() as scratch:
        evaluate(
            net, batches(), METHODS, "faithfulness,loc", out=Path(scratch) / "out", progress=False
        )
    print("| images | resident memory |\n|---|---|")
    for k, size in seen:
        print(f"| {k:,} | {size:.0f} MiB |")
    print(f"{count:,} images in {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
