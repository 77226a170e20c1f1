"""Does Average Drop tell which network generalises? Grad-CAM++ v3, appendix A.1, on many more
networks.

python experiments/generalisation.py
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from networks import CIFAR, NETWORKS, ROOT, written
from safetensors.torch import load_file, save_file
from small_nets import cifar_pictures, error_rate, kept, said, small_net, table, train
from torch import Tensor, nn

from sightline import Protocol, evaluate
from sightline.datasets import open_data
from sightline.evaluation.report import Interval, bootstrap
from sightline.metrics.correlation import pearson, ranks
from sightline.metrics.metric import mean as average

PAGE = Path(__file__).resolve().parents[1] / "docs" / "results" / "generalisation.md"
Sets = tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Pictures and classes, to train on and to test on."""

REAL = ("MobileNetV2", "SqueezeNet 1.1", "Tiny Darknet", "ResNet-20", "ResNet-56")
STOPS = (0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0)
"""Epochs after which the one network is looked at."""


@dataclass(frozen=True)
class Recipe:
    """A network to train: its size, on how many images, for how long, with which share of wrong
    labels.
    """

    depth: int
    width: int
    images: int
    epochs: float
    noise: float = 0.0

    @property
    def name(self) -> str:
        """One word for its files."""
        noise = f"{100 * self.noise:.0f}"
        return f"d{self.depth}_w{self.width}_n{self.images}_e{self.epochs:g}_noise{noise}"


RECIPES = (
    Recipe(8, 8, 10000, 3),
    Recipe(8, 8, 10000, 1),
    Recipe(8, 4, 10000, 3),
    Recipe(8, 4, 10000, 1),
    Recipe(8, 8, 2000, 2),
    Recipe(8, 8, 2000, 10),
    Recipe(8, 8, 500, 24),
    Recipe(8, 4, 1000, 12),
    Recipe(8, 8, 10000, 2, 0.2),
    Recipe(8, 8, 10000, 2, 0.4),
    Recipe(8, 8, 10000, 2, 0.6),
    Recipe(8, 4, 2000, 10, 0.4),
    Recipe(14, 4, 10000, 2),
    Recipe(14, 8, 4000, 3),
    Recipe(8, 12, 10000, 2),
    Recipe(8, 16, 5000, 2),
)


@dataclass(frozen=True)
class Point:
    """What one network came to: its test error, its Average Drop, that of a blind map, its mean
    confidence.
    """

    name: str
    error: float
    drop: Interval
    blind: Interval
    confidence: float
    increase: float


def noisy(labels: Tensor, share: float, classes: int, seed: int = 0) -> Tensor:
    """Labels of which `share` were replaced by another class, drawn evenly."""
    generator = torch.Generator().manual_seed(seed)
    wrong = torch.rand(len(labels), generator=generator) < share
    other = (labels + torch.randint(1, classes, labels.shape, generator=generator)) % classes
    return torch.where(wrong, other, labels)


def rank_correlation(a: Any, b: Any) -> float:
    """Spearman's."""
    return float(pearson(*(ranks(torch.as_tensor(v, dtype=torch.float64)[None]) for v in (a, b))))


def partial(a: Any, b: Any, given: Any) -> float:
    """Spearman's correlation of a and b at equal `given`: Pearson's of what its ranks do not
    explain of theirs.
    """
    x, y, z = (ranks(torch.as_tensor(v, dtype=torch.float64)[None])[0] for v in (a, b, given))
    base = torch.stack([torch.ones_like(z), z], 1)
    left = [v - base @ torch.linalg.lstsq(base, v[:, None]).solution[:, 0] for v in (x, y)]
    return float(pearson(left[0][None], left[1][None]))


def kendall(a: Any, b: Any) -> float:
    """Kendall's tau-b."""
    from scipy.stats import kendalltau

    return float(kendalltau(a, b).statistic) if len(a) > 1 else float("nan")


