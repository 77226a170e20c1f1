"""Explanations as one HTML page: a photograph a section, a method a picture, the confidence beside
it.
"""

import math
from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from sightline.explanation.confidence import kept_confidence
from sightline.explanation.describe import sentence
from sightline.explanation.result import Explanation
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
    """One entry for each image: every method's picture for every target, and the explanation map of
    the last CAM.

    `found` is explanations of the same images by method; `sentences` says something about an image
    by its name.
    """
    first = next(iter(found.values()))
    chief = _chief(found)
    kept = (
        kept_confidence(model, chief)
        if chief.probabilities is not None and chief.images is not None
        else None
    )
    return [
        _entry(found, chief, kept, i, (sentences or {}).get(first.names[i], ""))
        for i in range(len(first))
    ]


def _entry(
    found: Mapping[str, Explanation], chief: Explanation, kept: Tensor | None, i: int, said: str
) -> Entry:
    figures: list[Figure] = []
    warnings: list[str] = []
    for j in range(len(chief.targets[i]) if chief.several else 1):
        target = chief.targets[i][j] if chief.several else chief.targets[i]
        sure = _confidence(chief.probabilities, chief, i, j)
        group = f"{target} {sure:.0%}" if chief.several and sure is not None else ""
        for name, one in found.items():
            status = one.status[i][j] if one.several else one.status[i]
            figures.append(Figure(one.picture(i, j), title_of(name), _note(one, i, j), group=group))
            if not status.ok:
                warnings.append(f"{title_of(name)}, {target}: {status}. {status.message}")
        keeps = _confidence(kept, chief, i, j)
        if keeps is not None and sure is not None:
            figures.append(
                Figure(
                    masked_picture(chief.photograph(i), _of(chief.maps, chief, i, j)),
                    "Explanation map",
                    f"Seen only through this map, the model's confidence in {target} goes from"
                    f" {sure:.0%} to {keeps:.0%}.",
                    bar=Bar("confidence", keeps, marked=True, tick=sure),
                    group=group,
                )
            )
    asked = {target.index for target in (chief.targets[i] if chief.several else [chief.targets[i]])}
    photograph = None if chief.images is None else Figure(chief.photograph(i), "What the model saw")
    return Entry(
        title=chief.names[i],
        sentences=said,
        photograph=photograph,
        bars=[
            Bar(t.name, p, marked=t.index in asked)
            for t, p in (chief.top[i] if chief.top else [])
            if math.isfinite(p)
        ],
        figures=figures,
        facts={
            "layer": f"{chief.layer}: {chief.layer_reason}",
            "model": str(chief.provenance["model"]["name"]),
            "methods": ", ".join(found),
        },
        warnings=warnings,
    )


def _note(one: Explanation, i: int, j: int) -> str:
    return "" if one.pixels is not None else sentence(_of(one.maps, one, i, j))


def _confidence(values: Tensor | None, one: Explanation, i: int, j: int) -> float | None:
    """A share to be drawn; None where there is none, or where it is no number, as the status then
    says.
    """
    share = math.nan if values is None else float(_of(values, one, i, j))
    return share if math.isfinite(share) else None


def _of(tensor: Tensor, one: Explanation, i: int, j: int) -> Tensor:
    return (tensor[i, j] if one.several else tensor[i]).detach().cpu()


def _chief(found: Mapping[str, Explanation]) -> Explanation:
    """The explanation whose map the page looks through: Grad-CAM++ if it is there, else the last
    map of a layer.
    """
    if "grad_cam_pp" in found:
        return found["grad_cam_pp"]
    maps = [one for one in found.values() if one.pixels is None]
    return maps[-1] if maps else next(iter(found.values()))
