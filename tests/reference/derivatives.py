"""The derivatives of softmax, log-softmax and sigmoid, as recursions over plain numbers, at one
coordinate.

`s` holds the derivative of each class's logit with respect to that coordinate, `p` the
probabilities.
"""


def softmax(s: list[float], p: list[float], c: int) -> tuple[float, float, float]:
    """Eq. 22 to 24, in the paper's own recursive form."""
    classes = range(len(p))
    mean = sum(p[k] * s[k] for k in classes)
    first = [p[k] * (s[k] - mean) for k in classes]  # eq. 22 for every class
    drift = sum(first[k] * s[k] for k in classes)
    second = [first[k] * (s[k] - mean) - p[k] * drift for k in classes]  # eq. 23
    third = (
        second[c] * (s[c] - mean)
        - 2 * first[c] * drift
        - p[c] * sum(second[k] * s[k] for k in classes)
    )
    return first[c], second[c], third  # eq. 24


def log_softmax(s: list[float], p: list[float], c: int) -> tuple[float, float, float]:
    """Y = S^c - log sum_k exp S^k, derived step by step: Y' = s^c - sum_k p_k s^k and so on."""
    classes = range(len(p))
    mean = sum(p[k] * s[k] for k in classes)
    first = [p[k] * (s[k] - mean) for k in classes]
    drift = sum(first[k] * s[k] for k in classes)
    second = [first[k] * (s[k] - mean) - p[k] * drift for k in classes]
    return s[c] - mean, -drift, -sum(second[k] * s[k] for k in classes)


def sigmoid(g: float, y: float) -> tuple[float, float, float]:
    """Y' = Y (1 - Y) g, differentiated twice more by the product rule."""
    first = y * (1 - y) * g
    second = (first * (1 - y) - y * first) * g
    third = (second * (1 - y) - 2 * first * first - y * second) * g
    return first, second, third
