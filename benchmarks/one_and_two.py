"""Whether one picture alone has the same maps as in a batch of two, on the whole zoo.

    PYTHONPATH=tests python benchmarks/one_and_two.py            # timm's families: an hour
    PYTHONPATH=tests python benchmarks/one_and_two.py --only "timm levit" torchvision
    PYTHONPATH=tests python benchmarks/one_and_two.py --only nothing                # the page alone

A batch of one and one of two take different ways through torch's operators, and through ours; in
float64 nothing but rounding may come of it. The networks have weights as if they were trained (see
`tests/helpers/one_and_two.py`), a small picture and ten classes. Each is a line in a file: those
that are there are not run again. What takes longer than its limit is left out, and the page says
so.
"""

import argparse
import json
import os
import signal
import time
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from one_and_two_page import page
from torch import Tensor, nn
from two_pictures import Pair, pairs

import sightline
from helpers.one_and_two import as_if_trained, compared
from sightline import explain
from sightline.methods import METHODS
from sightline.supply import requests

ROOT = Path(__file__).resolve().parents[1]
LOOKED_AT_AGAIN = 1e-9
"""Above it is measured how much of a map cancels out."""

CLOSED = (
    "grad_cam", "grad_cam_pp", "grad_cam_pp_sigmoid", "grad_cam_plus", "xgrad_cam", "layer_cam",
    "hires_cam", "elementwise_grad_cam", "eigen_grad_cam",
)  # fmt: skip
"""The methods that ask for the gradients of one score."""


@dataclass(frozen=True)
class Job:
    """Some methods, asked together as a user would, at the last so many of the three layers."""

    methods: tuple[str, ...]
    last: int = 3
    questions: tuple[int, ...] = (3,)
    options: dict[str, Any] = field(default_factory=dict)
    pixels: bool = False
    words: str = ""


JOBS = {
    "usual": (
        Job(CLOSED),
        Job(CLOSED, last=1, words="the automatic layer alone"),
        Job(("grad_cam_pp", "hires_cam"), questions=(3, 5), words="two questions"),
        Job(("gradient", "guided_backprop", "deconvnet"), pixels=True),
        Job(("full_grad",), pixels=True),
    ),
    "dear": (
        Job(("grad_cam_pp_softmax", "grad_cam_pp_log_softmax"), last=2),
        Job(("shapley_cam",), last=2),
        Job(("smooth_grad_cam_pp",), options={"samples": 1}),
        Job(("guided_grad_cam",), last=1),
        Job(("gradient",), questions=(3, 5), pixels=True, words="two questions"),
        Job(("opti_cam",), last=1, options={"steps": 2}),
        Job(("grad_cam_pp",), last=1, options={"alpha": "exact"}, words="exact"),
    ),
}
"""What a network is asked; what is dear comes when all networks were asked the usual."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", default=["timm"], help="beginnings of networks' names")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "one_and_two.jsonl")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "results" / "one_and_two.md")
    parser.add_argument("--most-seconds", type=float, default=20.0, help="for a job")
    parser.add_argument("--parts", nargs="+", default=list(JOBS), choices=JOBS)
    parser.add_argument("--again", action="store_true", help="also those that are there")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    os.environ["SIGHTLINE_STRICT"] = "1"  # a mistake in a fast way is an error and no slow day
    options.out.parent.mkdir(parents=True, exist_ok=True)
    zoo = [one for one in pairs() if one.name.startswith(tuple(options.only))]
    for part in options.parts:
        for network in zoo:
            there = known(options.out)
            if (network.name, part) in there and not options.again:
                continue
            usual = there.get((network.name, "usual"), {})
            limit = options.most_seconds / (4 if part == "dear" else 1)
            row = measured(network, part, limit, usual.get("layers"))
            print(told(row), flush=True)
            with options.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
    options.page.write_text(
        page(known(options.out), [one.name for one in pairs()]), encoding="utf-8"
    )


def known(out: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """What was measured so far, by networks' names and parts; the last word counts."""
    lines = out.read_text(encoding="utf-8").splitlines() if out.exists() else []
    return {(row["name"], row["part"]): row for row in map(json.loads, lines)}


def told(row: dict[str, Any]) -> str:
    """A row in a line."""
    far = {key: value for key, value in row["figures"].items() if not value <= LOOKED_AT_AGAIN}
    worst = max(row["figures"].values(), default=float("nan"))
    rest = {key: row[key] for key in ("left", "left_out", "error") if row.get(key)}
    return f"{row['name']} {row['seconds']:.0f} s: {len(row['figures'])}, {worst:.1e} {far} {rest}"


