"""Are the maps of the automatic layer at least as faithful as those of the layers beside it?

Deletion and insertion decide, where every map takes and gives the same pixels at a time. Average
Drop stands beside.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import coarse_nets
import curved_nets
import numpy as np
import torch
from networks import NETWORKS, seeded, written
from tables import arguments, gap_cell, how, made_by, measured, named, score, table, told
from torch import nn

from sightline import describe
from sightline.evaluation.compare_layers import has_maps
from sightline.evaluation.report import Interval, Paired, Summary, bootstrap, paired, summarise
from sightline.evaluation.store import Results
from sightline.metrics.metric import mean as average
from sightline.models import card_of
from sightline.protocol import Protocol
from sightline.surgery.layers.neighbours import neighbours

METHODS = ("grad_cam_pp", "grad_cam")
DROP = "average_drop"
METRICS = "average_drop,deletion,insertion"
SMALLER = {"MobileNetV2 (128 px)": "MobileNetV2", "lookout (32 px)": "lookout"}
"""Networks on pictures so small that their last stage has 4 x 4 places."""
IMAGES, MOST = {"MobileNetV2": 32, "SqueezeNet 1.1": 40, "MobileNetV2 (128 px)": 32}, 150
"""At most so many images; of the networks of small pictures MOST."""
SIDES = {"MobileNetV2": 224, "SqueezeNet 1.1": 227, "lookout": 64, "MobileNetV2 (128 px)": 128}
"""The side of the pictures; 32 of the others."""
CURVED = tuple(name for name in curved_nets.TRAINED if name not in ("ConvNeXt", "Swin"))
"""The other two are among those of 4 x 4 places, trained longer."""
NETS = (
    *(name for name in NETWORKS if name != "Tiny Darknet"),
    *CURVED,
    *coarse_nets.COARSE,
    *SMALLER,
)
SAID = (
    (
        "**As a rule the automatic layer is the better one:** each of the three other rules loses"
        " on average over the networks, with Grad-CAM++ and with Grad-CAM. No layer behind it has"
        " maps that are not blank."
    ),
    (
        "**Not on each network.** Where the last stage has 7 x 7 places or more, no neighbour is"
        " shown to be better. Where it has 4 x 4, the 8 x 8 stage before it is better on the"
        " ResNet, the MobileNet and the ConvNeXt; worse with Grad-CAM++ on the plain ReLU network"
        " and on lookout's small pictures, with Grad-CAM on MobileNetV2's; and on the Swin worse"
        " with Grad-CAM++ and better with Grad-CAM. On the Swin the block before is better, too. On"
        " average over the nine nothing is won or lost. So the rule stays ([decision"
        " 17](../decisions/0017-the-last-map-of-four-places.md))."
    ),
    "**Your network:** `sightline layers MODEL --measure photos/` makes this comparison on it.",
)
ROLES = {
    "the last stage with a finer grid": lambda one, chosen: (
        one.place < 0 and one.grid != chosen.grid
    ),
    "the block before": lambda one, chosen: one.place < -1 and one.grid == chosen.grid,
    "the stage just before": lambda one, chosen: one.place == -1,
    "what comes behind": lambda one, chosen: one.place > 0,
}
"""What another rule would have taken: neighbours by where they stand. One may play two parts."""


@dataclass(frozen=True)
class Rival:
    """A layer measured: its name, its channels and grid, where it stands to the automatic one (0),
    and its rows.

    `rows` is None where its maps are blank: the score depends on none of its places.
    """

    layer: str
    channels: int
    grid: tuple[int, ...]
    place: int
    rows: Results | None

    @property
    def shape(self) -> str:
        """How many maps of how many places.

        >>> Rival("layer4", 512, (7, 7), 0, None).shape
        '512 of 7 x 7'
        """
        return f"{self.channels} of {' x '.join(map(str, self.grid))}"


def loaded(
    name: str, data: Path, out: Path, limit: int | None
) -> tuple[nn.Module, str, dict[str, float]]:
    """A network with its weights, the data it is measured on, and what is known of its training."""
    for program, names in ((curved_nets, CURVED), (coarse_nets, coarse_nets.COARSE)):
        if name in names:
            net, note = program.trained(name, data, out / program.__name__, limit)
            return net, "cifar10/test.npz", note
    make, where = NETWORKS[SMALLER.get(name, name)]
    net = make(data)
    if name in SMALLER:  # as much of the picture as before, in fewer pixels
        card, side = card_of(net), SIDES.get(name, 32)
        resize = round(side * card.preprocess.resize / card.preprocess.crop[0])
        describe(
            net,
            replace(card, preprocess=replace(card.preprocess, resize=resize, crop=(side, side))),
        )
    return net, where, {}


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
        one = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0))
        for row, place in neighbours(net, one):
            rows = None
            if place == 0 or has_maps(net, row.name, one):
                rows = measured(
                    net,
                    data / where,
                    METHODS,
                    METRICS,
                    out / "layer_choice" / name,
                    limit=most,
                    protocol=Protocol(layer=row.name, steps=14),
                    batch=8 if side > 64 else 50,
                )
            found[name].append(Rival(row.name, row.channels, row.grid.size, place, rows))
            print(
                name, row.name, place, "blank" if rows is None else f"{len(rows)} rows", flush=True
            )
    return found, errors


def values(rows: Results, metric: str, method: str) -> Any:
    """One number an image: a metric, or `order`, insertion less deletion."""
    if metric == "order":
        return values(rows, "insertion", method) - values(rows, "deletion", method)
    return np.asarray(rows.column(metric, method), float) * (100 if metric == DROP else 1)


def against(one: Rival, chosen: Rival, metric: str, method: str) -> Paired:
    """A layer's figure less that of the automatic one, on the same images."""
    a, b = one.rows, chosen.rows
    if a is None or b is None or a.column("source", method) != b.column("source", method):
        raise ValueError(
            f"Expected rows of {one.layer} and {chosen.layer} on the same images. Measure both"
            " anew."
        )
    return paired(average, values(a, metric, method), values(b, metric, method))


