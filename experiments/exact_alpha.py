"""Is Grad-CAM++ more faithful with the true derivatives in its alpha? On networks that are not made
of straight pieces.

Equation 10 divides second and third derivatives; the closed form supposes them. `alpha="exact"`
makes them.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from curved_nets import TRAINED, trained
from networks import NETWORKS, seeded, written
from small_nets import cifar_pictures, normalised
from tables import (
    TITLES,
    arguments,
    fooled,
    gap,
    gap_cell,
    how,
    made_by,
    measured,
    named,
    score,
    table,
    told,
    verdict,
    win_cell,
)
from torch import Tensor, nn

import sightline
from sightline.evaluation.report import Summary, bootstrap, summarise
from sightline.evaluation.report.wording import between
from sightline.evaluation.report.wording import written as number
from sightline.evaluation.store import Results
from sightline.methods.cams.common.exact import grad_cam_pp_exact
from sightline.methods.cams.common.tally import Tally, ignore
from sightline.metrics.metric import mean as average
from sightline.protocol import Protocol


@dataclass(frozen=True)
class Occasion:
    """A network opened at a layer (None: the automatic one), what lies behind it, and on how many
    pictures at most.
    """

    network: str
    layer: str | None
    behind: str
    images: int


OCCASIONS = {
    "ResNet-20": Occasion("ResNet-20", None, "pool, linear: straight, so both must agree", 100),
    "SiLU −1": Occasion("SiLU", "4", "convolution, SiLU, pool, linear", 150),
    "Hardswish": Occasion(
        "Hardswish", None, "pool, linear, hardswish, linear (as in MobileNetV3)", 150
    ),
    "ConvNeXt": Occasion("ConvNeXt", None, "pool, layer norm, linear", 150),
    "Swin": Occasion("Swin", "layers", "layer norm of each token, pool, linear", 150),
    "Mixer": Occasion("Mixer", "blocks", "layer norm of each token, pool, linear", 150),
    "SiLU −2": Occasion("SiLU", "3", "two convolutions with SiLU, pool, linear", 40),
    "Swin −1": Occasion(
        "Swin", "layers.2.blocks.0", "a block of attention and GELU, layer norm, pool, linear", 40
    ),
    "ViT": Occasion(
        "ViT", None, "the last block of attention and GELU, layer norm, the class token", 36
    ),
}
CONTROL = "ResNet-20"
"""Nothing bends behind its layer: it belongs to no claim, and whatever differs there is rounding.
"""
TEST = "cifar10/test.npz"
CURVES = Protocol(steps=14)


def exact(
    activations: Tensor,
    gradients: Tensor,
    second_derivatives: Tensor,
    third_derivatives: Tensor,
    *,
    tally: Tally = ignore,
) -> Tensor:
    """`alpha="exact"`; also counts the places that matter (s' > 0), and those where |s''| outweighs
    s' squared.

    >>> import torch
    >>> one = torch.ones(1, 1, 2)
    >>> exact(one, one, 0 * one, 0 * one).item()  # nothing bends: twice 1 / (2 + 1 x 2)
    0.5
    """
    tally("places", gradients > 0)
    tally("bent", (gradients > 0) & (second_derivatives.abs() > gradients**2))
    return grad_cam_pp_exact(
        activations, gradients, second_derivatives, third_derivatives, tally=tally
    )


def exact_unguarded(
    activations: Tensor, gradients: Tensor, second_derivatives: Tensor, third_derivatives: Tensor
) -> Tensor:
    """The letter of the paper: equation 10 with its poles."""
    return grad_cam_pp_exact(
        activations, gradients, second_derivatives, third_derivatives, guard=False
    )


TITLES |= {"exact": "Grad-CAM++, exact", "exact_unguarded": "Grad-CAM++, exact, no guard"}
METHODS = [exact, "grad_cam_pp", "grad_cam_plus", "grad_cam", exact_unguarded]
BLIND = ("fake_cam", "centre")
PAIRS = (
    ("exact", "grad_cam_pp"),
    ("exact", "grad_cam_plus"),
    ("exact", "grad_cam"),
    ("exact", "exact_unguarded"),
)
FIGURES = (
    ("average_drop", "Average Drop"),
    ("increase_in_confidence", "Increase in Confidence"),
    ("deletion", "Deletion"),
    ("insertion", "Insertion"),
)
HIGHER = ("increase_in_confidence", "insertion")


def run(
    data: Path, out: Path, limit: int | None = None, names: tuple[str, ...] = tuple(OCCASIONS)
) -> tuple[dict[str, Results], dict[str, dict[str, float]]]:
    """The rows of every occasion; and of each its network's test `error` and how many times as long
    exact takes.
    """
    found, notes = {}, {}
    for name in names:
        one = OCCASIONS[name]
        net, note = (
            trained(one.network, data, out / "curved_nets", limit)
            if one.network in TRAINED
            else (NETWORKS[one.network][0](data), {})
        )
        place = out / "exact_alpha" / name
        protocol = Protocol(steps=CURVES.steps, layer=one.layer)
        metrics = ",".join(metric for metric, _ in FIGURES)
        found[name] = measured(
            net,
            data / TEST,
            [*METHODS, *BLIND],
            metrics,
            place,
            limit=min(one.images, limit or one.images),
            protocol=protocol,
            batch=20,
        )
        notes[name] = note | {
            "ratio": ratio(net, data, one.layer, place / f"ratio{limit or ''}.json")
        }
        print(name, len(found[name].column("item", "exact")), "images", notes[name], flush=True)
    return found, notes


def ratio(net: nn.Module, data: Path, layer: str | None, place: Path) -> float:
    """How many times as long `explain` takes with alpha="exact", on four pictures, the faster of
    two; made once.
    """
    if not place.exists():
        pictures = normalised(cifar_pictures(data / TEST, 4)[0])
        took = {}
        for alpha in ("paper", "exact"):
            times = []
            for _ in range(2):
                start = time.perf_counter()
                sightline.explain(net, pictures, layer=layer, alpha=alpha)
                times.append(time.perf_counter() - start)
            took[alpha] = min(times)
        place.write_text(json.dumps(took["exact"] / took["paper"]), encoding="utf-8")
    return float(json.loads(place.read_text(encoding="utf-8")))


def shares(rows: Results, word: str) -> tuple[float, float, float]:
    """Of the places with a positive gradient, the share (%) counted under `word`, as a mean over
    images.
    """
    counts = [json.loads(one or "{}") for one in rows.column("counts", "exact")]
    values = [
        100 * count.get(word, 0) / count["places"] if count.get("places") else np.nan
        for count in counts
    ]
    one = bootstrap(average, np.array(values, float))
    return one.estimate, one.low, one.high


def alike(rows: Results, other: str = "grad_cam_pp") -> np.ndarray:
    """Pearson's correlation of each image's two coarse maps as they are shown, rectified; nan where
    one is flat.
    """
    found = []
    for pair in zip(rows.column("coarse", "exact"), rows.column("coarse", other), strict=True):
        a, b = (np.maximum(np.array(one, float), 0) for one in pair)
        found.append(np.corrcoef(a, b)[0, 1] if a.std() > 0 and b.std() > 0 else np.nan)
    return np.array(found)


def page(found: Mapping[str, Results], notes: Mapping[str, Mapping[str, float]]) -> list[str]:
    """The page's lines."""
    summaries = {name: summarise(rows) for name, rows in found.items()}
    first = next(iter(summaries.values()))
    lines = [
        "**Asked:** equation 10 of Grad-CAM++ divides second and third derivatives of the score. "
        "Its usual form, 1 / (2 + g SA), is exact where the network behind the layer is made of "
        "straight pieces. Elsewhere [`alpha=\"exact\"`](../exact.md) makes the true derivatives. "
        "Are its maps more faithful?",
        "",
        "**Measured** on CIFAR-10 test images, for the predicted class, with small networks "
        "trained by this program on 10,000 images (no real weights of networks with SiLU, GELU or "
        "attention were at hand; none of these is a good network), and as a control on a "
        "ResNet-20 with real weights, where both alphas must be one. 95 % bootstrap intervals "
        "over images; differences and wins are paired. One seed each; the intervals are not "
        "corrected for their number.",
        "",
        *how(
            first.run,
            f"Deletion and insertion in {CURVES.steps} steps. Other layers differ in their name"
            " only.",
        ),
        *told((), counted(found, summaries), whole=True),
    ]  # fmt: skip
    rows = []
    for name, own in found.items():
        one, note, same = OCCASIONS[name], notes[name], alike(own)
        near = bootstrap(average, same)
        error = f"{100 * note['error']:.1f}" if "error" in note else "–"
        cells = [
            f"{number(v, '')} {between(low, high, '')}"
            for v, low, high in (
                shares(own, "bent"),
                shares(own, "guarded"),
                (near.estimate, near.low, near.high),
            )
        ]
        least = number(float(np.nanmin(same)), "") if np.isfinite(same).any() else "–"
        rows.append(
            [
                name,
                one.behind,
                error,
                str(summaries[name].images),
                *cells,
                least,
                f"{note['ratio']:.0f}",
            ]
        )
    head = [
        "",
        "behind the layer",
        "test error %",
        "images",
        "s'' outweighs s'², % of places",
        "guarded, % of places",
        "correlation of the maps, exact and closed",
        "the least",
        "time, exact over closed",
    ]
    lines += [
        "## How different they are",
        "",
        (
            "Places are those with a positive gradient, the only ones that matter. Where the guard"
            " acts the closed form stands in. The correlation is Pearson's, of the rectified coarse"
            " maps. The ratio of times of `explain`, four pictures at once, is rough: a shared"
            " processor, one thread."
        ),
        "",
        *table(head, rows),
    ]
    lines += [*fooled(summaries, FIGURES)]
    for metric, figure in FIGURES:
        arrow = "higher is better" if metric in HIGHER else "lower is better"
        rows = [
            [named(m), *(score(one, metric, figure, m) for one in summaries.values())]
            for m in first.everybody
        ]
        unit = "" if metric in ("deletion", "insertion") else "%"
        for a, b in PAIRS:
            gaps = (gap_cell(gap(one, metric, figure, a, b), unit) for one in summaries.values())
            rows.append([f"{named(a)} − {named(b)}", *gaps])
        lines += [
            f"## {figure}{', %' if unit else ''} ({arrow})",
            "",
            *table(["", *summaries], rows),
        ]
    rows = [
        [f"{named(a)} over {named(b)}", *(win_cell(one, a, b) for one in summaries.values())]
        for a, b in PAIRS
    ]
    lines += [
        "## Win %: smaller drop on so many of the images; p of the sign test without ties",
        "",
    ]
    lines += table(["", *summaries], rows)
    return [*lines, made_by("exact_alpha.py", summaries.values())]


def counted(found: Mapping[str, Results], summaries: Mapping[str, Summary]) -> list[str]:
    """What the intervals say of the claims."""
    lines = []
    for a, b in PAIRS:
        known = {name: one for name, one in summaries.items() if name != CONTROL}
        signs = [
            one.difference * (1 if metric in HIGHER else -1)
            for summary in known.values()
            for metric, figure in FIGURES
            if (one := gap(summary, metric, figure, a, b)) is not None and one.excludes_zero
        ]
        better, asked = sum(sign > 0 for sign in signs), len(known) * len(FIGURES)
        lines.append(
            f"**In short, {named(a)} against {named(b)}:** better in {better}, worse in"
            f" {len(signs) - better} of {asked} comparisons ({len(known)} layers, {len(FIGURES)}"
            " metrics)."
        )
        for metric, figure in FIGURES:
            gaps = {name: gap(one, metric, figure, a, b) for name, one in known.items()}
            higher = metric in HIGHER
            lines.append(verdict(f"{figure}, {named(a)} against {named(b)}", gaps, higher))
    if CONTROL in found:
        same = alike(found[CONTROL])
        lines.append(
            f"{CONTROL}, the control: the two maps correlate with {np.nanmin(same):.6f} at least."
        )
    guarded = {name: shares(rows, "guarded")[0] for name, rows in found.items()}
    most = max(guarded, key=lambda name: guarded[name])
    lines.append(
        f"The guard acts on {number(guarded[most], '')} % of the places that matter at most"
        f" ({most})."
    )
    return lines


def main() -> None:
    """Measure, and write the page."""
    given = arguments(__doc__)
    seeded()
    found, notes = run(given.data, given.out, given.limit)
    written(given.pages / "exact_alpha.md", "What the exact alpha is worth", page(found, notes))


if __name__ == "__main__":
    main()
