"""Are the maps of the automatic layer at least as faithful as those of the layers beside it?

Deletion and insertion decide, where every map takes and gives the same pixels at a time. Average Drop stands beside.
"""

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from curved_nets import TRAINED, trained
from networks import NETWORKS, seeded, written
from tables import arguments, gap_cell, how, made_by, measured, named, score, table, told
from torch import Tensor, nn

import sightline
from sightline.protocol import Protocol
from sightline.results import Paired, Summary, paired, summarise
from sightline.store import Results
from sightline.surgery.choice import choose
from sightline.surgery.layers import Candidate
from sightline.surgery.passing import said
from sightline.surgery.places import surveyed
from sightline.surgery.stages import stages

METHODS = ("grad_cam_pp", "grad_cam")
DROP = "average_drop"
METRICS = "average_drop,deletion,insertion"
IMAGES, MOST = {"MobileNetV2": 32, "SqueezeNet 1.1": 40}, 150
"""At most so many images; of the networks of small pictures MOST."""
SIDES = {"MobileNetV2": 224, "SqueezeNet 1.1": 227, "lookout": 64}
"""The side of the pictures; 32 of the others."""
BEHIND = 6
"""So many maps behind the chosen one are measured at most."""
NETS = (*(name for name in NETWORKS if name != "Tiny Darknet"), *TRAINED)


@dataclass(frozen=True)
class Rival:
    """A layer measured: its name, its shape in words, where it stands to the automatic one (0), and its rows.

    `rows` is None where its maps are blank: the score depends on none of its places.
    """

    layer: str
    shape: str
    place: int
    rows: Results | None


def rivals(net: nn.Module, side: int) -> list[tuple[Candidate, int]]:
    """The chosen layer and those beside it among the network's stages, in the order of running, with their places.

    Those beside it are the one just before, the block before that (what holds convolutions or linear layers), the last
    one with a finer grid, and what comes behind, six at most. A place is the number of stages from the chosen one.

    >>> net = nn.Sequential(
    ...     nn.Conv2d(3, 4, 3),
    ...     nn.ReLU(),
    ...     nn.Conv2d(4, 4, 3, 2),
    ...     nn.ReLU(),
    ...     nn.AdaptiveAvgPool2d(1),
    ...     nn.Flatten(),
    ...     nn.Linear(4, 2),
    ... )
    >>> [(row.name, place) for row, place in rivals(net, 12)]
    [('1', -2), ('2', -1), ('3', 0)]
    """
    one = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    rows, outputs = surveyed(net, one)
    logits = said(outputs)
    assert isinstance(logits, Tensor)
    held = stages(rows, outputs, logits)
    pool = [row for row in rows if any(row is one for one in held) or (is_block(net, row) and not row.inside)]
    chosen = choose(net, one).name
    at = next(k for k, row in enumerate(pool) if row.name == chosen)
    same = [pool[k].grid.size == pool[at].grid.size for k in range(at)]
    finer = [k for k in range(at) if not same[k]][-1:]
    block = [k for k in range(at - 1) if same[k] and is_block(net, pool[k])][-1:]
    kept = sorted({*finer, *block, *range(max(0, at - 1), min(len(pool), at + 1 + BEHIND))})
    return [(pool[k], k - at) for k in kept if np.prod(pool[k].grid.size) > 1]


def is_block(net: nn.Module, row: Candidate) -> bool:
    """Whether a layer is made of several, one of them convolutional or linear; an attention or MLP alone is none."""
    module = net.get_submodule(row.name)
    several = any(True for _ in module.children()) and not re.search("(?i)mlp|attention", type(module).__name__)
    return several and any(isinstance(one, nn.Conv2d | nn.Linear) for one in module.modules())