def verdict(layers: list[Rival], method: str, metric: str = "order") -> tuple[str, list[str]]:
    """Better, worse or not told apart: the neighbours against the automatic layer. A cell, and the
    better ones.
    """
    (chosen,) = (one for one in layers if one.place == 0)
    beside = [one for one in layers if one.place and one.rows is not None]
    gaps = [against(one, chosen, metric, method) for one in beside]
    sides = [
        0 if not gap.excludes_zero else 1 if (gap.difference > 0) == (metric == "order") else -1
        for gap in gaps
    ]
    better = [
        f"`{one.layer}` ({one.shape}) by {gap_cell(gap, '%' if metric == DROP else '')}"
        for one, gap, side in zip(beside, gaps, sides, strict=True)
        if side > 0
    ]
    worse, blank = sides.count(-1), len(layers) - 1 - len(beside)
    return (
        f"{worse} worse, {sides.count(0)} not told apart, {blank} blank, **{len(better)} better**",
        better,
    )


def other_rule(
    found: Mapping[str, list[Rival]], role: str, method: str
) -> tuple[Interval, int, int]:
    """What another rule would gain in order: the mean over networks, and on how many it is better
    and worse.

    Several layers of a network that play the part count as their mean; blank ones take part in
    nothing.
    """
    means, better, worse = [], 0, 0
    for layers in found.values():
        (chosen,) = (one for one in layers if one.place == 0)
        gaps = [
            against(one, chosen, "order", method)
            for one in layers
            if one.rows and ROLES[role](one, chosen)
        ]
        if gaps:
            means.append(np.mean([gap.difference for gap in gaps]))
            better += any(gap.excludes_zero and gap.difference > 0 for gap in gaps)
            worse += any(gap.excludes_zero and gap.difference < 0 for gap in gaps)
    return bootstrap(average, np.array(means)), better, worse


def other_rules(found: Mapping[str, list[Rival]]) -> list[str]:
    """The table of the other rules, on all networks and on those whose automatic layer has 4 x 4
    places.
    """
    coarse = {
        name: layers
        for name, layers in found.items()
        if any(not one.place and max(one.grid) == 4 for one in layers)
    }
    lines = ["## As a rule: would another layer do better?", ""]
    cells = []
    for words, some in (("", found), (", where the automatic layer has 4 x 4 places", coarse)):
        for role in ROLES:
            row = [f"{role}{words}"]
            for method in METHODS:
                mean, better, worse = other_rule(some, role, method)
                gap = gap_cell(Paired(mean.estimate, mean.low, mean.high, 1.0, mean.n), "")
                row += (
                    [f"{gap}; better on {better} of {mean.n}, worse on {worse}"] if mean.n else []
                )
            cells += [row] if row[1:] else []
    head = ["instead of the automatic layer", *(f"{named(method)}, order ↑" for method in METHODS)]
    note = (
        "The mean over networks of the paired differences, with a 95 % bootstrap interval over"
        " networks."
    )
    return [*lines, note, "", *table(head, cells)]


