"""One picture alone beside the same picture in a batch of two: the networks for it, the figures.

A network with the weights of `lively` will not do. Its norms have the weight 1 and no bias: then
the mean over the channels of a layer norm is zero and the map there is rounding, and a wrong order
of the channels of a batch norm changes nothing. And its signals grow from block to block until
every softmax is 0 or 1, where rounding grows as fast.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from sightline import Explanation, explain


def as_if_trained(model: nn.Module, *inputs: Any, **named: Any) -> nn.Module:
    """In float64: every norm and bias drawn, batch norms that have seen the inputs; in eval mode.

    Inputs that are floating point numbers are in float64 already.
    """
    model.double().eval()
    generator = torch.Generator().manual_seed(2)
    for name, tensor in model.named_parameters():
        if tensor.ndim == 1:
            drawn = torch.rand(tensor.shape, generator=generator, dtype=torch.double)
            tensor.data.copy_(drawn - 0.5 if "bias" in name else drawn + 0.5)
    norms = [one for one in model.modules() if isinstance(one, _BatchNorm)]
    for one in norms:
        one.train()
        one.momentum = 0.5
    with torch.no_grad():
        model(*inputs, **named)
    return model.eval()


def apart(alone: Explanation, both: Explanation) -> float:
    """The largest difference in the first picture's evidence, relative to the largest of it.

    0 where both are zero everywhere, infinite where only the batch's is; nan shows.
    """
    got, want = (_evidence(one).detach() for one in (alone, both))
    difference, size = float((got - want[:1]).abs().max()), float(want[:1].abs().max())
    return difference / size if size else 0.0 if difference == 0 else float("inf")


def is_zero(one: Explanation) -> bool:
    """Whether there is nothing to compare: no evidence anywhere in the first picture."""
    return not bool(_evidence(one)[:1].any())


def compared(
    model: nn.Module,
    alone: Any,
    both: Any,
    target: Any,
    method: Any,
    layer: Any = None,
    **options: Any,
) -> dict[tuple[str, str], float]:
    """How far apart each method is at each layer (`input` for pixels), by both names."""
    one, two = (
        _by_names(explain(model, inputs, target, method, layer, place="unchecked", **options))
        for inputs in (alone, both)
    )
    return {key: apart(one[key], two[key]) for key in one}


def _by_names(found: Mapping[Any, Explanation]) -> dict[tuple[str, str], Explanation]:
    return {(one.method, one.layer): one for one in found.values()}


def _evidence(one: Explanation) -> Tensor:
    return one.coarse if one.pixels is None else one.pixels


def assert_as_in_two(figures: Mapping[tuple[str, str], float], bar: float) -> None:
    """Raise where any is further apart than `bar`, or not a number; the worst comes first."""
    assert figures, "nothing was compared"
    far = {key: value for key, value in figures.items() if not value <= bar}
    worst = sorted(far, key=lambda key: far[key], reverse=True)
    said = ", ".join(f"{method} at {layer} {far[method, layer]:.1e}" for method, layer in worst)
    assert not far, f"{len(far)} of {len(figures)} are further apart than {bar:g}: {said}"