def loaded(name: str, data: Path, out: Path, limit: int | None) -> tuple[nn.Module, str, dict[str, float]]:
    """A network with its weights, the data it is measured on, and what is known of its training."""
    if name in TRAINED:
        net, note = trained(name, data, out / "curved_nets", limit)
        return net, "cifar10/test.npz", note
    make, where = NETWORKS[name]
    return make(data), where, {}


def run(
    data: Path, out: Path, limit: int | None = None, names: tuple[str, ...] = NETS
) -> tuple[dict[str, list[Rival]], dict[str, float]]:
    """The rows of every network's layers, and the test errors of those trained here."""
    found: dict[str, list[Rival]] = {}
    errors: dict[str, float] = {}
    for name in names:
        net, where, note = loaded(name, data, out, limit)
        errors |= {name: note["error"]} if note else {}
        side, most = SIDES.get(name, 32), min(IMAGES.get(name, MOST), limit or MOST)
        found[name] = []
        for row, place in rivals(net, side):
            rows = None
            if place == 0 or speaks(net, row.name, side):
                rows = measured(net, data / where, METHODS, METRICS, out / "layer_choice" / name, limit=most,
                                protocol=Protocol(layer=row.name, steps=14), batch=8 if side > 64 else 50)  # fmt: skip
            grid = " x ".join(str(one) for one in row.grid.size)
            found[name].append(Rival(row.name, f"{row.channels} of {grid}", place, rows))
            print(name, row.name, place, "blank" if rows is None else f"{len(rows)} rows", flush=True)
    return found, errors


def speaks(net: nn.Module, layer: str, side: int) -> bool:
    """Whether any of four pictures of noise has a map there: behind the last attention of a ViT none has."""
    noise = torch.rand(4, 3, side, side, generator=torch.Generator().manual_seed(0))
    return bool(sightline.explain(net, noise, layer=layer, method="grad_cam").coarse.any())


def values(rows: Results, metric: str, method: str) -> Any:
    """One number an image: a metric, or `order`, insertion less deletion."""
    if metric == "order":
        return values(rows, "insertion", method) - values(rows, "deletion", method)
    return np.asarray(rows.column(metric, method), float) * (100 if metric == DROP else 1)


def against(one: Rival, chosen: Rival, metric: str, method: str) -> Paired:
    """A layer's figure less that of the automatic one, on the same images."""
    a, b = one.rows, chosen.rows
    if a is None or b is None or a.column("source", method) != b.column("source", method):
        raise ValueError(f"Expected rows of {one.layer} and {chosen.layer} on the same images. Measure both anew.")
    return paired(lambda values: values.mean(), values(a, metric, method), values(b, metric, method))


def verdict(layers: list[Rival], method: str, metric: str = "order") -> tuple[str, list[str]]:
    """Better, worse or not told apart: the neighbours against the automatic layer. A cell, and the better ones."""
    (chosen,) = (one for one in layers if one.place == 0)
    beside = [one for one in layers if one.place and one.rows is not None]
    gaps = [against(one, chosen, metric, method) for one in beside]
    sides = [0 if not gap.excludes_zero else 1 if (gap.difference > 0) == (metric == "order") else -1 for gap in gaps]
    better = [
        f"`{one.layer}` ({one.shape}) by {gap_cell(gap, '%' if metric == DROP else '')}"
        for one, gap, side in zip(beside, gaps, sides, strict=True)
        if side > 0
    ]
    worse, blank = sides.count(-1), len(layers) - 1 - len(beside)
    return f"{worse} worse, {sides.count(0)} not told apart, {blank} blank, **{len(better)} better**", better


