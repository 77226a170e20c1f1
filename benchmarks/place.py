"""Whether the proof of a map's place tells right readings from wrong ones, and what it costs.

    PYTHONPATH=tests python benchmarks/place.py                         # the zoo: hours
    PYTHONPATH=tests python benchmarks/place.py --only timm "torchvision resnet"
    PYTHONPATH=tests python benchmarks/place.py --only nothing          # the page alone

Every network at the size it was made for, with random weights. For each the automatic layer is
proved as it is read, and in six wrong readings: planted in how the layer's output is read, and once
more inside the model, in what it makes of the picture. Where the graph tells, the same is measured
too, as it would be where the graph does not.
A price is the processor's time of a proof over that of a bare forward, the median of three.

Each network is a line in a file: those that are there are not run again. What is slower than
`--most-seconds` a forward is left for another run; `--small` runs it at a smaller size.
"""

import argparse
import json
import logging
import os
import statistics
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from networks import Network, networks
from place_page import page, table
from torch import Tensor, nn
from torch.nn import functional as F

from sightline.surgery import Given, Grid, LayerRun, Proof, choose
from sightline.surgery.place import proof as proofs
from sightline.surgery.place.look_back import noise
from sightline.surgery.place.opened import opened
from sightline.surgery.place.statistic import Figures

os.environ["SIGHTLINE_CACHE"] = "off"  # a proof that is found costs nothing
ROOT = Path(__file__).resolve().parents[1]
QUICK, SLOW = 0.05, 0.5
"""Seconds of a forward: of networks that are not quick nothing is planted inside, but another
picture; of slow ones of which the graph tells nothing is measured beside.
"""
Reading = Callable[[Tensor], Tensor]

