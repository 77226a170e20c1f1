"""Explanations as one HTML page: a photograph a section, a method a picture, with confidences."""

import math
from collections.abc import Iterator, Mapping, Sequence

from torch import Tensor, nn

from sightline.explanation.confidence import kept_confidence
from sightline.explanation.pictures import how_much
from sightline.explanation.result import Explanation
from sightline.maps.describe import sentence
from sightline.methods.names import summary_of, title_of
from sightline.render import Bar, Entry, Figure, report
from sightline.render import explanation_map as masked_picture

LEGEND = {
    "grad_cam": (
        "each feature map counts by the mean of its gradients: what raises the score, averaged over"
        " places."
    ),
    "grad_cam_pp": (
        "only positive gradients count, every place with its own weight; made to keep several"
        " objects of one class, and whole objects."
    ),
    "guided_grad_cam": (
        "the Grad-CAM map times guided backpropagation: fine edges. Sharp, but no proof of class at"
        " the level of pixels: such pictures change little when a network's upper layers are"
        " randomised."
    ),
    "guided_grad_cam_pp": "the same with the Grad-CAM++ map.",
}
EXPLANATION_MAP = (
    "the photograph seen only through the Grad-CAM++ map, and how much of its confidence the model"
    " keeps."
)


def page(
    title: str,
    intro: str | Sequence[str],
    entries: Sequence[Entry],
    names: Sequence[str],
    footer: str = "",
) -> str:
    """The page of some entries; the legend explains the methods named."""
    legend = {title_of(name): LEGEND.get(name, summary_of(name)) for name in names}
    legend["Explanation map"] = EXPLANATION_MAP
    return report(title, intro, entries, legend=legend, footer=footer)


def entries(
    model: nn.Module, found: Mapping[str, Explanation], sentences: Mapping[str, str] | None = None
) -> list[Entry]:
    """One entry for each image: every method's picture for every target, and an explanation map.

    `found` is explanations of the same images by method; `sentences` says something about an image
    by its name.
    """
    first, chief = next(iter(found.values())), _chief(found)
    kept = None
    if chief.probabilities is not None and chief.images is not None:
        kept = kept_confidence(model, chief).reshape(len(chief), -1)
    section = _Section(found, chief, kept)
    return [section.entry(i, (sentences or {}).get(first.names[i], "")) for i in range(len(first))]


class _Section:
    """Explanations of the same images by method, an image of which becomes a part of the page.

    `chief` is the one whose map the page looks through, `kept` `[b, n]` the confidence it keeps.
    """

    def __init__(
        self, found: Mapping[str, Explanation], chief: Explanation, kept: Tensor | None
    ) -> None:
        self.found, self.chief, self.kept = found, chief, kept
        self.held = {name: one.per_target for name, one in found.items()}
        self.chief_held = chief.per_target

    def entry(self, i: int, sentences: str) -> Entry:
        """What the page says of an image."""
        chief, targets = self.chief, self.chief_held.targets[i]
        asked = {target.index for target in targets}
        return Entry(
            title=chief.names[i],
            sentences=sentences,
            photograph=(
                None if chief.images is None else Figure(chief.photograph(i), "What the model saw")
            ),
            bars=[
                Bar(target.name, share, marked=target.index in asked)
                for target, share in (chief.top[i] if chief.top else [])
                if math.isfinite(share)
            ],
            figures=[figure for j in range(len(targets)) for figure in self._figures(i, j)],
            facts={
                "layer": f"{chief.layer}: {chief.layer_reason}",
                "model": str(chief.provenance["model"]["name"]),
                "methods": ", ".join(self.found),
            },
            warnings=[warning for j in range(len(targets)) for warning in self._warnings(i, j)],
        )

    def _figures(self, i: int, j: int) -> Iterator[Figure]:
        """Every method's picture for a target, and what is left of the photograph."""
        target = self.chief_held.targets[i][j]
        sure, keeps = _share(self.chief_held.probabilities, i, j), _share(self.kept, i, j)
        much = how_much(self.chief, i, j)
        group = f"{target} {much}" if self.chief.several and much else ""
        for name, one in self.found.items():
            map = self.held[name].maps[i, j].detach().cpu()
            note = "" if one.pixels is not None else sentence(map)
            yield Figure(one.picture(i, j), title_of(name), note, group=group)
        if keeps is not None and sure is not None:
            yield Figure(
                masked_picture(self.chief.photograph(i), self.chief_held.maps[i, j].detach().cpu()),
                "Explanation map",
                f"Seen only through this map, the model's confidence in {target} goes from"
                f" {sure:.0%} to {keeps:.0%}.",
                bar=Bar("confidence", keeps, marked=True, tick=sure),
                group=group,
            )

    def _warnings(self, i: int, j: int) -> Iterator[str]:
        """What is wrong with the maps of a target."""
        target = self.chief_held.targets[i][j]
        for name, held in self.held.items():
            status = held.status[i][j]
            if not status.ok:
                yield f"{title_of(name)}, {target}: {status}. {status.message}"


def _share(values: Tensor | None, i: int, j: int) -> float | None:
    """A share to be drawn; None where there is none or it is no number, as the status says."""
    share = math.nan if values is None else float(values[i, j])
    return share if math.isfinite(share) else None


def _chief(found: Mapping[str, Explanation]) -> Explanation:
    """The explanation whose map the page looks through: Grad-CAM++, else the last of a layer."""
    if "grad_cam_pp" in found:
        return found["grad_cam_pp"]
    maps = [one for one in found.values() if one.pixels is None]
    return maps[-1] if maps else next(iter(found.values()))
