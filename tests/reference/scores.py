"""What the targets beyond classes ask for, one number after another, as their papers write it."""

import math

Nested = list


def region(logits: Nested, klass: int, mask: Nested, mean: bool) -> float:
    """Seg-Grad-CAM: the class's logits over the pixels of M, summed up, or their mean. `logits` is
    `[k][h][w]`.
    """
    total, weight = 0.0, 0.0
    for i, row in enumerate(mask):
        for j, m in enumerate(row):
            total += m * logits[klass][i][j]
            weight += m
    return total / weight if mean else total


def predicted(logits: Nested, klass: int) -> Nested:
    """1 where the class has the largest logit of all, else 0."""
    k, h, w = len(logits), len(logits[0]), len(logits[0][0])
    return [
        [
            1.0 if all(logits[klass][i][j] >= logits[c][i][j] for c in range(k)) else 0.0
            for j in range(w)
        ]
        for i in range(h)
    ]


def cosine(a: list, b: list) -> float:
    """The angle's cosine."""
    inner = sum(x * y for x, y in zip(a, b, strict=True))
    return inner / math.sqrt(sum(x * x for x in a)) / math.sqrt(sum(y * y for y in b))


def finer(logits: list, klass: int, gamma: float, similar: int) -> float:
    """Finer-CAM: y_c - gamma * mean of y_d over the classes whose logits are nearest to y_c."""
    others = sorted(
        (d for d in range(len(logits)) if d != klass), key=lambda d: abs(logits[d] - logits[klass])
    )
    return logits[klass] - gamma * sum(logits[d] for d in others[:similar]) / similar


def margin(logits: list, klass: int) -> float:
    """The class's logit less the largest other one."""
    return logits[klass] - max(y for d, y in enumerate(logits) if d != klass)


def iou(a: list, b: list) -> float:
    """Intersection over union of two boxes."""
    w = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    h = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - w * h
    return w * h / union


def best_detection(
    boxes: list, scores: list, labels: list, box: list, label: int, overlap: float
) -> int | None:
    """Among detections of the label that share enough with the box, the one with the largest IoU x
    score.
    """
    best, value = None, -1.0
    for n, (own, score, kind) in enumerate(zip(boxes, scores, labels, strict=True)):
        shared = iou(own, box)
        if kind == label and shared >= overlap and shared * score > value:
            best, value = n, shared * score
    return best


def detr_logit(logits: list, boxes: list, box: list, label: int, size: tuple) -> float:
    """DETR: of the query with the largest IoU x softmax probability, the label's logit. Boxes are
    (cx, cy, w, h).
    """
    h, w = size
    best, value = None, -1.0
    for row, (cx, cy, bw, bh) in zip(logits, boxes, strict=True):
        corners = [(cx - bw / 2) * w, (cy - bh / 2) * h, (cx + bw / 2) * w, (cy + bh / 2) * h]
        p = math.exp(row[label]) / sum(math.exp(x) for x in row)
        if (v := iou(corners, box) * p) > value:
            best, value = row[label], v
    return best