def correlations(points: Sequence[Point], draws: int = 1000) -> dict[str, Interval]:
    """How the figures of these networks go together, with intervals over the networks."""
    values = np.array(
        [[p.drop.estimate, p.error, p.confidence, p.blind.estimate, p.increase] for p in points]
    )
    figures: dict[str, Callable[[Any], float]] = {
        "Spearman: Average Drop, test error": lambda values: rank_correlation(
            values[:, 0], values[:, 1]
        ),
        "Kendall: Average Drop, test error": lambda values: kendall(values[:, 0], values[:, 1]),
        "Spearman: Average Drop, mean confidence": lambda values: rank_correlation(
            values[:, 0], values[:, 2]
        ),
        "Spearman: test error, mean confidence": lambda values: rank_correlation(
            values[:, 1], values[:, 2]
        ),
        "Spearman: Average Drop, test error, at equal mean confidence": lambda values: partial(
            values[:, 0], values[:, 1], values[:, 2]
        ),
        "Spearman: drop of the blind centre map, test error": lambda values: rank_correlation(
            values[:, 3], values[:, 1]
        ),
        "Spearman: % increase in confidence, test error": lambda values: rank_correlation(
            values[:, 4], values[:, 1]
        ),
    }
    return {name: bootstrap(of, values, n=draws) for name, of in figures.items()}


def measured(
    name: str, net: nn.Module, data: Path, limit: int, out: Path, error: float | None = None
) -> Point:
    """The network's point; the rows are kept in `out`. Without `error` it is that of the images
    themselves.
    """
    found = evaluate(
        net,
        open_data(data, limit=limit),
        ["grad_cam_pp", "centre"],
        ["average_drop", "increase_in_confidence"],
        out=out,
        batch_size=50,
        views=0,
        progress=False,
    )
    drops = {
        method: bootstrap(average, np.array(found.column("average_drop", method), float))
        for method in ("grad_cam_pp", "centre")
    }
    sure = np.array(found.column("full_score", "grad_cam_pp"), float)
    rose = np.array(found.column("increase_in_confidence", "grad_cam_pp"), float)
    if error is None:
        pairs = zip(
            found.column("predicted", "grad_cam_pp"),
            found.column("label", "grad_cam_pp"),
            strict=True,
        )
        error = float(np.mean([one != other for one, other in pairs]))
    return Point(
        name, error, drops["grad_cam_pp"], drops["centre"], float(sure.mean()), float(rose.mean())
    )


def real(
    data: Path, out: Path, limits: tuple[int, int], names: Sequence[str] = REAL
) -> list[Point]:
    """The networks with published weights: ImageNet's on at most 200 photographs, CIFAR's on 1,000
    test images.
    """
    points = []
    for name in names:
        load, where = NETWORKS[name]
        limit = limits[where.startswith("cifar10")]
        points.append(measured(name, load(data), data / where, limit, out / name.replace(" ", "_")))
        print(points[-1], flush=True)
    return points


def many(data: Path, out: Path, recipes: Sequence[Recipe], limit: int, sets: Sets) -> list[Point]:
    """Networks trained here, each by its recipe."""
    (train_x, train_y), (test_x, test_y) = sets
    points = []
    for seed, recipe in enumerate(recipes):
        net = small_net(recipe.depth, recipe.width, CIFAR, seed)
        rows = torch.randperm(len(train_y), generator=torch.Generator().manual_seed(seed))[
            : recipe.images
        ]

        def make(
            net: nn.Module = net, rows: Tensor = rows, recipe: Recipe = recipe, seed: int = seed
        ) -> Any:
            train(
                net,
                train_x[rows],
                noisy(train_y[rows], recipe.noise, len(CIFAR), seed),
                recipe.epochs,
                seed,
            )
            return {"error": error_rate(net, test_x, test_y)}

        note = kept(out / f"{recipe.name}.safetensors", net, make)
        points.append(
            measured(
                recipe.name,
                net,
                data / "cifar10" / "test.npz",
                limit,
                out / recipe.name,
                note["error"],
            )
        )
        print(points[-1], flush=True)
    return points


