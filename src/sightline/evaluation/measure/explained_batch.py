"""One batch, explained once by every method: what all measurements start from."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from sightline.errors import MethodError
from sightline.evaluation.controls import CONTROLS
from sightline.evaluation.masking import masked, protocol_map, substrate
from sightline.evaluation.measure.labelled_batch import LabelledBatch
from sightline.explanation.confidence import confidence, reading_in
from sightline.explanation.explain import explain
from sightline.explanation.plan import steps
from sightline.explanation.result import Explanation
from sightline.models import card_of
from sightline.models.card import outputs_word
from sightline.protocol import Protocol
from sightline.surgery import (
    Given,
    as_handed_in,
    channels_second,
    look,
    looking,
    supported_model,
    take_over,
)
from sightline.targets import Question, ask, ask_again
from sightline.targets.reading import VALUE
from sightline.types import ImageMap, Preprocess

TOP = 5
"""How many of the most probable classes count, where several do."""


class ExplainedBatch:
    """A batch, its explanations, and the model to show things to.

    `pictures` are the batch's, `[b, c, *s]` in whatever order their axes came; so is every picture
    below, and the model is shown each as it takes it.

    `columns` says which classes each image is explained for, besides its own (`asked`): `given`,
    `top` (the five most probable) and `least` (the least likely). All of them come from one forward
    pass. With a `target`, a function of the outputs, there are no classes, and its score stands for
    the confidence.
    """

    def __init__(
        self,
        model: nn.Module,
        labelled: LabelledBatch,
        methods: Sequence[Any],
        protocol: Protocol,
        *,
        controls: Sequence[str] = (),
        columns: Iterable[str] = (),
        outputs: int = TOP,
        batch_size: int = 16,
        preprocess: Preprocess | None = None,
        target: Any = None,
    ) -> None:
        if not methods:
            raise MethodError(
                "Expected at least one method beside the controls, which explain nothing; got none."
                " Add one: methods=['grad_cam_pp']."
            )
        self.model, self.labelled, self.protocol, self.batch_size = (
            supported_model(model),
            labelled,
            protocol,
            batch_size,
        )
        card = card_of(self.model)
        # That a target's score is a value says nothing of the outputs it is made from.
        said = None if target is not None else protocol.outputs
        self.card = replace(card, outputs=outputs_word(said or card.outputs))
        self.preprocess = preprocess
        given = Given.of_supported(self.model, labelled.inputs, protocol.axes)
        self._channel_axis = given.channel_axis
        self.pictures = channels_second(labelled.inputs, self._channel_axis)
        self.controls = list(controls)
        self.top = min(TOP, outputs)
        self.column_of, asked = _columns_and_target(labelled, protocol, set(columns), self.top)
        self.target = target
        methods = list(methods)
        self.explanations: dict[str, Explanation] = explain(
            self.model,
            labelled.inputs,
            asked if target is None else target,
            methods,
            _layer_if_opened(methods, protocol.layer),
            axes=protocol.axes,
            outputs=self.card.outputs,
            preprocess=preprocess,
        )
        first = next(iter(self.explanations.values()))
        self.statistics = first.statistics
        self.reading = reading_in(first)
        self.methods = list(self.explanations)
        self.rules = {
            step.name: rule for step, rule in zip(steps(methods, {}), methods, strict=True)
        }
        self.names = [*self.methods, *self.controls]
        chosen = [targets[0].index or 0 for targets in first.per_target.targets]
        self.classes = torch.tensor(chosen, device=labelled.inputs.device)
        top = first.top or [[] for _ in range(len(labelled))]  # of a quantity there is none
        self.ranking = [[int(target.index or 0) for target, _ in row] for row in top]

    @property
    def notes(self) -> list[str]:
        """What a reader should know of how the outputs were read."""
        records = [one.provenance["outputs"]["notes"] for one in self.explanations.values()]
        return list(dict.fromkeys(note for notes in records for note in notes))

    @property
    def layer(self) -> str | None:
        """The layer explained; None where no method opens one."""
        opened = (
            one.layer
            for one in self.explanations.values()
            if one.pixels is None and one.layer != "input"
        )
        return next(opened, self.protocol.layer)

    @property
    def _call(self) -> int:
        """Which run of the layer is explained; -1 where it runs once, or is one of several."""
        records = [one.provenance["layer"] for one in self.explanations.values()]
        opened = (one["call"] for one in records if (one["calls"] or 1) > 1 and "parts" not in one)
        return next(opened, -1)

    def explained(
        self, model: nn.Module, inputs: Tensor, names: Sequence[str]
    ) -> dict[str, Explanation]:
        """The same question asked again by some methods, of other pictures or another model."""
        rules = [self.rules[name] for name in names]
        inputs = as_handed_in(inputs, self._channel_axis)
        layer = _layer_if_opened(rules, self.layer)
        if model is not self.model:
            take_over(model, self.model)  # the run and the turn that lie right in the one
        found = explain(
            model,
            inputs,
            self.classes if self.target is None else self.target,
            rules,
            layer,
            call=-1 if layer is None else self._call,
            axes=self.protocol.axes,
            outputs=self.card.outputs,
            preprocess=self.preprocess,
        )
        return {name: found[name] for name in names}

    def scaled(self, one: Explanation) -> ImageMap:
        """The map of an explanation of one class, in [0, 1], as the protocol wants it."""
        return protocol_map(None if one.pixels is not None else one.coarse, one.maps, self.protocol)

    @cached_property
    def full_score(self) -> Tensor:
        """The confidence Y in the class on the whole image, `[b]`."""
        return self.confidence_of(next(iter(self.explanations.values())))

    def confidence_of(self, explanation: Explanation) -> Tensor:
        """The confidence `[b]` that an explanation tells of the class it was asked for first.

        Of a quantity it is the value, of a target its score.
        """
        held = explanation.per_target
        if self.target is not None or self.reading == VALUE:
            return held.scores[:, 0].float()
        assert held.probabilities is not None, "a class was asked for, so there is a confidence"
        sure = held.probabilities
        if self.protocol.score == "logit":
            # Of outputs that are probabilities those of masked pictures tell no other score.
            sure = held.scores if self.reading.plain else self.reading.log_of(sure)
        return sure[:, 0].float()

    def coarse_of(self, name: str, place: int = 0) -> Tensor:
        """The signed map `[b, *s]` on the layer's grid."""
        return self.explanations[name].per_target.coarse[:, place]

    def map_of(self, name: str, place: int = 0) -> ImageMap:
        """A method's map for one of the classes asked, in [0, 1], as the protocol wants it."""
        one = self.explanations[name].per_target
        coarse = None if one.pixels is not None else one.coarse[:, place]
        return protocol_map(coarse, one.maps[:, place], self.protocol)

    @cached_property
    def maps(self) -> dict[str, ImageMap]:
        """Everybody's map of the class explained, the controls' too."""
        found = {name: self.map_of(name) for name in self.methods}
        return found | {name: self.control(name, self.pictures) for name in self.controls}

    def control(self, name: str, inputs: Tensor) -> ImageMap:
        """A control's map of some pictures in the model's space."""
        noise = self.labelled.generators(self.protocol.seed, name)
        return protocol_map(None, CONTROLS[name](inputs.float(), noise), self.protocol)

    def seen_through(self, name: str) -> Tensor:
        """The explanation map E of eq. 25, ready for the model."""
        return masked(self.pictures, self.maps[name], self.protocol, self.statistics)

    def substrate(self, word: str) -> Tensor:
        """What takes the place of pixels, `[b, c, *s]`."""
        return substrate(self.pictures, word, self.protocol, self.statistics).expand_as(
            self.pictures
        )

    def hidden(self, word: str) -> Tensor:
        """The confidence `[b]` where nothing is left but what takes the pixels' place."""
        (sure,) = self.confidences(
            [self.substrate(word).clone(memory_format=torch.contiguous_format)]
        )
        return sure

    def confidences(self, pictures: Iterable[Tensor]) -> list[Tensor]:
        """The confidence `[b]` in the class explained, on each of these batches `[b, c, *s]`.

        Small batches are shown together. Give what nobody needs any more: a model may write over
        what it is shown.
        """
        found: list[Tensor] = []
        waiting: list[Tensor] = []
        with looking(self.model) as run:
            for picture in pictures:
                waiting.append(picture)
                if len(waiting) * len(self.labelled) >= self.batch_size:
                    found += self._confidences_at_once(run, waiting)
                    waiting = []
            return found + (self._confidences_at_once(run, waiting) if waiting else [])

    def _confidences_at_once(
        self, run: Callable[[Tensor], Any], pictures: list[Tensor]
    ) -> list[Tensor]:
        together = pictures[0] if len(pictures) == 1 else torch.cat(pictures)
        outputs = run(as_handed_in(together, self._channel_axis))
        if self.target is not None:
            return list(self._asked_again(outputs, len(pictures)))
        sure = confidence(
            outputs, self.classes.repeat(len(pictures)), self.reading, self.protocol.score
        )
        return list(sure.split(len(self.labelled)))

    @cached_property
    def _question(self) -> Question:
        """The target asked of the pictures themselves: where a region lies is found there."""
        outputs = look(self.model, self.labelled.inputs)
        return ask(self.target, outputs, **self._about_outputs, images=len(self.labelled))

    @property
    def _about_outputs(self) -> dict[str, Any]:
        size = tuple(self.pictures.shape[2:])
        return {"classes": self.card.classes, "kind": self.card.outputs, "size": size}

    def _asked_again(self, outputs: Any, versions: int) -> Tensor:
        """The target's score `[versions, b]`."""
        found = ask_again(self._question, self.target, outputs, versions, **self._about_outputs)
        return found[0].detach().float()