def page(found: Mapping[str, list[Rival]], errors: Mapping[str, float]) -> list[str]:
    """The page's lines."""
    sums = {(name, one.layer): summarise(one.rows) for name, layers in found.items() for one in layers if one.rows}
    first: Summary = next(iter(sums.values()))
    lines = [
        "**Asked:** sightline finds the layer by its shape (`sightline layers`): the last feature map that still knows "
        "where things are. Are its maps at least as faithful as those of the layers beside it?",
        "",
        "**Measured** for the predicted class, against the stage and the block before it, the last stage with a finer "
        f"grid, and what behind it has a grid, {BEHIND} maps at most. 95 % bootstrap intervals over images; all "
        "differences are a layer less the automatic one, paired. Insertion less deletion (*order*) decides: there all "
        "maps take and give the same number of pixels. Average Drop stands beside, but it is smaller for whatever "
        "hides less. Finer maps also have more values to order the pixels by. The intervals are not corrected for "
        "their number: of forty neighbours that are no better, one will look so.",
        "",
        *trained_here(errors),
        *how(first.run, "14 steps of deletion and insertion. Other layers differ in their name only."),
        *told((), counted(found), whole=True),
        "## In short: the neighbours, against the automatic layer, in order",
        "",
    ]
    cells = [
        [name, f"`{chosen.layer}`", chosen.shape, f"{sums[name, chosen.layer].images}",
         *(verdict(layers, method)[0] for method in METHODS)]
        for name, layers in found.items()
        for chosen in layers if chosen.place == 0
    ]  # fmt: skip
    lines += table(["", "automatic layer", "maps", "images", *(named(method) for method in METHODS)], cells)
    for method in METHODS:
        lines += [f"## {named(method)}", ""]
        for name, layers in found.items():
            lines += table(
                [f"{name}, layer", "maps", "deletion ↓", "insertion ↑", "Average Drop % ↓", "order, less automatic ↑",
                 "drop, less automatic ↓"],
                [_line(sums, name, one, layers, method) for one in layers],
            )  # fmt: skip
    return [*lines, made_by("layer_choice.py", sums.values())]


def _line(sums: Mapping[Any, Summary], name: str, one: Rival, layers: list[Rival], method: str) -> list[str]:
    """A layer in a network's table."""
    if one.rows is None:
        return [f"`{one.layer}`", one.shape, *["blank"] * 3, "–", "–"]
    own = sums[name, one.layer]
    keys = (("deletion", "Deletion"), ("insertion", "Insertion"), (DROP, "Average Drop"))
    figures = [score(own, *key, method) for key in keys]
    if one.place == 0:
        return [f"**`{one.layer}`**", one.shape, *figures, "automatic", "automatic"]
    chosen = next(other for other in layers if other.place == 0)
    gaps = [gap_cell(against(one, chosen, metric, method), unit) for metric, unit in (("order", ""), (DROP, "%"))]
    return [f"`{one.layer}`", one.shape, *figures, *gaps]


def trained_here(errors: Mapping[str, float]) -> list[str]:
    """Which networks are small ones of this program, and how often they err."""
    some = ", ".join(f"{name} {100 * error:.0f} %" for name, error in errors.items())
    return [f"Trained here on 10,000 CIFAR-10 images, one seed, test errors: {some}. The others have real weights.", ""]


def counted(found: Mapping[str, list[Rival]]) -> list[str]:
    """For each method: on how many networks no neighbour is better, and those that are, by name."""
    lines = []
    for method, (metric, title) in itertools.product(METHODS, (("order", "order"), (DROP, "Average Drop alone"))):
        better = {name: verdict(layers, method, metric)[1] for name, layers in found.items()}
        none = [name for name, some in better.items() if not some]
        some = "; ".join(f"{name}: {', '.join(ones)}" for name, ones in better.items() if ones)
        lines.append(f"**{named(method)}, {title}:** no neighbour is shown to be better on {len(none)} of "
                     f"{len(better)} networks ({', '.join(none) or 'none'}). Better: {some or 'none'}.")  # fmt: skip
    return lines


def main() -> None:
    """Measure, and write the page."""
    given = arguments(__doc__)
    seeded()
    found, errors = run(given.data, given.out, given.limit)
    lines = page(found, errors)
    written(given.pages / "layer_choice.md", "Is the automatic layer a good one?", lines)


if __name__ == "__main__":
    main()