MOVED: dict[str, Reading] = {
    "axes swapped": lambda x: x.transpose(-1, -2),
    "mirrored": lambda x: x.flip(-1),
    "shifted by half": lambda x: x.roll(x.shape[-1] // 2, -1),
}
"""Of a map `[b, c, *s]` as of a picture."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", default=[""], help="beginnings of networks' names")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "place.jsonl")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "results" / "place.md")
    parser.add_argument("--most-seconds", type=float, default=3.0, help="for a bare forward")
    parser.add_argument("--small", action="store_true", help="at the size of the tests' table")
    parser.add_argument("--own-weights", action="store_true", help="as the libraries draw them")
    parser.add_argument("--right", action="store_true", help="the right readings alone")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    listen = Listener()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    drawn = options.out.with_stem(f"{options.out.stem}_own_weights")
    out = drawn if options.own_weights else options.out
    for network in networks(own_weights=options.own_weights):
        if not network.name.startswith(tuple(options.only)) or network.name in known(out):
            continue
        try:
            row = measured(
                network, listen, options.most_seconds, small=options.small, right=options.right
            )
        except Exception:  # a network that cannot be built or run says so, and the next one comes
            traceback.print_exc()
            continue
        if row is None:
            print(f"{network.name}: too slow", flush=True)
            continue
        print(table([row]), flush=True)
        with out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
    rows, others = (list(known(one).values()) for one in (options.out, drawn))
    options.page.write_text(page(rows, others, list(networks())), encoding="utf-8")


def known(out: Path) -> dict[str, dict[str, Any]]:
    """What was measured so far, by the networks' names."""
    lines = out.read_text(encoding="utf-8").splitlines() if out.exists() else []
    rows = [json.loads(line) for line in lines]
    return {row["name"]: row for row in rows}


class Listener(logging.Handler):
    """Hears what a proof says while it is made: its figures, and what the graph did not tell."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.figures: list[Figures] = []
        self.step = ""
        self.slow = False
        proofs.logger.setLevel(logging.DEBUG)
        proofs.logger.addHandler(self)
        proofs.logger.propagate = False

    def emit(self, record: logging.LogRecord) -> None:
        """Keep what was said."""
        args = record.args if isinstance(record.args, tuple) else ()
        for one in args:
            if isinstance(one, Figures):
                self.figures.append(one)
            else:
                self.step = str(one)


def measured(
    network: Network, listen: Listener, most: float, *, small: bool, right: bool
) -> dict[str, Any] | None:
    """One network's row; None where a bare forward takes more seconds than `most`."""
    build = (network.small or network.build) if small else network.build
    model, inputs = build()
    given = Given.of(model, inputs)
    forward = seconds(given)
    if forward > most:
        return None
    listen.slow = forward > SLOW
    choice = choose(model, given)
    run = LayerRun(choice.name, choice.call, choice.grid)
    here = opened(given, run, noise(given, 0), graph=False)
    assert here is not None
    forwards = [seconds(given) for _ in range(3)]
    start = time.process_time()
    found = heard(listen, given, run)
    price = (time.process_time() - start) / statistics.median(forwards)
    alone = measured_too(found, listen, given, LayerRun(run.name, run.call, own(here.grid.read)))
    proofs.prove(given, run)
    start = time.process_time()
    proofs.prove(given, run)
    return {
        "name": network.name,
        "kind": network.kind,
        "half": network.half,
        "size": list(given.size),
        "layer": run.name,
        "layout": here.grid.kind,
        "grid": list(here.grid.read(here.map).shape[2:]),
        "forward": statistics.median(forwards),
        "price": price,
        "again": (time.process_time() - start) / forwards[-1],
        "right": found,
        "measured": alone,
        "planted": {}
        if right
        else planted(listen, given, inputs, run, here.grid, inside=forward < QUICK),
    }


def seconds(given: Given) -> float:
    with torch.no_grad():
        start = time.process_time()
        given.run()
    return time.process_time() - start


def measured_too(
    found: dict[str, Any], listen: Listener, given: Given, run: LayerRun
) -> dict[str, Any]:
    """What is measured of a layer that the graph told of; what was found, where it did not."""
    if found["way"] == "measured" or listen.slow:
        return found
    tells = proofs.by_own_reading
    proofs.by_own_reading = lambda *_: None
    try:
        return heard(listen, given, run)  # of a function `by_structure` knows nothing
    finally:
        proofs.by_own_reading = tells


def heard(listen: Listener, given: Given, run: LayerRun) -> dict[str, Any]:
    """A proof made anew, whatever is remembered, with the figures that led to it."""
    listen.figures, listen.step = [], ""
    found: Proof = proofs._prove(given, run)
    last = listen.figures[-1] if listen.figures else None
    figures = {} if last is None else {**asdict(last), "share": last.share}
    return {**asdict(found), "looks": len(listen.figures), "step": listen.step, **figures}


def planted(
    listen: Listener, given: Given, inputs: Any, run: LayerRun, grid: Grid, *, inside: bool
) -> dict[str, dict[str, Any]]:
    """What is said of each wrong reading; with `inside` also of what the model does inside."""
    rows = {}
    rims = {"a zero rim": lambda x: F.pad(x, (1,) * 2 * (x.ndim - 2))}
    for name, reading in (MOVED | rims | {"channels as places": other_layout(grid)}).items():
        wrong = LayerRun(run.name, run.call, own(lambda out, f=reading: f(grid.read(out))))
        found = heard(listen, given, wrong)
        rows[name] = {**found, "measured": measured_too(found, listen, given, wrong)}
    insides: dict[str, nn.Module] = {
        f"{name}, inside": Wrapper(given.model, moving)
        for name, moving in MOVED.items()
        if inside and (name != "axes swapped" or given.size[-1] == given.size[-2])
    }
    insides["another picture"] = Another(given.model)
    for name, wrapper in insides.items():
        inner = LayerRun(f"net.{run.name}".rstrip("."), run.call, run.grid)
        rows[name] = heard(listen, Given.of(wrapper, inputs), inner)
    return rows


def own(reader: Reading) -> Grid:
    """A layer's output as a function reads it; of several tensors in it the one with a grid."""
    return Grid("own", (), reader=reader)


def other_layout(grid: Grid) -> Reading:
    """A map with its channels in front read as one that has them behind, and the reverse."""
    if grid.kind == "channels first":
        return lambda x: x.movedim(-1, 1)
    return lambda x: x.movedim(1, -1)


class Wrapper(nn.Module):
    """A network that does something to its picture first."""

    def __init__(self, net: nn.Module, moving: Reading) -> None:
        super().__init__()
        self.net, self.moving = net, moving

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the network says of the moved picture."""
        return self.net(
            *(self._moved(one) for one in args),
            **{name: self._moved(one) for name, one in kwargs.items()},
        )

    def _moved(self, one: Any) -> Any:
        is_picture = isinstance(one, Tensor) and one.ndim >= 4 and one.is_floating_point()
        return self.moving(one) if is_picture else one


class Another(Wrapper):
    """A network that runs on its picture, and then on another one."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__(net, self._other)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What it says of both."""
        return self.net(*args, **kwargs), super().forward(*args, **kwargs)

    @staticmethod
    def _other(one: Tensor) -> Tensor:
        generator = torch.Generator("cpu").manual_seed(7)
        return torch.randn(one.shape, generator=generator, device="cpu").to(one)


if __name__ == "__main__":
    main()
