"""What of a run has a meaning where the model's outputs are quantities: an age, a dose, a depth.

A quantity has no probability and nothing it is rather than something else. What `evaluate` calls
confidence is then its value, in its own unit: so a curve of values while pixels go says which map
found what the value hangs on. What divides by a confidence, counts from 1, or needs classes does
not.
"""

from collections.abc import Sequence
from dataclasses import replace

from sightline.errors import ProtocolError
from sightline.metrics import Metric
from sightline.protocol import Protocol
from sightline.supply import requests

_PROBABILITY = {
    "average_drop": "is a share of the confidence",
    "increase_in_confidence": "counts where the model is surer",
    "average_gain": "divides by what is missing to 1",
    "adcc": "is made of Average Drop",
    "roc_area": "divides by the confidence",
}
"""Metrics that a quantity cannot be put into, and why."""

_CLASSES = {
    "boxes", "mask", "given_map", "given_boxes", "other_map", "top_maps", "top_peaks", "top_boxes",
    "rank",
}  # fmt: skip
"""Measurements that are about one class among others."""


def told(protocol: Protocol, stated: str | None, card: str) -> Protocol:
    """The protocol with what the outputs are, where the caller or the model's card says it.

    >>> told(Protocol(), None, "value").outputs, told(Protocol(), None, "softmax").outputs
    ('value', None)
    """
    if stated is not None and protocol.outputs not in (None, stated):
        raise ProtocolError(
            f"Expected one word for what the outputs are; got outputs={stated!r} and a protocol"
            f" with {protocol.outputs!r}. Leave one of them out."
        )
    word = stated or protocol.outputs or (card if card == "value" else None)
    return protocol if word == protocol.outputs else replace(protocol, outputs=word)


def check_measurable(metrics: Sequence[Metric], protocol: Protocol) -> None:
    """Raise `ProtocolError` for what a quantity cannot be asked, before anything runs."""
    if protocol.outputs != "value":
        return
    if protocol.explained == "given":
        raise ProtocolError(
            "Expected explained='predicted' for quantities: no class of the data is one of the"
            " model's. Leave it out."
        )
    refused = {one.name: why for one in metrics if (why := _why(one)) is not None}
    if refused:
        raise ProtocolError(
            "Expected metrics that a quantity can be measured by (outputs='value'); "
            + "; ".join(f"{name} {why}" for name, why in refused.items())
            + ". Take deletion, insertion, the ROAD metrics or occlusion_correlation, which are"
            " then about the value itself, or what is about maps alone: complexity, coherency,"
            " sensitivity, randomisation."
        )


def _why(metric: Metric) -> str | None:
    """Why a metric has no meaning for a quantity; None where it has one."""
    if metric.name in _PROBABILITY:
        return _PROBABILITY[metric.name]
    needed = _CLASSES.intersection(requests(metric.function))
    return f"needs classes ({', '.join(sorted(needed))})" if needed else None
