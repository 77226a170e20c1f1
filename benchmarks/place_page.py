"""The page of what `place.py` measured: counts first, then each network."""

import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from networks import Network

Row = dict[str, Any]
Found = dict[str, Any]

SOURCES = ("timm", "torchvision", "transformers")
KINDS = ("convolutional", "ViT, Swin", "other mixing")
OUTCOMES = ("confirmed", "undecided", "contradicted")
PLANTED = (
    "axes swapped", "mirrored", "shifted by half", "channels as places", "a zero rim",
    "another picture", "axes swapped, inside", "mirrored, inside", "shifted by half, inside",
)  # fmt: skip
MANDATORY = 4
"""From so many places along each axis on, a planted reading of a told network must be found."""


def page(rows: Sequence[Row], drawn: Sequence[Row], zoo: Sequence[Network]) -> str:
    """The whole page in Markdown; `drawn`: with weights as the libraries draw them."""
    rows, drawn = _in_order(rows, zoo), _in_order(drawn, zoo)
    parts = [
        "# Is the place of a map proved rightly?",
        _INTRODUCTION,
        _counted(rows, zoo),
        _in_short(rows),
        "## Right readings",
        _right(rows),
        "The same readings where only measuring was allowed (the graph tells nothing of a layer"
        " that is read by a function): what the second way says of those that the first decided.",
        _right(rows, "measured"),
        "## Planted wrong readings",
        _PLANTED_WORDS,
        *(f"**{title}**\n\n{_planted(some)}" for title, some in _groups(rows)),
        "## Price",
        _prices(rows),
        "## Room for the thresholds",
        _ROOM_WORDS,
        _room(rows),
        "## Undecided, and wrong",
        _listed(rows),
        "## With weights as the libraries draw them",
        _DRAWN_WORDS,
        _right(drawn),
        "Not confirmed so:\n\n"
        + "\n".join(
            f"- {_line(row, row['right'])}"
            for row in drawn
            if row["right"]["outcome"] != "confirmed"
        ),
        "## Each network",
        table(rows),
        "## Not run",
        _missing(rows, zoo),
    ]
    return "\n\n".join(parts) + "\n"


_INTRODUCTION = (
    "**Asked:** before a map is shown it is proved that the places of its layer lie where the grid"
    " says ([decision 20](../decisions/0020-the-place-of-a-map.md)). Is a right reading ever"
    " contradicted, a wrong one ever confirmed, and what does it cost?\n\n**Measured** with"
    " `PYTHONPATH=tests python benchmarks/place.py`: random weights (`lively`), one picture, one"
    " thread of a CPU, float32, the automatic layer of the outputs as a whole. timm's models and"
    " torchvision's have the size they were made for; some timm models have fewer blocks"
    " (`tests/zoo/timm_table.py`), and those of transformers are small ones built from configs."
    " Statistic, rule and thresholds were taken over from a prototype and not fitted to these"
    " figures. Half A and half B of the families are drawn by the CRC-32 of the family's name;"
    " thresholds may be moved by what half A says, half B is what they are judged by."
)
_PLANTED_WORDS = (
    "Six mistakes, planted in how the layer's output is read, and three of them once more *inside*:"
    " the model moves its picture before it looks at it. *Another picture*: the model runs once"
    " more, on another one, and that run is asked. The last column: what is measured where the"
    " graph is not asked; a network that mixes its places hides a wrong reading there."
)
_ROOM_WORDS = (
    "What was measured of networks that tell places apart (`peak` >= 1.25). Right readings must"
    " stay above the thresholds of `share` (0.6), `correlation` (0.75) and `spread` (0.2), wrong"
    " ones below 0.5 in `share`, or below 0.2 in `spread`, or below 0.3 in `correlation` with less"
    " than 0.8 in `share`. The figures are those of the look that decided, of 5 places or of 12;"
    " rim and other picture have none."
)


_DRAWN_WORDS = (
    "The weights of `lively` wake every branch: layer scales and norms that start with zeros are 1,"
    " so that attention and product gates mix all places, more than in any network that was"
    " trained. The right readings once more with each library's own drawing:"
)


def _in_order(rows: Sequence[Row], zoo: Sequence[Network]) -> list[Row]:
    there = {row["name"]: row for row in rows}
    return [
        {**there[one.name], "kind": one.kind, "half": one.half} for one in zoo if one.name in there
    ]


