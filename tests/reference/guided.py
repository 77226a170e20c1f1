"""Gradient, guided backpropagation and deconvnet, slowly: a small network run forwards and back by
hand, in float64.

A network is a list of steps: `("conv", weight, bias)` with weight `[out, in, *k]` and padding 1;
`("linear", weight, bias)`; `("act", name)`; `("max",)` over windows of 2; `("mean",)` over all
places; `("flatten",)`.

- Springenberg et al. 2015, section 3.4: R^l_i = (f^l_i > 0) (R^{l+1}_i > 0) R^{l+1}_i
- Zeiler and Fergus 2014: R^l_i = (R^{l+1}_i > 0) R^{l+1}_i
"""

import math
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

SLOPE, PRELU, RRELU = 0.01, 0.25, (1 / 8 + 1 / 3) / 2
SELU_SCALE, SELU_ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717
CELU_ALPHA = 2.0  # torch computes its reciprocal in float32: take one that is exact


def phi(x: float) -> float:
    return math.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def cumulative(x: float) -> float:
    return (1 + math.erf(x / math.sqrt(2))) / 2


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


def gelu_tanh(x: float) -> float:
    return x / 2 * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def gelu_tanh_slope(x: float) -> float:
    t = math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))
    return (1 + t) / 2 + x / 2 * (1 - t * t) * math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x**2)


def mish_slope(x: float) -> float:
    t = math.tanh(softplus(x))
    return t + x * (1 - t * t) * sigmoid(x)


ACTIVATIONS: dict[str, tuple[Any, Any]] = {
    "relu": (lambda x: max(x, 0.0), lambda x: 1.0 if x > 0 else 0.0),
    "relu6": (lambda x: min(max(x, 0.0), 6.0), lambda x: 1.0 if 0 < x < 6 else 0.0),
    "leaky_relu": (lambda x: x if x > 0 else SLOPE * x, lambda x: 1.0 if x > 0 else SLOPE),
    "prelu": (lambda x: x if x > 0 else PRELU * x, lambda x: 1.0 if x > 0 else PRELU),
    "rrelu": (lambda x: x if x > 0 else RRELU * x, lambda x: 1.0 if x > 0 else RRELU),
    "elu": (lambda x: x if x > 0 else math.expm1(x), lambda x: 1.0 if x > 0 else math.exp(x)),
    "celu": (
        lambda x: x if x > 0 else CELU_ALPHA * math.expm1(x / CELU_ALPHA),
        lambda x: 1.0 if x > 0 else math.exp(x / CELU_ALPHA),
    ),
    "selu": (
        lambda x: SELU_SCALE * (x if x > 0 else SELU_ALPHA * math.expm1(x)),
        lambda x: SELU_SCALE * (1.0 if x > 0 else SELU_ALPHA * math.exp(x)),
    ),
    "threshold": (lambda x: x if x > 0.2 else -1.0, lambda x: 1.0 if x > 0.2 else 0.0),
    "silu": (lambda x: x * sigmoid(x), lambda x: sigmoid(x) * (1 + x * (1 - sigmoid(x)))),
    "gelu": (lambda x: x * cumulative(x), lambda x: cumulative(x) + x * phi(x)),
    "gelu_tanh": (gelu_tanh, gelu_tanh_slope),
    "hardswish": (
        lambda x: x * min(max(x + 3, 0), 6) / 6,
        lambda x: 0.0 if x <= -3 else 1.0 if x >= 3 else (2 * x + 3) / 6,
    ),
    "mish": (lambda x: x * math.tanh(softplus(x)), mish_slope),
    "softplus": (softplus, sigmoid),
    "tanh": (math.tanh, lambda x: 1 - math.tanh(x) ** 2),
    "sigmoid": (sigmoid, lambda x: sigmoid(x) * (1 - sigmoid(x))),
    "hardtanh": (lambda x: min(max(x, -1.0), 1.0), lambda x: 1.0 if -1 < x < 1 else 0.0),
}
"""Each activation and its derivative."""

