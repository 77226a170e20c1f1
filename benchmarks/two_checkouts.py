"""Is one checkout as fast as another? Both run in turns, each in a process of its own.

    python benchmarks/two_checkouts.py OLD NEW                     # explain and evaluate
    python benchmarks/two_checkouts.py OLD NEW --jobs explain --models resnet50 --pairs 21

OLD and NEW are folders that hold `src/sightline`. Two workers import one each, build the same
networks with the same weights, and then take turns, in a new order at every pair, so that a busy
moment strikes both. Printed are the median of the paired ratios new / old and an interval of the
median that holds it in at least 95 of 100 runs: the order statistics that a fair coin gives, which
suppose nothing about how times are spread (for 11 pairs the 2nd and the 10th, 98.8 %).
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import time
from math import comb
from pathlib import Path
from typing import Any

MODELS = ["lookout", "mobilenet_v2", "resnet50", "vit_b_16"]
REPEATS = {"lookout": 20, "mobilenet_v2": 8, "resnet50": 3, "vit_b_16": 1}
"""Calls of explain that are timed together, so that a pair takes a few tenths of a second."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument(
        "--jobs", nargs="+", default=["explain", "evaluate"]
    )  # also: lambdas, sizes
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--pairs", type=int, default=11)
    options = parser.parse_args()
    workers = {name: Worker(path) for name, path in (("old", options.old), ("new", options.new))}
    print(f"{'job':10} {'network':14} {'old, ms':>9}  new / old  [interval]")
    for job in options.jobs:
        for model in options.models:
            seconds = paired(workers, {"job": job, "model": model}, options.pairs)
            ratios = sorted(n / o for n, o in zip(seconds["new"], seconds["old"], strict=True))
            low, high = interval(ratios)
            old = 1e3 * statistics.median(seconds["old"])
            middle = statistics.median(ratios)
            print(
                f"{job:10} {model:14} {old:9.1f}  {middle:9.3f}  [{low:.3f}, {high:.3f}]",
                flush=True,
            )


def paired(workers: dict[str, Any], task: dict[str, str], pairs: int) -> dict[str, list[float]]:
    """Seconds of both workers, pair by pair, the first of each pair drawn by lot."""
    lot = random.Random(0)
    for worker in workers.values():
        worker.ask(task), worker.ask(task)  # warm
    seconds: dict[str, list[float]] = {name: [] for name in workers}
    for _ in range(pairs):
        for name in lot.sample(list(workers), len(workers)):
            seconds[name].append(workers[name].ask(task))
    return seconds


def interval(ordered: list[float], level: float = 0.95) -> tuple[float, float]:
    """The closest pair of order statistics, as far from both ends, that holds the median."""
    n, k, outside = len(ordered), 0, 0.0
    while True:
        outside += 2 * comb(n, k) / 2**n
        if outside > 1 - level or k >= n // 2:
            break
        k += 1
    k = max(k, 1)
    return ordered[k - 1], ordered[n - k]


class Worker:
    """A process that has imported one checkout, and says how long a task took."""

    def __init__(self, checkout: Path) -> None:
        source = checkout.resolve() / "src"
        environment = {**os.environ, "PYTHONPATH": str(source)}
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--work", str(source)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def ask(self, task: dict[str, str]) -> float:
        """The seconds of a task."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps(task), file=self.process.stdin, flush=True)
        return float(self.process.stdout.readline())


def work(source: str) -> None:
    """Read tasks from standard input, a line each; write how many seconds each took."""
    import torch

    import sightline

    assert str(sightline.__file__).startswith(source), sightline.__file__
    built: dict[str, Any] = {}
    sides = dict.fromkeys(MODELS, 64)
    for line in sys.stdin:
        task = json.loads(line)
        name = task["model"]
        if name not in built:
            torch.manual_seed(0)
            model = sightline.load(name, pretrained=name == "lookout").model
            size = 80 if name == "lookout" else 224
            built[name] = model.eval(), torch.rand(4, 3, size, size)
        model, images = built[name]
        start = time.perf_counter()
        if task["job"] == "explain":
            for _ in range(REPEATS[name]):
                sightline.explain(model, images[:1])
        elif task["job"] == "lambdas":  # a new function in each call, that reads the same
            for k in range(REPEATS[name]):
                sightline.explain(model, images[:1], lambda out, k=k: out[:, k], "grad_cam")
        elif task["job"] == "sizes":  # as long as they are new: never the same twice
            for _ in range(max(1, REPEATS[name] // 4)):
                side, sides[name] = sides[name], sides[name] + 1
                sightline.explain(model, torch.rand(1, 3, side, side + 9))
        else:
            sightline.evaluate(
                model, [images], ["grad_cam_pp", "grad_cam", "centre"], progress=False, views=0
            )
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--work"]:
        work(sys.argv[2])
    else:
        main()
