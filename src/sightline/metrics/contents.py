"""The metrics, listed by hand: each one's own name and its function."""

from collections.abc import Callable, Sequence
from typing import Any

from sightline.errors import MethodError, near
from sightline.metrics.adcc import adcc
from sightline.metrics.average_drop import average_drop
from sightline.metrics.average_gain import average_gain
from sightline.metrics.class_sensitivity import class_sensitivity
from sightline.metrics.coherency import coherency
from sightline.metrics.complexity import complexity
from sightline.metrics.coverage import coverage
from sightline.metrics.deletion import deletion
from sightline.metrics.energy_pointing_game import energy_pointing_game
from sightline.metrics.increase_in_confidence import (
    increase_in_confidence as increase_in_confidence,
)
from sightline.metrics.insertion import insertion
from sightline.metrics.inside_outside_ratio import inside_outside_ratio
from sightline.metrics.instance_recall import instance_recall
from sightline.metrics.loc import loc
from sightline.metrics.localisation_error import localisation_error
from sightline.metrics.max_box_acc import max_box_acc
from sightline.metrics.metric import Metric, about
from sightline.metrics.names import GROUPS
from sightline.metrics.occlusion_correlation import occlusion_correlation
from sightline.metrics.pointing_game import pointing_game
from sightline.metrics.pointing_game_top5 import pointing_game_top5
from sightline.metrics.pxap import pxap
from sightline.metrics.randomisation import randomisation
from sightline.metrics.road import road
from sightline.metrics.road_lerf_area import road_lerf_area
from sightline.metrics.road_morf_area import road_morf_area
from sightline.metrics.roc_area import roc_area
from sightline.metrics.sensitivity import sensitivity

METRICS: dict[str, Callable[..., Any]] = {
    "average_drop": average_drop,
    "increase_in_confidence": increase_in_confidence,
    "average_gain": average_gain,
    "deletion": deletion,
    "insertion": insertion,
    "roc_area": roc_area,
    "road": road,
    "road_morf_area": road_morf_area,
    "road_lerf_area": road_lerf_area,
    "coherency": coherency,
    "complexity": complexity,
    "adcc": adcc,
    "loc": loc,
    "pointing_game": pointing_game,
    "energy_pointing_game": energy_pointing_game,
    "instance_recall": instance_recall,
    "coverage": coverage,
    "inside_outside_ratio": inside_outside_ratio,
    "localisation_error": localisation_error,
    "max_box_acc": max_box_acc,
    "pxap": pxap,
    "pointing_game_top5": pointing_game_top5,
    "occlusion_correlation": occlusion_correlation,
    "sensitivity": sensitivity,
    "randomisation": randomisation,
    "class_sensitivity": class_sensitivity,
}


def chosen_metrics(wanted: Sequence[Any]) -> list[Metric]:
    """The metrics meant by names, groups and functions of one's own, each once, in the order asked.

    Case, spaces, `-` and `_` do not matter; commas separate names. Raises `MethodError` for an
    unknown one.

    >>> [one.name for one in chosen_metrics(["average drop,faithfulness"])]
    ['average_drop', 'increase_in_confidence', 'average_gain']
    """
    found: dict[str, Metric] = {}
    for one in wanted:
        if callable(one):
            found[about(one).name] = about(one)
            continue
        for word in str(one).split(","):
            for name in _expanded(word.strip()):
                found[name] = about(METRICS[name])
    if not found:
        raise MethodError(
            f"Expected at least one metric; got none. {near('', [*GROUPS, *METRICS])}"
        )
    return list(found.values())


def _expanded(word: str) -> tuple[str, ...]:
    """The metrics of a group, or the one of that name. Groups first: road, adcc."""
    names_of = {_normalised(name): (name,) for name in METRICS} | {
        _normalised(group): names for group, names in GROUPS.items()
    }
    names = names_of.get(_normalised(word))
    if names is None:
        raise MethodError(
            f"There is no metric and no group {word!r}. {near(word, [*GROUPS, *METRICS])}"
        )
    return names


def _normalised(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())
