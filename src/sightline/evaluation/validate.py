"""What a run is asked for, looked at as far as that goes without a model.

Nobody waits for one to hear of a mistake.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sightline.datasets import Data
from sightline.errors import DataError, MethodError, TargetError, near
from sightline.evaluation import store
from sightline.evaluation.controls import CONTROLS
from sightline.explanation.plan import steps
from sightline.metrics import METRICS, Metric, chosen_metrics
from sightline.protocol import Protocol
from sightline.supply import called, requests
from sightline.targets import beyond_classes

TRUTH = {"boxes", "mask", "given_map", "given_boxes", "rank", "top_boxes"}
"""Measurements that need to know what is in a picture."""


@dataclass(frozen=True)
class RunRequest:
    """Methods as `explain` takes them, their proper names, the controls, the metrics, each once.

    `target` is a question of the caller's own, a function of the outputs; None: classes.
    """

    methods: list[Any]
    names: list[str]
    controls: list[str]
    metrics: list[Metric]
    target: Any = None

    @property
    def functions(self) -> dict[str, Any]:
        """The caller's own among the methods and metrics, by their names."""
        own = {called(one): one for one in self.methods if callable(one)}
        if self.target is not None:
            own["target"] = self.target
        return own | {
            one.name: one.function
            for one in self.metrics
            if METRICS.get(one.name) is not one.function
        }


def validated(
    methods: str | Sequence[Any],
    metrics: str | Sequence[Any],
    shard: tuple[int, int] = (1, 1),
    out: str | Path | None = None,
    target: Any = None,
) -> RunRequest:
    """Methods and metrics by name. Nothing is made, nothing is written.

    Raises `TargetError` for a target that is no function, `MethodError` for names that nobody
    knows, `DataError` for a share that is none, and `StoreError` where rows could not be kept:
    pyarrow is missing, `out` cannot be written, or holds a `run.json` that nobody can read.

    >>> known = validated(["Grad-CAM", "fake_cam"], "average_drop")
    >>> known.names, known.controls, [metric.title for metric in known.metrics]
    (['grad_cam'], ['fake_cam'], ['Average Drop'])
    """
    store.require_pyarrow()
    which, of = shard
    if not 1 <= which <= of:
        raise DataError(
            f"Expected a shard k of n with 1 <= k <= n; got {which} of {of}. For all of it: 1 of 1."
        )
    explaining, names, controls = _methods(_listed(methods))
    known = chosen_metrics(_listed(metrics))
    if out is not None:
        store.check_writable(Path(out))
    if target is not None and (isinstance(target, list | tuple) or not beyond_classes(target)):
        raise TargetError(
            f"Expected a function of the outputs as the target, or a Region, Box or Similarity; got"
            f" {target!r}. Classes are asked for by the protocol: each image's own with"
            " explained='given', the predicted ones if nothing is said."
        )
    return RunRequest(explaining, names, controls, list(known), target)


def needs_truth(data: Data, metrics: Sequence[Metric], protocol: Protocol) -> bool:
    """Whether it has to be known what is in the pictures.

    Raises `DataError` where it has, and the data do not say.
    """
    words = {word for metric in metrics for word in requests(metric.function)}
    truth = protocol.explained == "given" or bool(words & TRUTH)
    if data.classes is None and truth:
        raise DataError(
            "Expected annotations:"
            f" {'given classes need' if protocol.explained == 'given' else 'the metrics need'} to"
            f" know what is in the pictures; {data.path} is read as {data.kind!r}, without classes."
            " Take faithfulness metrics, or annotated data."
        )
    return truth


def _listed(some: Any) -> list[Any]:
    return [some] if isinstance(some, str) or callable(some) else list(some)


def _methods(wanted: Sequence[Any]) -> tuple[list[Any], list[str], list[str]]:
    """What `explain` is asked for, the methods' proper names, and the controls."""
    controls = [name for name in wanted if isinstance(name, str) and name in CONTROLS]
    others = [name for name in wanted if not (isinstance(name, str) and name in CONTROLS)]
    if not others:
        raise MethodError(
            f"Expected at least one method; got {', '.join(controls) or 'none'}. Controls explain"
            " nothing by themselves: add a method, such as grad_cam_pp."
        )
    try:
        names = [step.name for step in steps(others, {})]
    except MethodError as error:
        for name in others:
            if isinstance(name, str) and (hint := near(name, CONTROLS)).startswith("Near"):
                raise MethodError(f"{error} Among the controls: {hint}") from error
        raise
    return list(dict.fromkeys(others)), list(dict.fromkeys(names)), list(dict.fromkeys(controls))
