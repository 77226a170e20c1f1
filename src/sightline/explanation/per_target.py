"""What an explanation holds for each image and each target, with both axes always there."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor

from sightline.explanation.status import Status
from sightline.targets import Target

if TYPE_CHECKING:
    from sightline.explanation.result import Explanation

_TENSORS = ("maps", "coarse", "scores", "probabilities", "pixels")
_LISTS = ("targets", "status")


@dataclass(frozen=True, eq=False)
class PerTarget:
    """The fields of an `Explanation` with a value for each target, `[b, n, ...]`, also for n = 1.

    The library works on these; `Explanation` shows `[b, ...]` where one target was asked, which is
    what people want to see. The axis is put in by `per_target` and taken out by `fields`, and
    nowhere else. Tensors are views.
    """

    maps: Tensor
    coarse: Tensor
    scores: Tensor
    probabilities: Tensor | None
    targets: list[list[Target]]
    status: list[list[Status]]
    pixels: Tensor | None = None

    def fields(self, several: bool) -> dict[str, Any]:
        """As an `Explanation` shows them: without the targets' axis, unless several were asked."""
        found = {name: getattr(self, name) for name in (*_TENSORS, *_LISTS)}
        if several:
            return found
        for name in _TENSORS:
            found[name] = None if found[name] is None else found[name][:, 0]
        for name in _LISTS:
            found[name] = [row[0] for row in found[name]]
        return found


def per_target(explanation: "Explanation") -> PerTarget:
    """The fields of an explanation with the targets' axis, whether or not it shows one."""
    found = {name: getattr(explanation, name) for name in (*_TENSORS, *_LISTS)}
    if not explanation.several:
        for name in _TENSORS:
            found[name] = None if found[name] is None else found[name].unsqueeze(1)
        for name in _LISTS:
            found[name] = [[one] for one in found[name]]
    return PerTarget(**found)
