"""What Ablation-CAM and Score-CAM cost, against pytorch-grad-cam's and against bare forwards.

    python benchmarks/relatives.py                                  # the tables
    python benchmarks/relatives.py --models resnet50 --layers layer3 --rounds 3
    python benchmarks/relatives.py --error --pictures 8             # top-k against all channels

Jobs take turns in one process, at batch 1, as ratios. For Score-CAM the bare forwards are as many
as it needs, in batches of the same size, on pictures that were made beforehand; its peak memory is
given as a ratio to that of one such batch. `--channels` takes that many channels for Score-CAM and
leaves the peer out, which knows no fewer: whole runs of a large network take minutes. `--only
ablation` leaves Score-CAM out. The error of `top=k` needs trained weights: those of the bundled
model, on the demo's photographs.
"""

import argparse
import contextlib
import io
import statistics
import warnings
from collections.abc import Iterator
from importlib.metadata import version

import torch
from agreement import pictures
from common import build, in_turns, peak_bytes, ratio
from torch import Tensor, nn

import sightline
from sightline.surgery import capture

LAYERS = {
    "resnet18": "layer4",
    "resnet50": "layer4",
    "mobilenet_v2": "features",
    "vgg16": "features.29",
}
AT_ONCE = 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--models", nargs="+", default=["resnet50", "mobilenet_v2"], choices=list(LAYERS)
    )
    parser.add_argument("--layers", nargs="+", help="one a model; left out, the last feature map")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--channels", type=int, help="Score-CAM with so many channels only")
    parser.add_argument("--only", choices=["ablation"])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument(
        "--error", action="store_true", help="measure top-k on the bundled model instead"
    )
    parser.add_argument("--pictures", type=int, default=8)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore")
    print(", ".join(f"{name} {version(name)}" for name in ("sightline", "torch", "grad-cam")))
    if options.error:
        print_errors(options.pictures)
        return
    layers = options.layers or [LAYERS[name] for name in options.models]
    print(
        f"{options.threads} threads, batch 1, {options.size} pixels, median of {options.rounds}"
        " rounds\n"
    )
    columns = ["model", "layer", "Ablation-CAM / forward", "the peer's / ours"]
    if options.only is None:
        columns += [
            "Score-CAM / its bare forwards",
            "the peer's / ours",
            "top 1/5 is faster by",
            "top 1/10",
        ]
        columns += ["Score-CAM's peak memory / one batch's"]
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    for name, layer in zip(options.models, layers, strict=True):
        print(row(name, layer, options), flush=True)


def row(name: str, layer: str, options: argparse.Namespace) -> str:
    """One line of the table."""
    from pytorch_grad_cam import AblationCAM, ScoreCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    model, images = build(name), torch.randn(1, 3, options.size, options.size)
    klass = int(forward(model, images).argmax())
    own = capture(model, images, layer).activations
    count = own.shape[1]
    varying = int((own.flatten(2).amax(2) != own.flatten(2).amin(2)).sum())
    looked = min(varying, options.channels or varying)
    copies = [build(name), build(name)]
    ablation = AblationCAM(copies[0], [copies[0].get_submodule(layer)])
    score = ScoreCAM(copies[1], [copies[1].get_submodule(layer)])
    score.batch_size = AT_ONCE
    batches = torch.randn(looked, 3, options.size, options.size).split(AT_ONCE)
    targets = [ClassifierOutputTarget(klass)]

    def ours(method: str, **more: object) -> None:
        sightline.explain(model, images, klass, method, layer, **more)  # type: ignore[arg-type]

    jobs = {
        "forward": lambda: forward(model, images),
        "ablation": lambda: ours("ablation_cam"),
        "bare": lambda: [forward(model, batch) for batch in batches],
        "score": lambda: ours("score_cam", top=looked, at_once=AT_ONCE),
        "fifth": lambda: ours("score_cam", top=max(1, looked // 5), at_once=AT_ONCE),
        "tenth": lambda: ours("score_cam", top=max(1, looked // 10), at_once=AT_ONCE),
    }
    if options.channels is None:  # the peer knows no fewer
        jobs["peer's ablation"] = lambda: quiet(ablation, images, targets)
        jobs["peer's score"] = lambda: quiet(score, images, targets)
    if options.only == "ablation":
        jobs = {
            name: job
            for name, job in jobs.items()
            if name in ("forward", "ablation", "peer's ablation")
        }
    seconds = in_turns(jobs, options.rounds, warm_up=1)
    cells = [times(seconds, "ablation", "forward"), times(seconds, "peer's ablation", "ablation")]
    if options.only == "ablation":
        return f"| {name} | {layer} ({count} channels) | {' | '.join(cells)} |"
    memory = peak_bytes(jobs["tenth"]) / peak_bytes(lambda: forward(model, batches[0]))
    cells += [
        times(seconds, "score", "bare"),
        times(seconds, "peer's score", "score"),
        times(seconds, "score", "fifth"),
        times(seconds, "score", "tenth"),
        f"{memory:.2f}",
    ]
    return f"| {name} | {layer} ({looked} of {count} channels) | {' | '.join(cells)} |"


def times(seconds: dict[str, list[float]], job: str, base: str) -> str:
    if job not in seconds or base not in seconds:
        return "-"
    median, low, high = ratio(seconds, job, base)
    return f"{median:.2f} [{low:.2f}, {high:.2f}]"


def quiet(cam: object, images: Tensor, targets: list[object]) -> None:
    """The peer draws a progress bar."""
    with contextlib.redirect_stderr(io.StringIO()):
        cam(input_tensor=images, targets=targets)  # type: ignore[operator]


def forward(model: nn.Module, images: Tensor) -> Tensor:
    with torch.no_grad():
        return model(images)


def print_errors(count: int) -> None:
    """How far the map of `top=k` is from that of all channels, on trained weights."""
    model, card = sightline.load("lookout")
    images = pictures(card, 96)[:count]
    whole = sightline.explain(model, images, None, "score_cam", "features")
    channels = capture(model, images, "features").activations.shape[1]
    print(
        f"\nlookout, {len(images)} pictures, {channels} channels, against the map of all, both over"
        " their maximum\n"
    )
    print(
        "| top | correlation: median, worst | largest difference: median, worst | peak moved |\n"
        + "|---" * 4
        + "|"
    )
    for part in (20, 10, 5, 2):
        some = sightline.explain(model, images, None, "score_cam", "features", top=channels // part)
        rows = list(compared(some.coarse, whole.coarse))
        likeness, apart, moved = zip(*rows, strict=True)
        print(
            f"| {channels // part} (1/{part}) | {statistics.median(likeness):.3f},"
            f" {min(likeness):.3f} | {statistics.median(apart):.3f}, {max(apart):.3f} |"
            f" {sum(moved)} of {len(rows)} |"
        )


def compared(maps: Tensor, others: Tensor) -> Iterator[tuple[float, float, bool]]:
    for one, other in zip(maps, others, strict=True):
        one, other = one / one.max(), other / other.max()
        likeness = torch.corrcoef(torch.stack([one.flatten(), other.flatten()]))[0, 1]
        yield (
            likeness.item(),
            (one - other).abs().max().item(),
            bool(one.argmax() != other.argmax()),
        )


if __name__ == "__main__":
    main()