def page(
    found: Mapping[str, list[Rival]], errors: Mapping[str, float], whole: bool = False
) -> list[str]:
    """The page's lines; of a `whole` run also what a person says of it."""
    sums = {
        (name, one.layer): summarise(one.rows)
        for name, layers in found.items()
        for one in layers
        if one.rows
    }
    first: Summary = next(iter(sums.values()))
    lines = [
        (
            "**Asked:** sightline finds the layer by its shape (`sightline layers`): the last"
            " feature map that still knows where things are. Are its maps at least as faithful as"
            " those of the layers beside it?"
        ),
        "",
        (
            "**Measured** for the predicted class, against the stage and the block before it, the"
            " last stage with a finer grid, and what behind it has a grid, six maps at most. 95 %"
            " bootstrap intervals over images; all differences are a layer less the automatic one,"
            " paired. Insertion less deletion (*order*) decides: there all maps take and give the"
            " same number of pixels. Average Drop stands beside, but it is smaller for whatever"
            " hides less. Finer maps also have more values to order the pixels by. The intervals"
            " are not corrected for their number: of forty neighbours that are no better, one will"
            " look so."
        ),
        "",
        *trained_here(errors),
        *how(
            first.run, "14 steps of deletion and insertion. Other layers differ in their name only."
        ),
        *other_rules(found),
        *told(SAID, counted(found), whole),
        "## In short: the neighbours, against the automatic layer, in order",
        "",
    ]
    cells = [
        [
            name,
            f"`{chosen.layer}`",
            chosen.shape,
            f"{sums[name, chosen.layer].images}",
            *(verdict(layers, method)[0] for method in METHODS),
        ]
        for name, layers in found.items()
        for chosen in layers
        if chosen.place == 0
    ]
    lines += table(
        ["", "automatic layer", "maps", "images", *(named(method) for method in METHODS)], cells
    )
    for method in METHODS:
        lines += [f"## {named(method)}", ""]
        for name, layers in found.items():
            lines += table(
                [
                    f"{name}, layer",
                    "maps",
                    "deletion ↓",
                    "insertion ↑",
                    "Average Drop % ↓",
                    "order, less automatic ↑",
                    "drop, less automatic ↓",
                ],
                [_line(sums, name, one, layers, method) for one in layers],
            )
    return [*lines, made_by("layer_choice.py", sums.values())]


def _line(
    sums: Mapping[Any, Summary], name: str, one: Rival, layers: list[Rival], method: str
) -> list[str]:
    """A layer in a network's table."""
    if one.rows is None:
        return [f"`{one.layer}`", one.shape, *["blank"] * 3, "–", "–"]
    own = sums[name, one.layer]
    keys = (("deletion", "Deletion"), ("insertion", "Insertion"), (DROP, "Average Drop"))
    figures = [score(own, *key, method) for key in keys]
    if one.place == 0:
        return [f"**`{one.layer}`**", one.shape, *figures, "automatic", "automatic"]
    chosen = next(other for other in layers if other.place == 0)
    gaps = [
        gap_cell(against(one, chosen, metric, method), unit)
        for metric, unit in (("order", ""), (DROP, "%"))
    ]
    return [f"`{one.layer}`", one.shape, *figures, *gaps]


def trained_here(errors: Mapping[str, float]) -> list[str]:
    """Which networks are small ones of this program, and how often they err."""
    some = ", ".join(f"{name} {100 * error:.0f} %" for name, error in errors.items())
    return [
        (
            f"Trained here on 10,000 CIFAR-10 images, one seed, test errors: {some}. The others"
            " have real weights."
        ),
        "",
    ]


def counted(found: Mapping[str, list[Rival]]) -> list[str]:
    """For each method: on how many networks no neighbour is better, and those that are, by name."""
    lines = []
    for method, (metric, title) in itertools.product(
        METHODS, (("order", "order"), (DROP, "Average Drop alone"))
    ):
        better = {name: verdict(layers, method, metric)[1] for name, layers in found.items()}
        none = [name for name, some in better.items() if not some]
        some = "; ".join(f"{name}: {', '.join(ones)}" for name, ones in better.items() if ones)
        lines.append(
            f"**{named(method)}, {title}:** no neighbour is shown to be better on {len(none)} of "
            f"{len(better)} networks ({', '.join(none) or 'none'}). Better: {some or 'none'}."
        )
    return lines


def main() -> None:
    """Measure, and write the page."""
    given = arguments(__doc__)
    seeded()
    found, errors = run(given.data, given.out, given.limit)
    lines = page(found, errors, whole=given.limit is None)
    written(given.pages / "layer_choice.md", "Is the automatic layer a good one?", lines)


if __name__ == "__main__":
    main()