def _columns_and_target(
    labelled: LabelledBatch, protocol: Protocol, columns: set[str], top: int
) -> tuple[dict[str, int], Any]:
    """Where each column stands among the classes asked, and the target that asks for them."""
    labels = list(labelled.labels)
    given = protocol.explained == "given"
    if given and not columns - {"given"}:
        return {"asked": 0, "given": 0}, torch.tensor(labels, device="cpu")
    if not columns:
        return {"asked": 0}, None
    column_of, rows = {"asked": 0}, [[label if given else "predicted"] for label in labels]
    if given:
        column_of["given"] = 0
    elif "given" in columns:
        column_of["given"] = len(rows[0])
        rows = [
            [*row, "predicted" if label is None else label]
            for row, label in zip(rows, labels, strict=True)
        ]
    if "top" in columns:
        column_of["top"] = len(rows[0])
        rows = [[*row, f"top{top}"] for row in rows]
    if "least" in columns:
        column_of["least"] = len(rows[0]) + (top - 1 if "top" in columns else 0)
        rows = [[*row, "least"] for row in rows]
    return column_of, rows


def _layer_if_opened(rules: Sequence[Any], layer: str | None) -> str | None:
    """The layer, where one of these methods opens one."""
    return layer if any(step.cam for step in steps(list(rules), {})) else None