def _in_short(rows: Sequence[Row]) -> str:
    told = next(iter(_groups(rows)))[1]
    half = [row for row in rows if row["half"] == "B"]
    planted = [found for row in rows for found in row["planted"].values()]
    missed = [f for row in told for f in row["planted"].values() if f["outcome"] == "undecided"]
    of_told = sum(len(row["planted"]) for row in told)
    confirmed = sum(found["outcome"] == "confirmed" for found in planted)
    prices = [row["price"] for row in rows]
    undecided = len(_where(half, "undecided"))
    return (
        f"**In short.** Right readings contradicted: {len(_where(rows, 'contradicted'))} of"
        f" {len(rows)} (half B: {len(_where(half, 'contradicted'))} of {len(half)}). Undecided:"
        f" {len(_where(rows, 'undecided'))} of {len(rows)} (half B: {undecided} of {len(half)},"
        f" {undecided / max(1, len(half)):.0%}). Planted wrong readings confirmed: {confirmed} of"
        f" {len(planted)}; undecided on convolutional networks, ViT and Swin with 4 x 4 places and"
        f" more: {len(missed)} of {of_told}. Price: {statistics.median(prices):.1f} forward passes"
        f" in the median, {max(prices):.0f} at most."
    )


def _counted(rows: Sequence[Row], zoo: Sequence[Network]) -> str:
    run, there = (Counter(_source(name) for name in names) for names in (
        [row["name"] for row in rows], [network.name for network in zoo]))  # fmt: skip
    said = ", ".join(f"{run[one]} of {there[one]} of {one}" for one in SOURCES)
    return f"**Run:** {len(rows)} networks: {said}. What was not run stands at the end."


def _source(name: str) -> str:
    return name.partition(" ")[0]


def _right(rows: Sequence[Row], key: str = "right") -> str:
    head = ["networks", "n", *OUTCOMES, "by structure"]
    lines = []
    for title, some in _slices(rows):
        counts = Counter(row[key]["outcome"] for row in some)
        structure = sum(row[key]["way"] == "structure" for row in some)
        lines.append([title, len(some), *(counts[one] for one in OUTCOMES), structure])
    return _markdown(head, lines)


def _slices(rows: Sequence[Row]) -> Iterable[tuple[str, list[Row]]]:
    yield "all", list(rows)
    for half in "AB":
        yield f"half {half}", [row for row in rows if row["half"] == half]
    for half, words in (("AB", ""), ("B", ", half B")):
        for kind in KINDS:
            yield kind + words, [r for r in rows if r["kind"] == kind and r["half"] in half]


def _groups(rows: Sequence[Row]) -> Iterable[tuple[str, list[Row]]]:
    told = [r for r in rows if r["kind"] != KINDS[2] and min(r["grid"]) >= MANDATORY]
    others = [r for r in rows if r not in told]
    yield "Convolutional, ViT and Swin, 4 x 4 places and more: all", told
    yield "The same: half B", [row for row in told if row["half"] == "B"]
    yield "Other networks that mix places, and grids under 4 x 4", others


def _planted(rows: Sequence[Row]) -> str:
    lines = []
    for name in PLANTED:
        found = [row["planted"][name] for row in rows if name in row["planted"]]
        counts = Counter(one["outcome"] for one in found)
        structure = sum(one["way"] == "structure" for one in found)
        alone = Counter(one.get("measured", one)["outcome"] for one in found)
        told = (counts[one] for one in OUTCOMES[::-1])
        hidden = f"{alone['undecided']}, {alone['confirmed']}"
        lines.append([name, len(found), *told, structure, hidden])
    hidden = "measured alone: undecided, confirmed"
    return _markdown(["planted", "n", *OUTCOMES[::-1], "by structure", hidden], lines)


def _prices(rows: Sequence[Row]) -> str:
    head = ["networks", "n", "median", "90th percentile", "maximum", "once remembered, maximum"]
    groups = [
        ("all", lambda _: True),
        ("read off the graph", lambda row: row["right"]["way"] == "structure"),
        ("measured, 5 places", lambda row: row["right"]["looks"] == 1),
        ("measured, 12 places", lambda row: row["right"]["looks"] == 2),
        *((kind, lambda row, kind=kind: row["kind"] == kind) for kind in KINDS),
    ]
    lines = []
    for title, belongs in groups:
        prices = sorted(row["price"] for row in rows if belongs(row))
        if not prices:
            continue
        high = prices[min(len(prices) - 1, int(0.9 * len(prices)))]
        again = max(row["again"] for row in rows if belongs(row))
        figures = (statistics.median(prices), high, prices[-1])
        lines.append([title, len(prices), *(f"{one:.1f}" for one in figures), f"{again:.2f}"])
    dear = ", ".join(f"{r['name']} {r['price']:.0f}" for r in rows if r["price"] > 60)
    words = "In bare forward passes (processor time, median of three)."
    return f"{words}\n\n{_markdown(head, lines)}\n\nOver 60: {dear or 'none'}."