ALONE = {"tanh", "sigmoid", "hardtanh"}
"""Those that no rule governs."""


def through(rule: str | None, name: str, entered: float, back: float) -> float:
    """What one unit of an activation hands back."""
    slope = ACTIVATIONS[name][1](entered)
    if rule is None or name in ALONE:
        return slope * back
    if rule == "guided":
        return slope * back if entered > 0 and back > 0 else 0.0
    return back if back > 0 else 0.0


def forwards(net: list[Any], image: Array) -> list[Array]:
    """What enters each step, and at last what leaves the network."""
    steps = {
        "conv": conv,
        "linear": linear,
        "act": act,
        "max": maximum,
        "mean": mean,
        "flatten": flat,
    }
    values = [image]
    for kind, *what in net:
        values.append(steps[kind](values[-1], *what))
    return values


def backwards(net: list[Any], image: Array, output: int, rule: str | None) -> Array:
    """From one output of the network back to its image `[c, *s]`."""
    values = forwards(net, image)
    back = np.zeros_like(values[-1])
    back[output] = 1
    for (kind, *what), x in reversed(list(zip(net, values[:-1], strict=True))):
        new = np.zeros_like(x)
        if kind == "conv":
            weight = what[0]
            for place in np.ndindex(*x.shape[1:]):
                for k in np.ndindex(*weight.shape[2:]):
                    there = tuple(p + d - 1 for p, d in zip(place, k, strict=True))
                    if all(0 <= t < n for t, n in zip(there, x.shape[1:], strict=True)):
                        for o in range(weight.shape[0]):
                            for i in range(weight.shape[1]):
                                new[(i, *there)] += weight[(o, i, *k)] * back[(o, *place)]
        elif kind == "linear":
            for o in range(len(back)):
                for i in range(len(x)):
                    new[i] += what[0][o, i] * back[o]
        elif kind == "act":
            for unit in np.ndindex(*x.shape):
                new[unit] = through(rule, what[0], x[unit], back[unit])
        elif kind == "max":
            for unit in np.ndindex(*back.shape):
                new[winner(x, unit)] += back[unit]
        elif kind == "mean":
            for unit in np.ndindex(*x.shape):
                new[unit] = back[unit[0]] / math.prod(x.shape[1:])
        else:
            new = back.reshape(x.shape)
        back = new
    return back


def conv(x: Array, weight: Array, bias: Array) -> Array:
    out = np.zeros((weight.shape[0], *x.shape[1:]))
    for unit in np.ndindex(*out.shape):
        out[unit] = bias[unit[0]]
        for k in np.ndindex(*weight.shape[1:]):
            there = tuple(p + d - 1 for p, d in zip(unit[1:], k[1:], strict=True))
            if all(0 <= t < n for t, n in zip(there, x.shape[1:], strict=True)):
                out[unit] += weight[(unit[0], *k)] * x[(k[0], *there)]
    return out


def linear(x: Array, weight: Array, bias: Array) -> Array:
    return np.array(
        [
            sum(w * v for w, v in zip(row, x, strict=True)) + b
            for row, b in zip(weight, bias, strict=True)
        ]
    )


def act(x: Array, name: str) -> Array:
    return np.array([ACTIVATIONS[name][0](v) for v in x.ravel()]).reshape(x.shape)


def winner(x: Array, unit: tuple[int, ...]) -> tuple[int, ...]:
    """Where the largest value of the window of 2 is that `unit` of the pooled map shows."""
    windows = [
        tuple(2 * u + d for u, d in zip(unit[1:], k, strict=True))
        for k in np.ndindex(*[2] * (x.ndim - 1))
    ]
    return max(((unit[0], *place) for place in windows), key=lambda place: x[place])


def maximum(x: Array) -> Array:
    out = np.zeros((len(x), *[n // 2 for n in x.shape[1:]]))
    for unit in np.ndindex(*out.shape):
        out[unit] = x[winner(x, unit)]
    return out


def mean(x: Array) -> Array:
    return x.reshape(len(x), -1).mean(1)


def flat(x: Array) -> Array:
    return x.ravel()
