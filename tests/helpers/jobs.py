"""A job, its trace and its reruns, as `explain` makes them, for tests of its passes."""

from typing import Any

from torch import Tensor, nn

from sightline.explanation.inputs import ready
from sightline.explanation.job import Job
from sightline.explanation.passes.method_inputs import MethodInputs
from sightline.explanation.passes.reruns import Reruns
from sightline.models import card_of
from sightline.surgery import capture


def job_of(net: nn.Module, x: Tensor, target: Any = None, *, counterfactual: bool = False) -> Job:
    """What `explain(net, x, target)` works on."""
    card = card_of(net)
    return Job(net, card, ready(x, net, card.preprocess), target, counterfactual, -1, None)


def reruns_of(net: nn.Module, x: Tensor, target: Any, layer: str, **kwargs: Any) -> Reruns:
    """The model opened at a layer, the target asked, to be run again."""
    job = job_of(net, x, target, **kwargs)
    trace = capture(net, x, [layer])
    return Reruns(job, job.ask(trace.outputs), trace, {})


def inputs_of(net: nn.Module, x: Tensor, target: Any, layer: str, **kwargs: Any) -> MethodInputs:
    """What a method can ask for at a layer."""
    reruns = reruns_of(net, x, target, layer, **kwargs)
    return MethodInputs(reruns.trace, reruns.question, reruns.job.sign, lambda: reruns)
