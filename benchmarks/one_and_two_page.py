"""The page of what `one_and_two.py` measured: counts first, then each network."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Row = dict[str, Any]

BAR = 1e-6
CANCELS = 1e-9
"""A map of which less than this share is left of what was summed is rounding for the most part."""
PIXELS = ("gradient", "guided_backprop", "deconvnet", "full_grad")
CLOSED = (
    "grad_cam", "grad_cam_pp", "grad_cam_pp_sigmoid", "grad_cam_plus", "xgrad_cam", "layer_cam",
    "hires_cam", "elementwise_grad_cam", "eigen_grad_cam",
)  # fmt: skip
"""The methods that ask for the gradients of one score."""


def page(rows: Mapping[tuple[str, str], Row], names: Sequence[str]) -> str:
    """The whole page in Markdown."""
    merged = [one for name in names if (one := _merged(rows, name))]
    parts = [
        "# Has one picture alone the maps it has in a batch of two?",
        _INTRODUCTION,
        _in_short(merged),
        _counted(merged, names),
        _FOUND,
        "## Each method",
        _methods(merged),
        f"## Over {BAR:g}",
        _over(merged),
        "## Left out",
        _left_out(merged),
        "## Each network",
        _networks(merged),
    ]
    return "\n\n".join(parts) + "\n"


_INTRODUCTION = (
    "**Asked:** torch 2.14 on a CPU looks back wrongly, without an error, through a batch norm for"
    " a batch of one in some orders in memory; sightline mends it. Is that all? A batch of one and"
    " one of two take different ways through torch's operators and through ours, and in float64"
    " nothing but rounding may come of it.\n\n**Measured** with `PYTHONPATH=tests python"
    " benchmarks/one_and_two.py --only timm transformers`: a picture x alone, and the"
    " first picture's part of the batch [x, y], the same class asked for by number, no place"
    " proved, float64, one thread of a CPU. The maps are the signed ones on the layer's grid, the"
    " evidence of methods in pixel space is that of each pixel; the figure is the largest"
    " difference over the largest of the batch's. Layers: the first with a grid, the one in the"
    " middle (inside no attention and no MLP), the automatic one; what is asked at fewer of them"
    " says so below. The networks are those of the tests' tables with ten classes, their weights as"
    " if trained: every norm and bias drawn, batch norms that have seen the pictures"
    " (`tests/helpers/one_and_two.py`). Methods that draw noise draw the same for every picture of"
    " a batch, so it is no matter here. Score-CAM and its kin, Ablation-CAM, Eigen-CAM and"
    " KPCA-CAM ask for no gradient and are not here; nor are black boxes."
)
_FOUND = (
    "## What was found\n\n"
    "- **The mend of batch norms was half of one.** It put right what lies channel by channel when"
    " it enters. Tokens that enter as a map one place wide (`transpose(1, 2).unsqueeze(3)`) lie"
    " place by place, and were looked back through as wrongly as before, in batches of two as well,"
    " which this comparison cannot see; so was a gradient that repeats one value. Now the gradient"
    " gets the strides of what enters, which was right in every pair of orders"
    " (`tests/surgery/backward/test_batch_norm.py`).\n"
    "- **No other operator is wrong.** Some eighty, forwards and back, float64 and float32, every"
    " order in memory of what enters and of what comes back, 465,156 comparisons: only batch norms"
    " and instance norms, which are one operator, are. 45 of them are asked by"
    " `tests/surgery/backward/test_orders_in_memory.py`, on every torch that runs the tests.\n"
    "- **FullGrad showed rounding.** Where every gate of a layer stands open its implied bias is"
    " zero, and what rounding left was scaled to [0, 1] like the product of any other layer: 6 % of"
    " the map of a LeViT whose gates were all open. What is no more than rounding is zero now.\n"
    "- **Grad-CAM++ of a log-probability was noise where the network is sure of another class.**"
    " The variance of the classes' gradients was taken about a mean that is the difference of two"
    " large numbers: 14 % off on Visformer, 1 % on EfficientViT. Now it is taken from the most"
    " probable class, and is right whatever class is asked for.\n"
    '- **`alpha="exact"` failed on two networks**, alone and in a batch: on OWL-ViT with an error,'
    " on CaiT a strategy broke off, and the slowest was left. Both are mended.\n"
    "- **Some maps are rounding by their formula.** HiResCAM on the stream before a layer norm: the"
    " norm does not feel its input made larger, so gradient times activation sums to zero over the"
    " channels of a place, nearly, by the norm's epsilon; of a CaiT's 1e-12 of the sum is left."
    " Grad-CAM on OneFormer's keys: what is added to all of them changes no softmax, so the mean of"
    " each channel's gradients is zero. So it is of Shapley-CAM on the norm before PoolFormer's"
    " mixer, which takes the mean over places away. They stand below, with what is left.\n"
    "- **timm's CSATv2 mixes the images of a batch.** Its spatial attention multiplies `[b, n]` by"
    " `[n, b]`, and so attends from image to image. Behind a layer norm of one channel all images"
    " say the same there, so that its outputs do not show it and FullGrad, which looks at every"
    " layer, does. No mend of ours: alone and twice in a batch the picture has one map."
)
BY_DESIGN = {"timm csatv2": "the network mixes the images of a batch"}
"""Why a network's own maps depend on the batch."""


