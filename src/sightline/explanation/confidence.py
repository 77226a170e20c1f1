"""How sure a model is of a class: on a picture, and on what is left of it through its map."""

from typing import Any

import torch
from torch import Tensor, nn

from sightline.errors import TargetError
from sightline.explanation.result import Explanation
from sightline.maps.mask import explanation_map
from sightline.surgery import as_handed_in, look
from sightline.targets import Reading
from sightline.targets.model_outputs import class_rows, two_rows
from sightline.targets.reading import PLAIN, VALUE
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
    reading = reading_in(explanation)
    axis, columns = explanation.provenance.get("input", {}).get("channel_axis", 1), []
    for j in range(held.maps.shape[1]):
        inputs = _through(explanation, images, held.maps[:, j])
        anchor = explanation.inputs if explanation.inputs is not None else inputs
        # in the order in which the model takes them
        anchored = as_handed_in(inputs.to(anchor), axis)
        classes = torch.tensor([targets[j].index for targets in held.targets], device="cpu")
        columns.append(confidence(look(model, anchored), classes, reading))
    kept = torch.stack(columns, dim=1)
    return kept if explanation.several else kept[:, 0]


def reading_in(explanation: Explanation) -> Reading:
    """How the outputs of its model were read, from the record."""
    record = explanation.provenance["outputs"]
    return Reading(**{word: value for word, value in record.items() if word != "notes"})


def _through(explanation: Explanation, images: Tensor, maps: Tensor) -> Tensor:
    """What the maps let through, black elsewhere, in the model's space."""
    done = explanation.statistics
    mean, std = (torch.tensor(values, device=images.device) for values in (done.mean, done.std))
    channels, axes = images.shape[1], images.ndim - 2
    if (
        explanation.inputs is not None
        and axes != 2
        and not explanation.preprocess.fits(channels, axes)
    ):
        # no pictures: to hold them in [0, 1], as pixels are, would lose what is beyond
        return explanation_map(explanation.inputs, maps, fill=-mean / std)
    mean, std = (per_channel(values, images.ndim) for values in (mean, std))
    return (explanation_map(images, maps) - mean) / std


def confidence(
    outputs: Any, classes: Tensor, reading: Reading = PLAIN, score: str = "probability"
) -> Tensor:
    """How sure the outputs are of each image's class `[b]`: its `probability`, or its `logit`.

    In float32 at least. A single logit stands for class 1, its negative for class 0, as in
    `targets`. Of outputs that are probabilities already the logit is the logarithm, or the log odds
    of classes that do not exclude each other. Of quantities it is the value.

    >>> confidence(torch.tensor([[0.0, 0.0], [0.0, 3.0]]), torch.tensor([0, 1]), score="logit")
    tensor([0., 3.])
    >>> confidence(torch.tensor([[0.0, 0.0]]), torch.tensor([1]))
    tensor([0.5000])
    """
    rows, _ = class_rows(outputs, images=len(classes))
    if reading == VALUE:
        sure = at_least_float32(rows.detach())
    elif score == "logit":
        sure = at_least_float32(reading.logits(rows).detach())
        sure = two_rows(sure) if sure.shape[1] == 1 else sure
    else:
        sure = reading.probabilities(rows)
    return sure.gather(1, classes.to(sure.device).unsqueeze(1)).squeeze(1)
