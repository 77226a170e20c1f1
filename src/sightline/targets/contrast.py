"""A class against its rivals: Finer-CAM's difference to similar ones, the margin to the next."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sightline.errors import TargetError
from sightline.targets.model_outputs import logits
from sightline.targets.target import Aim, Names, Size, class_in_words, class_numbers


@dataclass(frozen=True, eq=False)
class Contrast(Aim):
    r"""What makes a class differ from similar ones (Finer-CAM, Zhang et al. 2025), for any method.

    $$y = y^c - \gamma \, \frac{1}{n} \sum_{t=1}^{n} y^{d_t}$$

    `klass` is a number, a name or a tensor `[b]`; None: each image's own predicted class. The
    classes $d_t$ are those in `against`, or the `similar` ones whose logits are nearest to the
    class's own. `gamma` 0 asks for the class alone; at 1 what all share has no weight left. The
    classes to compare with are picked from the outputs, and no derivative runs through the picking.

    >>> logits = torch.tensor([[5.0, 4.0, 1.0, 3.0]])
    >>> Contrast(gamma=1.0, similar=2)(logits), Contrast(2, against=[0], gamma=0.5)(logits)
    (tensor([1.5000]), tensor([-1.5000]))
    """

    klass: int | str | Tensor | None = None
    against: Sequence[int | str] | None = None
    gamma: int | float = 0.6
    similar: int = 3

    def _scores(self, outputs: Any, classes: Names, size: Size) -> Tensor:
        rows, own = _rivals(outputs, self.klass, classes)
        if self.against is None:
            rivals = similar(rows.detach(), own, self.similar)
        else:
            columns = [
                class_numbers(one, len(rows), classes, rows.shape[1]) for one in self.against
            ]
            if not columns:
                raise TargetError(
                    "Expected classes to compare with; against= is empty. Leave it out for similar"
                    " ones."
                )
            rivals = torch.stack(columns, dim=1).to(rows.device)
            if bool((rivals == own[:, None]).any()):
                raise TargetError(
                    "Expected other classes to compare with; against= holds the class asked for"
                    " itself."
                )
        return rows.gather(1, own[:, None])[:, 0] - self.gamma * rows.gather(1, rivals).mean(1)

    def __str__(self) -> str:
        rivals = (
            "similar classes"
            if self.against is None
            else ", ".join(class_in_words(one) for one in self.against)
        )
        return f"{class_in_words(self.klass)} against {rivals}"


@dataclass(frozen=True, eq=False)
class Margin(Aim):
    r"""How far a class is ahead of the best other one: $y = y^c - \max_{d \ne c} y^d$.

    `klass` as for `Contrast`. Negative where another class wins.

    >>> Margin()(torch.tensor([[5.0, 4.0, 1.0]])), Margin(2)(torch.tensor([[5.0, 4.0, 1.0]]))
    (tensor([1.]), tensor([-4.]))
    """

    klass: int | str | Tensor | None = None

    def _scores(self, outputs: Any, classes: Names, size: Size) -> Tensor:
        rows, own = _rivals(outputs, self.klass, classes)
        others = rows.scatter(1, own[:, None], -torch.inf)
        return rows.gather(1, own[:, None])[:, 0] - others.amax(1)

    def __str__(self) -> str:
        return f"{class_in_words(self.klass)} against the runner-up"


def similar(rows: Tensor, own: Tensor, count: int) -> Tensor:
    """The `count` other classes with the logits nearest to the class's own, `[b, count]`, in order.

    >>> similar(torch.tensor([[5.0, 4.0, 1.0, 7.0]]), torch.tensor([0]), 2)
    tensor([[1, 3]])
    """
    if not 1 <= count < rows.shape[1]:
        raise TargetError(
            f"Expected 1 to {rows.shape[1] - 1} similar classes (the others there are); got"
            f" {count}."
        )
    away = (rows - rows.gather(1, own[:, None])).abs().scatter(1, own[:, None], torch.inf)
    return away.topk(count, dim=1, largest=False).indices


def _rivals(outputs: Any, klass: Any, classes: Names) -> tuple[Tensor, Tensor]:
    """The logits `[b, k]` and each image's own class `[b]`."""
    rows = logits(outputs)
    if rows.shape[1] < 2:
        raise TargetError(
            "Expected two classes or more to compare; the model has a single logit, whose negative"
            " is its other class. Ask for class 1 or 0."
        )
    if klass is None:
        return rows, rows.detach().argmax(1)
    return rows, class_numbers(klass, len(rows), classes, rows.shape[1]).to(rows.device)
