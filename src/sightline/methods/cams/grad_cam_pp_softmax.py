"""Grad-CAM++ of a softmax probability."""

from sightline.methods.cams.common.alpha import weigh_by_derivatives
from sightline.methods.cams.common.derivatives import Explained, Probabilities, softmax_shape
from sightline.methods.cams.common.tally import Tally, ignore
from sightline.types import Activations, ClassGradients, Weights


def grad_cam_pp_softmax(
    activations: Activations,
    class_gradients: ClassGradients,
    probabilities: Probabilities,
    explained: Explained,
    *,
    alpha: str = "paper",
    guard: bool = True,
    tally: Tally = ignore,
) -> Weights:
    r"""Weigh as Grad-CAM++ does, for the softmax probability instead of exp(S) (eq. 5, 10 and 21 to
    24).

    $$w_k = \sum_{ij} \alpha_{ij}\,\mathrm{relu}(d_{ij}), \qquad
      \alpha = \frac{d^2 - v}{2 (d^2 - v) + (d^3 - 3 d v - t) \sum_{ab} A_{ab}}$$

    with d, v, t from the gradients of *every* class (`derivatives.softmax_shape`). The
    weights are those of the paper divided by Y (1 - Y), one positive number an image, so that a
    network that is sure keeps its map. `class_gradients` `[k, b, c, *s]`, or `[k, b, c, 1, ...]`
    behind a pooled linear head; `probabilities` `[b, k]`; `explained` `[b]` the class's index.
    Returns `[b, c, 1, ...]`.

    This alpha is not bounded. With `guard=True` it is 1/2 wherever it is not in (0, 1), and
    `tally("guarded", places)` counts the places; `guard=False` is the letter of the paper. `alpha`
    is `"paper"` or `"authors"`, as for `grad_cam_pp`.

    >>> import torch
    >>> A, both = torch.ones(1, 1, 2), torch.tensor([[0.25, 0.75]])
    >>> class_gradients = torch.tensor(
    ...     [[[[1.0, -3.0]]], [[[0.0, 0.0]]]]
    ... )  # two classes, the second flat
    >>> grad_cam_pp_softmax(
    ...     A, class_gradients, both, torch.tensor([0])
    ... ).item()  # 1 / (2 + 2 x -1/4)
    0.6666...
    """
    derivatives = softmax_shape(class_gradients, probabilities, explained)
    return weigh_by_derivatives(activations, derivatives, alpha, guard, tally)
