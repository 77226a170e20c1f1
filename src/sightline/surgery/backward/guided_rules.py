"""The backward rules of guided backpropagation and deconvnet, however an activation is spelled.

Nothing is patched and nothing is hooked, neither module nor function nor graph. However an
activation was spelled in the model (`nn.ReLU`, `F.relu`, `x.relu_()`), autograd issues one backward
operator for it. `GuidedRule` stands in the way of these, in the calling thread's backward pass
alone, and lets every other operator pass unchanged.
"""

from collections import Counter
from typing import Any, Literal, get_args

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from sightline.errors import MethodError, near
from sightline.surgery.backward.graph import nodes
from sightline.surgery.backward.operators import aten, rectifiers

Rule = Literal["guided", "deconvnet"]

_GOVERNED = rectifiers()
"""The governed backward operators. `F.threshold` shares ReLU's, CELU and SELU share ELU's."""

_LEFT_ALONE = {
    "TanhBackward0": "tanh",
    "SigmoidBackward0": "sigmoid",
    "HardsigmoidBackward0": "hardsigmoid",
    "HardtanhBackward0": "hardtanh",
    "LogSigmoidBackward0": "logsigmoid",
    "SoftmaxBackward0": "softmax",
    "GluBackward0": "glu",
    "SoftshrinkBackward0": "softshrink",
    "HardshrinkBackward0": "hardshrink",
    "ClampBackward1": "clamp",
    "ClampMinBackward0": "clamp",
    "MaximumBackward0": "maximum",
}
"""By nodes of the graph, not by operators: what is not governed is only counted."""


class GuidedRule(TorchDispatchMode):
    r"""While this is entered, gradients pass rectifiers by another rule than the derivative.

    With x what entered the activation f and g the gradient that comes back to it:

    $$\text{guided: } [x > 0]\, f'(x)\, \mathrm{relu}(g), \qquad
      \text{deconvnet: } \mathrm{relu}(g)$$

    - *Guided* is Springenberg et al. 2015: passed on where both the input and the gradient are
      positive. There f' is 1 for ReLU, and so it is for LeakyReLU, PReLU, RReLU, ELU and CELU; SELU
      keeps its scale, ReLU6 its ceiling.
    - *Deconvnet* is Zeiler and Fergus 2014: the gradient itself is rectified, the input does not
      count.
    - *Smooth gates* (SiLU, GELU, Hardswish, Mish, Softplus) have no paper of their own. Here the
      same two equations hold, with the gate's own derivative for f': what comes back to a negative
      input is stopped, as behind a ReLU.
    - *Not governed*: tanh, sigmoid, hardsigmoid and a hardtanh whose lower bound is negative, which
      squash rather than rectify; and what reaches autograd as something else than an activation: `x
      * sigmoid(x)` written out, `clamp(min=0)`, `maximum(x, 0)`, custom `autograd.Function`s,
      TorchScript. These keep their derivative.

    `governed` counts the activations by kind. Both rules are positively homogeneous but not linear,
    so each score needs a backward pass of its own. Raises `MethodError` for an unknown rule.

    >>> import torch
    >>> x = torch.tensor([-1.0, 2.0, 3.0], requires_grad=True)
    >>> y = torch.nn.functional.relu(x) @ torch.tensor([1.0, 1.0, -1.0])
    >>> with GuidedRule("guided") as rule:
    ...     torch.autograd.grad(y, x)[0], dict(rule.governed)
    (tensor([0., 1., 0.]), {'ReLU': 1})
    """

    def __init__(self, rule: str) -> None:
        if rule not in get_args(Rule):
            raise MethodError(
                f"Expected a backward rule; came {rule!r}. {near(str(rule), get_args(Rule))}"
            )
        super().__init__()  # type: ignore[no-untyped-call]  # torch gives this one no types
        self.rule = rule
        self.governed: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        kind = _kind(func, args)
        if kind is None:
            return func(*args, **kwargs)
        self.governed[kind] += 1
        signal = args[0].relu()
        if self.rule == "guided":
            passed = func(signal, *args[1:], **kwargs)
            # Zeroed and not multiplied, so that neither inf nor NaN behind a closed gate leaks out.
            closed = _entered(func, args) <= 0
            return _first(passed, lambda gradient: gradient.masked_fill(closed, 0))
        return (signal, *args[2:3]) if kind == "PReLU" else signal


def left_alone(scores: Tensor) -> dict[str, int]:
    """The activations on the way back from the scores, by kind, where none of them is governed."""
    found: Counter[str] = Counter()
    for node in nodes(scores):
        if kind := _LEFT_ALONE.get(node.name()):
            found[kind] += 1
        elif not node.name().endswith(tuple("0123456789")) and hasattr(node, "saved_tensors"):
            found[node.name()] += 1  # somebody's own autograd.Function
    return dict(found)


def _kind(func: Any, args: Any) -> str | None:
    kind = _GOVERNED.get(func)
    if kind == "ReLU6" and args[2] < 0:
        return None  # Hardtanh(-1, 1) is a squash like tanh
    return kind


def _entered(func: Any, args: Any) -> Tensor:
    """What entered the activation; where it ran in place, what left it: the signs are the same."""
    entered: Tensor = args[5] if func is aten("elu_backward") else args[1]
    return entered


def _first(passed: Any, change: Any) -> Any:
    """PReLU's operator also returns the derivative of its slopes, which nobody asks for."""
    return (change(passed[0]), *passed[1:]) if isinstance(passed, tuple) else change(passed)