def _merged(rows: Mapping[tuple[str, str], Row], name: str) -> Row | None:
    """Both parts of a network; the usual one tells whether it was run."""
    parts = [row for (network, _), row in rows.items() if network == name]
    if not parts:
        return None
    merged: Row = {"name": name, "figures": {}, "left": {}, "left_out": {}, "parts": len(parts)}
    for row in parts:
        merged |= {key: row[key] for key in ("layers", "outputs", "error") if key in row}
        for key in ("figures", "left", "left_out"):
            merged[key] |= row.get(key, {})
    return merged


def _figures(rows: Iterable[Row]) -> list[tuple[float, Row, str]]:
    return [(value, row, key) for row in rows for key, value in row["figures"].items()]


def _is_over(value: float) -> bool:
    return not value <= BAR  # nan is over


def _cancels(row: Row, key: str) -> bool:
    return bool(row["left"].get(key, 1) < CANCELS)


def _in_short(rows: Sequence[Row]) -> str:
    figures = _figures(rows)
    over = [one for one in figures if _is_over(one[0])]
    mixed = sum(row["name"] in BY_DESIGN for _, row, _ in over)
    rounding = [one for one in over if _cancels(*one[1:])]
    sound = [one for one in figures if not _is_over(one[0])]
    worst, row, key = max(sound, key=lambda one: one[0])
    return (
        f"**In short.** {len(figures)} comparisons on {len(rows)} networks: {len(sound)} within"
        f" {BAR:g}, the worst of them {worst:.1e} ({row['name']}, {key}). Over it: {len(over)}, of"
        f" which {len(rounding)} are maps that cancel to less than {CANCELS:g} of what they sum,"
        f" where only rounding is left to compare, and {mixed} of a network that mixes the images"
        " of a batch by itself."
    )


def _counted(rows: Sequence[Row], names: Sequence[str]) -> str:
    there = {row["name"] for row in rows if row["figures"]}
    said = []
    for source in ("timm", "torchvision", "transformers"):
        all_of = [name for name in names if name.startswith(f"{source} ")]
        said.append(f"{sum(name in there for name in all_of)} of {len(all_of)} of {source}")
    missing = [name for name in names if name not in there]
    both = sum(row["parts"] == 2 for row in rows)
    return (
        f"**Run:** {', '.join(said)}; the dear methods on {both} of them. Not run:"
        f" {'; '.join(missing) or 'none'}."
    )


def _methods(rows: Sequence[Row]) -> str:
    """A line for each method as it was asked: how often, and the worst."""
    by_method: dict[str, list[tuple[float, Row, str]]] = {}
    for one in _figures(rows):
        if not _cancels(*one[1:]):
            by_method.setdefault(one[2].partition(" @ ")[0], []).append(one)
    lines = []
    for method, some in by_method.items():
        value, row, key = max(some, key=lambda one: one[0])
        middle = sorted(one[0] for one in some)[len(some) // 2]
        where = f"{row['name']}, `{key.partition(' @ ')[2]}`"
        networks = len({one[1]["name"] for one in some})
        lines.append([method, networks, len(some), f"{middle:.1e}", f"{value:.1e}", where])
    head = ["method", "networks", "comparisons", "median", "worst", "where"]
    return "Without the maps that cancel.\n\n" + _markdown(head, lines)


def _over(rows: Sequence[Row]) -> str:
    lines = []
    for value, row, key in _figures(rows):
        if _is_over(value):
            left = row["left"].get(key)
            share = "not measured" if left is None else f"{left:.1e}"
            of_sum = BY_DESIGN.get(row["name"], "") if left is None else f"{value * left:.1e}"
            lines.append([row["name"], f"{key}", f"{value:.1e}", share, of_sum])
    if not lines:
        return "None."
    head = ["network", "method and layer", "apart", "left of what is summed", "apart, of the sum"]
    return _markdown(head, lines)


def _left_out(rows: Sequence[Row]) -> str:
    reasons: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        for methods, why in row["left_out"].items():
            reasons.setdefault((methods, why), []).append(row["name"])
        if "error" in row:
            reasons.setdefault(("all that is missing", row["error"]), []).append(row["name"])
    lines = [
        f"- {methods}: {why}. {len(names)}: {'; '.join(names)}."
        for (methods, why), names in reasons.items()
    ]
    return "\n".join(lines) or "Nothing."


def _networks(rows: Sequence[Row]) -> str:
    """A line for each network: its layers, and the worst of each kind of method."""
    head = ["network", "layers", "n", "outputs", "closed CAMs", "other CAMs", "pixels"]
    lines = []
    for row in rows:
        kinds: dict[str, list[float]] = {"closed": [], "other": [], "pixels": []}
        for key, value in row["figures"].items():
            method = key.partition(" ")[0]
            closed = method in CLOSED and "(exact)" not in key
            kind = "pixels" if method in PIXELS else "closed" if closed else "other"
            if not _cancels(row, key):
                kinds[kind].append(value)
        worst = [f"{max(some):.1e}" if some else "-" for some in kinds.values()]
        layers = ", ".join(f"`{one}`" for one in row.get("layers", ()))
        outputs = f"{row['outputs']:.0e}" if "outputs" in row else "-"
        lines.append([row["name"], layers, len(row["figures"]), outputs, *worst])
    return "The worst of each kind, without the maps that cancel.\n\n" + _markdown(head, lines)


def _markdown(head: Sequence[str], lines: Sequence[Sequence[Any]]) -> str:
    cells = [head, ["---"] * len(head), *lines]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in cells)
