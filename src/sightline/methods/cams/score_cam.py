"""Score-CAM: how well the model does on what each channel shows (Wang et al. 2020)."""

from sightline.methods.cams.common.score_weights import Look, weigh_by_looks
from sightline.methods.cams.common.tally import Tally, ignore
from sightline.types import Activations, Weights


def score_cam(
    activations: Activations,
    look: Look,
    *,
    top: int | None = None,
    form: str = "paper",
    at_once: int = 16,
    tally: Tally = ignore,
) -> Weights:
    r"""Weigh each channel by the score of the picture seen through it, as a softmax over the
    channels (Algorithm 1).

    $$w_k = \frac{\exp f(X \circ H_k)}{\sum_l \exp f(X \circ H_l)}, \qquad
      H_k = \frac{U(A_k) - \min U(A_k)}{\max U(A_k) - \min U(A_k)}$$

    U enlarges a channel to the picture, f is the score explained, before the softmax over the
    *classes*. The paper subtracts the score of a baseline from each; in the softmax over the
    *channels* that cancels. No gradients: one forward pass a channel and image, `at_once` pictures
    at a time, which bounds the memory.

    Variants. The paper's text speaks of scores after the softmax over the classes, its Algorithm 1
    of those before; the algorithm is taken. `form="authors"` is what the authors' released code
    does: the weight is the class's probability, without a softmax over the channels. X is the
    model's own input, so what a mask hides becomes 0 *there*: on normalised pictures the data set's
    mean colour.

    A constant channel has no H; it gets the weight 0 (a silent one adds nothing anyway). `top=k`
    looks only through the k channels with the largest energy, the sum of squared activations, and
    gives the others the weight 0. That is an approximation; how far off it is has been measured in
    `docs/methods.md`.

    `look(maps)` takes `[m, b, *s]` and gives `[m, b]`. Expects `[b, c, *s]`, returns `[b, c, 1,
    ...]`; the paper's weights of an image sum to 1.

    >>> import torch
    >>> two = torch.tensor([[[0.0, 1.0], [4.0, 0.0]]])
    >>> score_cam(
    ...     two, lambda maps, *_, **__: torch.tensor([[3.0], [3.0]])
    ... ).flatten()  # equally good
    tensor([0.5000, 0.5000])
    """
    return weigh_by_looks(
        activations, look, [None], top=top, form=form, at_once=at_once, tally=tally
    )
