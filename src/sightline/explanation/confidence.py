"""How sure a model is of a class: on a picture, and on what is left of it through its map."""

from typing import Any

import torch
from torch import Tensor, nn

from sightline.errors import TargetError
from sightline.explanation.result import Explanation
from sightline.maps.mask import explanation_map
from sightline.models import card_of
from sightline.surgery import look
from sightline.targets import Kind, logits, probabilities
from sightline.tensors import at_least_float32


def kept_confidence(model: nn.Module, explanation: Explanation) -> Tensor:
    r"""The confidence O in each target on the explanation map, `[b]` or `[b, n]` (Grad-CAM++ eq.
    25, section 4.1).

    $$E^c = L^c \circ I$$ with L the map in [0, 1] and I the picture's pixels in [0, 1] before mean and std, so that
    what the map leaves out is black. The paper does not say in which space it multiplies; this one is what
    a person sees. Compare with `explanation.probabilities`, the confidence Y on the whole picture.

    Raises `TargetError` for a function of the outputs (it has no confidence) and for inputs that
    are no pictures.
    """
    images, asked = explanation.images, explanation.probabilities
    if images is None or asked is None:
        raise TargetError(
            "Expected pictures and classes: the confidence kept needs pixels to mask and a class to"
            " be confident in. Explain photographs with a class as the target."
        )
    card = card_of(model)
    shape = (1, -1, *[1] * (images.ndim - 2))
    done = explanation.statistics
    mean, std = (
        torch.tensor(values, device=images.device).view(shape) for values in (done.mean, done.std)
    )
    maps = explanation.maps if explanation.several else explanation.maps.unsqueeze(1)
    columns = []
    for j in range(maps.shape[1]):
        inputs = (explanation_map(images, maps[:, j]) - mean) / std
        anchor = explanation.inputs if explanation.inputs is not None else inputs
        own = [(t[j] if explanation.several else t).index for t in explanation.targets]
        columns.append(confidence(look(model, inputs.to(anchor)), torch.tensor(own), card.outputs))
    kept = torch.stack(columns, dim=1)
    return kept if explanation.several else kept[:, 0]


def confidence(
    outputs: Any, classes: Tensor, kind: Kind = "softmax", score: str = "probability"
) -> Tensor:
    """How sure the outputs are of each image's class `[b]`: its `probability`, or its `logit`. At
    least float32.

    A single logit stands for class 1, its negative for class 0, as in `targets`.

    >>> confidence(torch.tensor([[0.0, 0.0], [0.0, 3.0]]), torch.tensor([0, 1]), score="logit")
    tensor([0., 3.])
    >>> confidence(torch.tensor([[0.0, 0.0]]), torch.tensor([1]))
    tensor([0.5000])
    """
    rows = logits(outputs)
    if rows.shape[1] == 1:
        rows, kind = torch.cat([-rows, rows], dim=1), "sigmoid"
    sure = at_least_float32(rows.detach()) if score == "logit" else probabilities(rows, kind)
    return sure.gather(1, classes.to(sure.device).unsqueeze(1)).squeeze(1)