def _room(rows: Sequence[Row]) -> str:
    head = [
        "half", "right: least share", "least correlation", "least spread", "n",
        "wrong: greatest share", "greatest correlation", "n",
    ]  # fmt: skip
    lines = []
    for half in "AB":
        some = [row for row in rows if row["half"] == half]
        right = [(r["name"], r["measured"]) for r in some if _tells(r["measured"])]
        wrong = [
            (f"{r['name']}, {name}", found.get("measured", found))
            for r in some
            for name, found in r["planted"].items()
            # Of channels taken for places the last look was at the layer read rightly.
            if _tells(found.get("measured", found))
            and "channels" not in found.get("measured", found)["seen"]
        ]
        least = (_extreme(right, one, min) for one in ("share", "correlation", "spread"))
        most = (_extreme(wrong, one, max) for one in ("share", "correlation"))
        lines.append([half, *least, len(right), *most, len(wrong)])
    return _markdown(head, lines)


def _tells(found: Found) -> bool:
    return found.get("peak", 0) >= 1.25


def _extreme(found: list[tuple[str, Found]], key: str, end: Callable[..., Any]) -> str:
    if not found:
        return "-"
    name, one = end(found, key=lambda pair: pair[1][key])
    return f"{one[key]:.2f} ({name})"


def _listed(rows: Sequence[Row]) -> str:
    told = {row["name"] for row in dict(_groups(rows))[next(iter(dict(_groups(rows))))]}
    listed = {
        "Right readings contradicted": [_line(r, r["right"]) for r in _where(rows, "contradicted")],
        "Right readings contradicted where only measuring was allowed": [
            _line(r, r["measured"])
            for r in rows
            if r["measured"]["outcome"] == "contradicted" and r["right"]["way"] == "structure"
        ],
        "Planted readings confirmed": [
            _line(r, found, name)
            for r in rows
            for name, found in r["planted"].items()
            if found["outcome"] == "confirmed"
        ],
        "Right readings undecided": [_line(r, r["right"]) for r in _where(rows, "undecided")],
        "Planted readings undecided on convolutional networks, ViT and Swin (4 x 4 and more)": [
            _line(r, found, name)
            for r in rows
            for name, found in r["planted"].items()
            if found["outcome"] == "undecided" and r["name"] in told
        ],
    }
    return "\n\n".join(
        f"**{title}: {len(lines)}**" + "".join(f"\n- {line}" for line in lines)
        for title, lines in listed.items()
    )


def _where(rows: Sequence[Row], outcome: str) -> list[Row]:
    return [row for row in rows if row["right"]["outcome"] == outcome]


def _line(row: Row, found: Found, planted: str = "") -> str:
    keys = ("peak", "share", "correlation", "spread")
    figures = ", ".join(f"{key} {found[key]:.2f}" for key in keys if key in found)
    where = f"{row['name']} (`{row['layer']}`, {_times(row['grid'])}, half {row['half']})"
    return f"{where}{planted and ', ' + planted}: {found['seen']}{figures and '; ' + figures}"


def table(rows: Sequence[Row]) -> str:
    """A line for each network."""
    head = [
        "network", "kind", "half", "picture", "layer", "grid", "right reading", "way",
        "forward, ms", "price", "planted: contradicted, undecided, confirmed",
    ]  # fmt: skip
    lines = []
    for row in rows:
        counts = Counter(found["outcome"] for found in row["planted"].values())
        network = (row["name"], row["kind"], row["half"], _times(row["size"]), f"`{row['layer']}`")
        right = (_times(row["grid"]), row["right"]["outcome"], row["right"]["way"])
        price = (f"{1e3 * row['forward']:.0f}", f"{row['price']:.1f}")
        lines.append([*network, *right, *price, ", ".join(str(counts[o]) for o in OUTCOMES[::-1])])
    return _markdown(head, lines)


def _times(sizes: Sequence[int]) -> str:
    return " x ".join(map(str, sizes))


def _missing(rows: Sequence[Row], zoo: Sequence[Network]) -> str:
    there = {row["name"] for row in rows}
    missing = [network for network in zoo if network.name not in there]
    lines = [f"{len(missing)} networks: slower than 3 s a forward pass, or there was no time."]
    for source in SOURCES:
        names = [network.label for network in missing if network.source == source]
        lines.append(f"- {source}: {'; '.join(names) or 'none'}.")
    return "\n".join(lines)


def _markdown(head: Sequence[str], lines: Sequence[Sequence[Any]]) -> str:
    cells = [head, ["---"] * len(head), *lines]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in cells)