def measured(
    network: Pair, part: str, limit: float, layers: list[str] | None = None
) -> dict[str, Any]:
    """One network's row; its layers are looked for where they are not known."""
    start = time.process_time()
    row: dict[str, Any] = {"name": network.name, "part": part, "figures": {}, "left_out": {}}
    try:
        model, both = network.build()
        one, two = only_first(both), both
        as_if_trained(model, two) if isinstance(two, Tensor) else as_if_trained(model, **two)
        row |= {
            "layers": layers or three_layers(model, one),
            "outputs": outputs_apart(model, one, two),
        }
        for job in JOBS[part]:
            _do(row, job, model, one, two, network.target, limit)
    except Exception as error:
        traceback.print_exc()
        row["error"] = f"{type(error).__name__}: {str(error).splitlines()[0]}"
    return row | {"seconds": time.process_time() - start}


def _do(
    row: dict[str, Any], job: Job, model: nn.Module, one: Any, two: Any, target: Any, limit: float
) -> None:
    """One job, its figures written into the row."""
    layers = None if job.pixels else row["layers"][-job.last :]
    asked: Any = list(job.questions) if len(job.questions) > 1 else job.questions[0]
    if target is not None:
        asked = target
    words = f" ({job.words})" if job.words else ""
    try:
        with at_most(limit):
            found = compared(model, one, two, asked, list(job.methods), layers, **job.options)
    except TooSlow:
        row["left_out"][f"{', '.join(job.methods)}{words}"] = f"longer than {limit:g} s"
        return
    except sightline.SightlineError as error:
        row["left_out"][f"{', '.join(job.methods)}{words}"] = str(error).splitlines()[0]
        return
    for (method, layer), value in found.items():
        row["figures"][f"{method}{words} @ {layer}"] = value
        if value > LOOKED_AT_AGAIN and method in (*CLOSED, "shapley_cam") and not job.options:
            # Shapley-CAM's weights are means of gradients, as Grad-CAM's, and a correction.
            summed = "grad_cam" if method == "shapley_cam" else method
            left = share_left(model, two, asked, summed, layer)
            row.setdefault("left", {})[f"{method}{words} @ {layer}"] = left


def three_layers(model: nn.Module, one: Any) -> list[str]:
    """The first with a grid, the one in the middle, the automatic one, in the order of running.

    What lies inside an attention or an MLP is no layer one would look at.
    """
    rows = sightline.layers(model, one)
    names = [row.name for row in rows if not row.inside] or [row.name for row in rows]
    chosen = next(row.name for row in rows if row.chosen)
    return list(dict.fromkeys((names[0], names[len(names) // 2], chosen)))


def only_first(both: Any) -> Any:
    if isinstance(both, Tensor):
        return both[:1]
    return {key: value[:1] for key, value in both.items()}


@torch.no_grad()
def outputs_apart(model: nn.Module, one: Any, two: Any) -> float:
    """How far the outputs themselves are apart: what no way back can be better than."""
    a, b = (model(one) if isinstance(one, Tensor) else model(**one) for one in (one, two))
    a, b = (next(iter(out.values())) if isinstance(out, dict) else out for out in (a, b))
    a, b = (out[0] if isinstance(out, tuple | list) else out for out in (a, b))
    return float((a - b[:1]).abs().max() / b[:1].abs().max())


def share_left(model: nn.Module, two: Any, target: Any, method: str, layer: str) -> float:
    """The largest of a map over the largest sum of the sizes of what is summed: 1 e-10 is rounding.

    A map is a sum over channels, its weights may be sums over places, and rounding is a share of
    what is summed, not of the sum.
    """
    function = METHODS[method]

    def sizes(activations: Tensor, gradients: Tensor, scores: Tensor) -> Tensor:
        if method in ("grad_cam", "xgrad_cam"):
            gradients = gradients.abs()
        given = {"activations": activations, "gradients": gradients, "scores": scores}
        weights = function(**{word: given[word] for word in requests(function)})
        return weights.abs() * activations.sign()

    found = [
        explain(model, two, target, one, layer, place="unchecked").coarse[:1].abs().max()
        for one in (method, sizes)
    ]
    return float(found[0] / found[1])


class TooSlow(BaseException):
    """Longer than the limit; no `Exception`, or a fast way that is given up would swallow it."""


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raises `TooSlow` inside after so much of the processor's time."""

    def stop(*_: Any) -> None:
        raise TooSlow

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


if __name__ == "__main__":
    main()