def over_training(
    data: Path, out: Path, stops: Sequence[float], limit: int, sets: Sets
) -> list[Point]:
    """One network, looked at while it is trained."""
    (train_x, train_y), (test_x, test_y) = sets
    net = small_net(8, 8, CIFAR, 100)
    todo = list(stops)

    def look(epoch: float) -> None:
        while todo and epoch >= todo[0] - 1e-9:
            save_file(net.state_dict(), out / f"stop{todo.pop(0):g}.safetensors")

    def make() -> dict[str, float]:
        out.mkdir(parents=True, exist_ok=True)
        train(net, train_x, train_y, stops[-1], 100, seen=look)
        found = {}
        for stop in stops:
            net.load_state_dict(load_file(out / f"stop{stop:g}.safetensors"))
            found[f"{stop:g}"] = error_rate(net, test_x, test_y)
        return found

    note = kept(out / "last.safetensors", net, make)
    points = []
    for stop in stops:
        net.load_state_dict(load_file(out / f"stop{stop:g}.safetensors"))
        name = f"{stop:g} epochs"
        points.append(
            measured(
                name,
                net.eval(),
                data / "cifar10" / "test.npz",
                limit,
                out / f"rows{stop:g}",
                note[f"{stop:g}"],
            )
        )
        print(points[-1], flush=True)
    return points


HEAD = (
    "network",
    "test error %",
    "Average Drop %",
    "drop % of the blind centre map",
    "mean confidence %",
    "increase %",
)


def rows_of(points: Sequence[Point]) -> list[str]:
    """The networks' table, the best first."""
    ordered = sorted(points, key=lambda point: point.error)
    return table(
        HEAD,
        [
            (
                p.name,
                f"{100 * p.error:.1f}",
                said(p.drop, 1, 100),
                said(p.blind, 1, 100),
                f"{100 * p.confidence:.1f}",
                f"{100 * p.increase:.1f}",
            )
            for p in ordered
        ],
    )


TITLES = {"many": "trained here", "training": "over training"}

HOLDS = [
    (
        "Over the networks trained here the claim does not hold; the sign is the opposite one. The"
        " worse a network, the *smaller* its Average Drop (Spearman -0.58 [-0.85, -0.14] over 16"
        " networks; over the checkpoints -0.65 with an interval that reaches 0)."
    ),
    "",
    (
        "Over the 16 networks the drop follows how sure a network is (0.75): an unsure one has"
        " little to lose, ten classes leave it 10 % in any case. At equal mean confidence nothing"
        " certain is left of the relation (0.15 [-0.55, 0.63]). Over the checkpoints confidence"
        " does not explain it away, but they are few. In both a blind map that explains nothing"
        " correlates with the error just as much: what is measured is the network's need of the"
        " whole picture, hardly its explanation."
    ),
    "",
    (
        "Of the networks with published weights the best of each data set does drop least, as"
        " claimed, but Tiny Darknet and SqueezeNet stand in the wrong order (intervals apart), with"
        " errors too close on 200 images to be told apart."
    ),
    "",
    (
        "What this does not say: the networks trained here are weak (42 % error at best, after a"
        " minute of training on at most 10,000 images), far from the paper's three. Among well"
        " trained networks of one kind the order may be another."
    ),
]


