"""What an explanation costs on a GPU, against bare inference. Needs torch, torchvision and timm,
and nothing else.

    python benchmarks/gpu.py > gpu.md                        # the whole table: batches of 1, 32 and
    256, fp32 and bf16 python benchmarks/gpu.py --device cpu --models mobilenet_v2 --batches 1
    --rounds 3      # does it run?

Each job is timed until the device has finished (`torch.cuda.synchronize`). Jobs take turns; a ratio
is the median of paired ones. Peak memory is what the allocator says, beyond the weights and the
pictures.
"""

import argparse
import platform
import time
import warnings
from typing import Any

import torch
from common import Job, build, in_turns, ratio
from torch import nn

import sightline

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument(
        "--models", nargs="+", default=["resnet50", "mobilenet_v2", "convnext_tiny", "vit_b_16"]
    )
    parser.add_argument("--timm", nargs="*", default=["vit_small_patch16_224", "efficientnet_b0"])
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 32, 256])
    parser.add_argument("--dtypes", nargs="+", default=list(DTYPES), choices=list(DTYPES))
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument(
        "--compiled",
        action="store_true",
        help="also the compiled explainer with CUDA graphs, in fp32",
    )
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    name = (
        torch.cuda.get_device_name()
        if options.device == "cuda"
        else platform.processor() or platform.machine()
    )
    print(f"# What an explanation costs on {name}\n")
    print(
        f"torch {torch.__version__}, sightline {sightline.__version__}, 224 x 224, random weights,"
        " Grad-CAM++ at the"
    )
    print(f"layer found; medians of {options.rounds} paired runs of `benchmarks/gpu.py`.\n")
    print(
        "| model | dtype | batch | forward | ratio [quartiles] | ten classes | compiled | img/s |"
        " peak, bare | peak |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for kind in [*options.models, *(f"timm/{one}" for one in options.timm)]:
        for dtype in options.dtypes:
            model = made(kind).to(options.device, DTYPES[dtype], memory_format=torch.channels_last)
            for size in options.batches:
                print(f"| {kind} | {dtype} | {size} | {row(model, size, options)} |", flush=True)


def made(name: str) -> nn.Module:
    """A model of torchvision, or of timm where the name says so."""
    if not name.startswith("timm/"):
        return build(name)
    import timm

    torch.manual_seed(0)
    model: nn.Module = timm.create_model(name.removeprefix("timm/")).eval()
    return model


def row(model: nn.Module, size: int, options: Any) -> str:
    """The figures of one model, dtype and batch size."""
    weight = next(model.parameters())
    images = torch.randn(size, 3, 224, 224).to(weight).to(memory_format=torch.channels_last)

    def forward() -> None:
        with torch.no_grad():
            model(images)

    jobs: dict[str, Job] = {
        "forward": forward,
        "explain": lambda: sightline.explain(model, images),
        "ten": lambda: sightline.explain(model, images, target=list(range(0, 1000, 100))),
    }
    if options.compiled and weight.dtype == torch.float32:
        fast = sightline.compiled(
            sightline.exportable(model, images=images), mode="reduce-overhead"
        )
        jobs["compiled"] = lambda: fast(images)
    try:
        seconds = in_turns(
            {name: finished(job, weight.device) for name, job in jobs.items()}, options.rounds
        )
    except torch.cuda.OutOfMemoryError:
        return "out of memory | | | | | | "
    middle, low, high = ratio(seconds, "explain", "forward")
    fastest = min(seconds["explain"])
    compiled = f"{ratio(seconds, 'compiled', 'forward')[0]:.3f}" if "compiled" in seconds else ""
    peaks = [peak(job, weight.device) for job in (forward, jobs["explain"])]
    return (
        f"{1e3 * min(seconds['forward']):.2f} ms | {middle:.3f} [{low:.2f}, {high:.2f}] |"
        f" {ratio(seconds, 'ten', 'forward')[0]:.3f} | {compiled} | {size / fastest:,.0f} |"
        f" {peaks[0]} | {peaks[1]}"
    )


def finished(job: Job, device: torch.device) -> Job:
    """The job, and the wait for the device."""

    def both() -> None:
        job()
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    return both


def peak(job: Job, device: torch.device) -> str:
    """The most memory in use at once beyond what was in use before."""
    if device.type != "cuda":
        return "-"
    torch.cuda.synchronize(device)
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    job()
    torch.cuda.synchronize(device)
    return f"{(torch.cuda.max_memory_allocated(device) - before) / 2**20:.0f} MiB"


if __name__ == "__main__":
    start = time.perf_counter()
    main()
    print(f"\n{time.perf_counter() - start:.0f} s in all.")
