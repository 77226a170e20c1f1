"""What the benchmarks share: models with lively random weights, timing in turns, tensor memory."""

import random
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
import torchvision
from torch import nn

Job = Callable[[], Any]


def build(name: str) -> nn.Module:
    """A torchvision model with random weights.

    Weights do not change the work; a zero head would change the maps.
    """
    torch.manual_seed(0)
    model = torchvision.models.get_model(name, weights=None).eval()
    heads = getattr(model, "heads", None)
    if heads is not None:  # torchvision starts vision transformers with a head of zeros
        nn.init.normal_(heads.head.weight, std=0.02)
    return model


def in_turns(jobs: dict[str, Job], rounds: int, warm_up: int = 2) -> dict[str, list[float]]:
    """Seconds of each job, `rounds` times, one after the other so that a busy moment strikes them
    alike.

    In a new order each round: what one job leaves behind in the heap and the caches strikes them
    alike, too.
    """
    for job in jobs.values():
        for _ in range(warm_up):
            job()
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    shuffled = random.Random(0)
    for _ in range(rounds):
        for name in shuffled.sample(list(jobs), len(jobs)):
            start = time.perf_counter()
            jobs[name]()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def ratio(seconds: dict[str, list[float]], name: str, base: str) -> tuple[float, float, float]:
    """Median and quartiles of the paired ratios to `base`."""
    pairs = sorted(a / b for a, b in zip(seconds[name], seconds[base], strict=True))
    low, _, high = statistics.quantiles(pairs, n=4) if len(pairs) > 1 else (pairs[0],) * 3
    return statistics.median(pairs), low, high


def peak_bytes(job: Job) -> int:
    """The most tensor memory that was live at once during the job, beyond what was live before
    (CPU).
    """
    job()
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True
    ) as profile:
        job()
    events = sorted(
        (event for event in profile.profiler.kineto_results.events() if event.name() == "[memory]"),
        key=lambda event: event.start_ns(),
    )
    live = peak = 0
    for event in events:
        live += event.nbytes()
        peak = max(peak, live)
    return peak