def page(
    groups: dict[str, list[Point]], limits: tuple[int, int], sets: Sets, seconds: float, draws: int
) -> list[str]:
    """The page's lines."""
    found = {
        name: correlations(points, draws)
        for name, points in groups.items()
        if len(points) > 3 and name != "real"
    }
    lines = [
        "**Claimed** (Grad-CAM++ v3, appendix A.1): the Average Drops on ImageNet of ResNet-50 "
        "(28 to 31 %), VGG-16 (36 to 47 %) and AlexNet (62 to 83 %) follow the order of their "
        "classification errors, so a network's Average Drop is suggested as a sign of how well it "
        "generalises. Three networks, no statistic.",
        "",
        "**Measured**: Average Drop of Grad-CAM++ for the predicted class, protocol "
        f"`{Protocol().digest}` ({Protocol().masking()}). Beside it stands the drop of a *blind* "
        "map, a Gaussian hill in the centre that "
        "is the same for every image and network. Intervals: percentile bootstrap, 95 %, over "
        "images for a network's drop, over networks for a correlation. *At equal mean confidence* "
        "is the partial rank "
        f"correlation. A test error is that on {len(sets[1][1]):,} test images of CIFAR-10 (JPEG "
        "copies) for "
        "networks trained here, and on the images measured for those with published weights.",
        "",
        f"## {len(groups['many'])} networks trained here",
        "",
        "CIFAR ResNets of several depths (d), widths (w), numbers of training images (n), epochs "
        "(e) and shares of "
        f"wrong labels (noise, %); one seed each; {limits[1]} test images.",
        "",
        *rows_of(groups["many"]),
        "",
        "## One network over its training",
        "",
        f"d8_w8 on {len(sets[0][1]):,} images; {limits[1]} test images. Its checkpoints are not "
        "independent of each "
        "other, so the intervals over them are too narrow.",
        "",
        *rows_of(groups["training"]),
        "",
        "## Networks with published weights",
        "",
        f"ImageNet's on {limits[0]} photographs that very likely come from their training data, "
        f"CIFAR's ResNets on {limits[1]} test images. {len(groups['real'])} points over two data "
        "sets are no sample: no correlation is "
        "given.",
        "",
        *rows_of(groups["real"]),
        "",
        "## How they go together",
        "",
        *table(
            ("correlation", *(f"{TITLES[name]} ({len(groups[name])})" for name in found)),
            [
                (what, *(said(found[n][what]) for n in found))
                for what in next(iter(found.values()), {})
            ],
        ),
        "",
        "## What holds",
        "",
        *HOLDS,
        "",
        f"`python experiments/generalisation.py`: {seconds:.0f} seconds, of which training is "
        "most, on one thread of a "
        "busy machine with 2 cores.",
    ]
    return lines


def main(arguments: Sequence[str] | None = None) -> Path:
    """Train, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT)
    parser.add_argument(
        "--limit", type=int, help="images a network is measured on; also makes the training tiny"
    )
    parser.add_argument("--out", type=Path, default=Path("out/experiments"))
    parser.add_argument("--page", type=Path)
    asked = parser.parse_args(arguments)
    start, out = (
        time.perf_counter(),
        asked.out / ("generalisation" + (f"_{asked.limit}" if asked.limit else "")),
    )
    limits = (asked.limit or 200, asked.limit or 1000)
    recipes, stops, images, names = RECIPES, STOPS, None, REAL
    if asked.limit:
        names, images = ("ResNet-20",), 256
        recipes, stops = (
            tuple(Recipe(8, 4, images, k) for k in (0.5, 1, 2, 4)),
            (0.5, 1.0, 1.5, 2.0),
        )
    sets = (
        cifar_pictures(asked.data / "cifar10" / "train.npz", images),
        cifar_pictures(asked.data / "cifar10" / "test.npz", images),
    )
    groups: dict[str, list[Point]] = {}
    groups["training"] = over_training(asked.data, out / "training", stops, limits[1], sets)
    groups["many"] = many(asked.data, out / "many", recipes, limits[1], sets)
    groups["real"] = real(asked.data, out / "real", limits, names)
    note = (
        out / "seconds.txt"
    )  # of the first run: a later one finds the networks trained and the rows measured
    if not note.exists():
        note.write_text(str(time.perf_counter() - start), encoding="utf-8")
    place = asked.page or (PAGE if asked.limit is None else out / PAGE.name)
    lines = page(groups, limits, sets, float(note.read_text()), 1000 if asked.limit is None else 20)
    return written(place, "Average Drop and generalisation", lines)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
