"""What all methods of one call have in common: the model, the pictures, and what is asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sightline.explanation.inputs import Batch
from sightline.explanation.result import Explanation
from sightline.models import Card
from sightline.targets import Question, Wanted, ask, ask_again, beyond_classes, checked_names
from sightline.targets.quantity import checked_quantities
from sightline.tensors import allow_grad

_HEADS = ("fc", "classifier", "head", "heads", "last_linear")
"""What the libraries call what stands behind the features."""

Found = dict[tuple[str, str], Explanation]
"""Explanations by method and layer."""


@dataclass(frozen=True)
class Job:
    """What all methods of one call have in common.

    `named` tells whether the caller named the classes, `checked` whether the place of each layer is
    to be proved.
    """

    model: nn.Module
    card: Card
    batch: Batch
    target: Wanted
    counterfactual: bool
    call: int
    grid: Any
    named: bool = False
    checked: bool = True

    @property
    def sign(self) -> float:
        """-1 where it is asked what speaks against the target."""
        return -1.0 if self.counterfactual else 1.0

    def ask(self, outputs: Any, *, recording: bool = True, inside: bool = True) -> Question:
        """Ask the outputs, with recording on, whatever mode the caller is in, or without.

        Not `inside` for methods that run the model again: see `targets.ask`.
        """
        with allow_grad(), torch.set_grad_enabled(recording):
            return ask(
                self.target,
                outputs,
                classes=self.names(outputs),
                kind=self.card.outputs,
                images=len(self.batch),
                size=self.batch.size,
                inside=inside,
                headless=headless(self.model),
            )

    def ask_again(
        self, question: Question, outputs: Any, versions: int, probability: bool = False
    ) -> Tensor:
        """The same question asked of so many versions of the images: scores `[n, versions, b]`."""
        return ask_again(
            question,
            self.target,
            outputs,
            versions,
            classes=self.card.classes,
            kind=self.card.outputs,
            size=self.batch.size,
            probability=probability,
        )

    def names(self, outputs: Any) -> Sequence[str] | None:
        """What the classes are called; names from the caller must be as many as the outputs."""
        if self.card.outputs == "value":
            names = self.card.classes
            given = names is not None and self.named and not beyond_classes(self.target)
            return checked_quantities(names, outputs) if given and names is not None else names
        if self.card.classes is not None and self.named and not beyond_classes(self.target):
            return checked_names(self.card.classes, outputs, len(self.batch))
        return self.card.classes

    def signed(self, scores: Tensor, probability: bool = False) -> Tensor:
        """Scores, or what speaks against them: a probability's counterpart, a score's negative."""
        if not self.counterfactual:
            return scores
        return 1 - scores if probability else -scores

    def variant(self, options: dict[str, Any]) -> dict[str, Any]:
        """The options of a method, and whether it was asked what speaks against."""
        return {**options, **({"counterfactual": True} if self.counterfactual else {})}


def headless(model: nn.Module) -> str | None:
    """By what a model is known to have no head: timm's `num_classes=0`, an `nn.Identity` for one.

    >>> headless(nn.Sequential()) is None
    True
    """
    if getattr(model, "num_classes", None) == 0:
        return "num_classes is 0"
    heads = {name: model._modules[name] for name in _HEADS if name in model._modules}
    if heads and all(isinstance(one, nn.Identity) for one in heads.values()):
        return f"{next(iter(heads))} is nn.Identity()"
    return None
