"""What the model says when it sees a picture only through its map: the beginning of every faithfulness metric."""

import torch
from torch import Tensor, nn

from sightline.errors import TargetError
from sightline.explanation import Explanation
from sightline.mask import explanation_map
from sightline.models import card_of
from sightline.surgery import look
from sightline.targets import logits, probabilities


def kept_confidence(model: nn.Module, explanation: Explanation) -> Tensor:
    r"""The confidence O in each target on the explanation map, `[b]` or `[b, n]` (Grad-CAM++ eq. 25, section 4.1).

    $$E^c = L^c \circ I$$ with L the map in [0, 1] and I the picture's pixels in [0, 1] before mean and std, so that
    what the map leaves out is black. The paper does not say in which space it multiplies; this one is what
    a person sees. Compare with `explanation.probabilities`, the confidence Y on the whole picture.

    Raises `TargetError` for a function of the outputs (it has no confidence) and for inputs that are no pictures.
    """
    images, asked = explanation.images, explanation.probabilities
    if images is None or asked is None:
        raise TargetError(
            "Expected pictures and classes: the confidence kept needs pixels to mask and a class to be confident in. "
            "Explain photographs with a class as the target."
        )
    card = card_of(model)
    shape = (1, -1, *[1] * (images.ndim - 2))
    done = explanation.statistics
    mean, std = (torch.tensor(values, device=images.device).view(shape) for values in (done.mean, done.std))
    maps = explanation.maps if explanation.several else explanation.maps.unsqueeze(1)
    columns = []
    for j in range(maps.shape[1]):
        inputs = (explanation_map(images, maps[:, j]) - mean) / std
        anchor = explanation.inputs if explanation.inputs is not None else inputs
        rows = logits(look(model, inputs.to(anchor)))
        if rows.shape[1] == 1:
            rows = torch.cat([-rows, rows], dim=1)
            sure = probabilities(rows, "sigmoid")
        else:
            sure = probabilities(rows, card.outputs)
        own = [(t[j] if explanation.several else t).index for t in explanation.targets]
        columns.append(sure.gather(1, torch.tensor(own, device=sure.device).unsqueeze(1)).squeeze(1))
    kept = torch.stack(columns, dim=1)
    return kept if explanation.several else kept[:, 0]
