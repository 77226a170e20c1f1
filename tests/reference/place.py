"""How far the places of a layer lie from where they are declared: cell by cell, half by half.

P_s,p = G_s,p / sum; R_s,p = P_s,p / mean over places; c_p the centroid of max(R_p - 1, 0)^2, or of
P_p; K(u) = R_s,p under a Gaussian at u.
"""

from math import exp, prod, sqrt

import numpy as np
from torch import Tensor

WIDTH = 0.12


def figures(looked: Tensor, declared: Tensor) -> dict[str, float]:
    g, e = looked.double().numpy(), declared.double().numpy()
    n, cells, axes = g.shape[1], list(np.ndindex(*g.shape[2:])), e.shape[1]
    at = {cell: [(k + 0.5) / m for k, m in zip(cell, g.shape[2:], strict=True)] for cell in cells}
    share = [[{c: g[s, p][c] / total(g[s, p]) for c in cells} for p in range(n)] for s in (0, 1)]
    mean = [{c: sum(share[s][p][c] for p in range(n)) / n for c in cells} for s in (0, 1)]
    relative = [
        [{c: share[s][p][c] / mean[s][c] if mean[s][c] else 0.0 for c in cells} for p in range(n)]
        for s in (0, 1)
    ]
    sharp, plain = [], []
    for p in range(n):
        both = {c: (relative[0][p][c] + relative[1][p][c]) / 2 for c in cells}
        sharp.append(centroid({c: max(both[c] - 1, 0.0) ** 2 for c in cells}, at))
        plain.append(centroid({c: (share[0][p][c] + share[1][p][c]) / 2 for c in cells}, at))
    moving = [a for a in range(axes) if len({tuple(row)[a] for row in e}) > 1]
    r = max(
        min(correlation([c[a] for c in one], [row[a] for row in e]) for a in moving)
        for one in (sharp, plain)
    )
    spread = [deviation([c[a] for c in sharp]) / deviation([row[a] for row in e]) for a in moving]
    own, peak = 0.0, 0.0
    for s in (0, 1):
        for p in range(n):
            own += kernel(relative[s][p], list(e[p]), at) / (2 * n)
            seen = {c: kernel(relative[1 - s][p], at[c], at) for c in cells}
            best = max(cells, key=lambda c, seen=seen: seen[c])
            peak += kernel(relative[s][p], at[best], at) / (2 * n)
    return {
        "correlation": r,
        "spread": min(spread) / max(spread),
        "peak": peak,
        "own": own,
        "share": (own - 1) / max(peak - 1, 1e-6),
    }


def total(values: np.ndarray) -> float:
    return sum(values[c] for c in np.ndindex(*values.shape))


def centroid(weights: dict, at: dict) -> list[float]:
    whole = sum(weights.values())
    axes = len(next(iter(at.values())))
    if whole == 0:
        return [0.0] * axes
    return [sum(w * at[c][a] for c, w in weights.items()) / whole for a in range(axes)]


def kernel(relative: dict, u: list[float], at: dict) -> float:
    window = {
        c: prod(exp(-((x - v) ** 2) / (2 * WIDTH**2)) for x, v in zip(at[c], u, strict=True))
        for c in relative
    }
    return sum(window[c] * relative[c] for c in relative) / sum(window.values())


def deviation(values: list[float]) -> float:
    mean = sum(values) / len(values)
    return sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1))


def correlation(some: list[float], others: list[float]) -> float:
    x, y = sum(some) / len(some), sum(others) / len(others)
    together = sum((a - x) * (b - y) for a, b in zip(some, others, strict=True))
    return together / sqrt(sum((a - x) ** 2 for a in some) * sum((b - y) ** 2 for b in others))
