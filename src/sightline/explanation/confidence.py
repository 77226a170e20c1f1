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
from sightline.targets.model_outputs import two_rows
from sightline.tensors import at_least_float32, per_channel


def kept_confidence(model: nn.Module, explanation: Explanation) -> Tensor:
    r"""The confidence O in each target on the explanation map, `[b]` or `[b, n]` (eq. 25).

    $$E^c = L^c \circ I$$ with L the map in [0, 1] and I the picture's pixels in [0, 1] before mean
    and std, so that what the map leaves out is black (Grad-CAM++, section 4.1). The paper does not
    say in which space it multiplies; this one is what a person sees. Compare with
    `explanation.probabilities`, the confidence Y on the whole picture.

    Raises `TargetError` for a function of the outputs (it has no confidence) and for inputs that
    are no pictures.
    """
    images, held = explanation.images, explanation.per_target
    if images is None or held.probabilities is None:
        raise TargetError(
            "Expected pictures and classes: the confidence kept needs pixels to mask and a class to"
            " be confident in. Explain photographs with a class as the target."
        )
    card = card_of(model)
    done = explanation.statistics
    mean, std = (
        per_channel(torch.tensor(values, dtype=torch.float32, device=images.device), images.ndim)
        for values in (done.mean, done.std)
    )
    axis, columns = explanation.provenance.get("input", {}).get("channel_axis", 1), []
    for j in range(held.maps.shape[1]):
        inputs = (explanation_map(images, held.maps[:, j]) - mean) / std
        anchor = explanation.inputs if explanation.inputs is not None else inputs
        anchored = inputs.to(anchor).movedim(1, axis)  # in the order in which the model takes them
        classes = torch.tensor([targets[j].index for targets in held.targets], device="cpu")
        columns.append(confidence(look(model, anchored), classes, card.outputs))
    kept = torch.stack(columns, dim=1)
    return kept if explanation.several else kept[:, 0]


def confidence(
    outputs: Any, classes: Tensor, kind: Kind = "softmax", score: str = "probability"
) -> Tensor:
    """How sure the outputs are of each image's class `[b]`: its `probability`, or its `logit`.

    In float32 at least. A single logit stands for class 1, its negative for class 0, as in
    `targets`.

    >>> confidence(torch.tensor([[0.0, 0.0], [0.0, 3.0]]), torch.tensor([0, 1]), score="logit")
    tensor([0., 3.])
    >>> confidence(torch.tensor([[0.0, 0.0]]), torch.tensor([1]))
    tensor([0.5000])
    """
    rows = logits(outputs)
    if rows.shape[1] == 1:
        rows, kind = two_rows(rows), "sigmoid"
    sure = at_least_float32(rows.detach()) if score == "logit" else probabilities(rows, kind)
    return sure.gather(1, classes.to(sure.device).unsqueeze(1)).squeeze(1)
