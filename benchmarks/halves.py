"""Is an explanation in halves, or a compiled one, cheaper than a bare forward in float32, and is it
the same picture?

    python benchmarks/halves.py                     # bfloat16 and channels-last against eager
    float32, batch 8 python benchmarks/halves.py --compiled          # beside it the compiled
    explainer, in float32

The jobs take turns in one process. `correlation` is the mean over images of the correlation between
the coarse maps in bfloat16 and in float32, for the class that float32 predicts, with random
weights; tests/explanation/test_explain_real_weights.py has the same with trained ones.
"""

import argparse
import copy
import statistics
import warnings

import torch
from common import build, in_turns, ratio
from torch import Tensor, nn

import sightline


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--models", nargs="+", default=["resnet50", "mobilenet_v2", "convnext_tiny", "vit_b_16"]
    )
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--compiled", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    print(
        "| model | float32 forward | explain, bfloat16 | ratio [quartiles] | in float32 | compiled"
        " | correlation |"
    )
    print("|---|---|---|---|---|---|---|")
    for name in options.models:
        print(row(name, options.batch, options.rounds, options.compiled), flush=True)


def row(name: str, size: int, rounds: int, compiled: bool) -> str:
    """One line of the table."""
    model, images = build(name), torch.randn(size, 3, 224, 224)
    half = copy.deepcopy(model).to(torch.bfloat16, memory_format=torch.channels_last)
    halves = images.to(torch.bfloat16, memory_format=torch.channels_last)
    jobs = {
        "forward": lambda: forward(model, images),
        "half": lambda: sightline.explain(half, halves),
        "whole": lambda: sightline.explain(model, images),
    }
    if compiled:
        fast = sightline.compiled(sightline.exportable(model, images=images))
        jobs["compiled"] = lambda: fast(images)
    seconds = in_turns(jobs, rounds)
    told = (
        "{:.2f} [{:.2f}, {:.2f}]".format(*ratio(seconds, "compiled", "forward")) if compiled else ""
    )
    middle, low, high = ratio(seconds, "half", "forward")
    same = agreement(model, images, half, halves)
    return (
        f"| {name} | {1e3 * min(seconds['forward']):.0f} ms | {1e3 * min(seconds['half']):.0f} ms |"
        f" {middle:.2f} [{low:.2f}, {high:.2f}] | {ratio(seconds, 'whole', 'forward')[0]:.2f} |"
        f" {told} | {same:.4f} |"
    )


def forward(model: nn.Module, images: Tensor) -> Tensor:
    with torch.no_grad():
        return model(images)


def agreement(model: nn.Module, images: Tensor, half: nn.Module, halves: Tensor) -> float:
    """The mean correlation of coarse maps, image by image."""
    classes = forward(model, images).argmax(1)
    pairs = zip(
        sightline.explain(model, images, classes).coarse.flatten(1),
        sightline.explain(half, halves, classes).coarse.flatten(1),
        strict=True,
    )
    return statistics.mean(float(torch.corrcoef(torch.stack(pair))[0, 1]) for pair in pairs)


if __name__ == "__main__":
    main()
