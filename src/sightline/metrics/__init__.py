"""The metrics: each turns measurements into what one image contributes. One file each, listed here
by hand.

A metric's parameter names are requests for measurements (`measure.WORDS`); parameters with defaults
are options that the protocol decides. `win` and `win_share` compare two methods' rows.
"""

from typing import TYPE_CHECKING

from sightline.supply import lazily as _lazily

if TYPE_CHECKING:
    from sightline.metrics.adcc import adcc as adcc
    from sightline.metrics.average_drop import average_drop as average_drop
    from sightline.metrics.average_gain import average_gain as average_gain
    from sightline.metrics.class_sensitivity import class_sensitivity as class_sensitivity
    from sightline.metrics.coherency import coherency as coherency
    from sightline.metrics.complexity import complexity as complexity
    from sightline.metrics.contents import METRICS as METRICS
    from sightline.metrics.contents import chosen_metrics as chosen_metrics
    from sightline.metrics.coverage import coverage as coverage
    from sightline.metrics.deletion import deletion as deletion
    from sightline.metrics.energy_pointing_game import energy_pointing_game as energy_pointing_game
    from sightline.metrics.increase_in_confidence import (
        increase_in_confidence as increase_in_confidence,
    )
    from sightline.metrics.insertion import insertion as insertion
    from sightline.metrics.inside_outside_ratio import inside_outside_ratio as inside_outside_ratio
    from sightline.metrics.instance_recall import instance_recall as instance_recall
    from sightline.metrics.loc import loc as loc
    from sightline.metrics.localisation_error import localisation_error as localisation_error
    from sightline.metrics.max_box_acc import max_box_acc as max_box_acc
    from sightline.metrics.metric import Metric as Metric
    from sightline.metrics.metric import about as about
    from sightline.metrics.metric import metric as metric
    from sightline.metrics.names import GROUPS as GROUPS
    from sightline.metrics.occlusion_correlation import (
        occlusion_correlation as occlusion_correlation,
    )
    from sightline.metrics.pointing_game import pointing_game as pointing_game
    from sightline.metrics.pointing_game_top5 import pointing_game_top5 as pointing_game_top5
    from sightline.metrics.pxap import pxap as pxap
    from sightline.metrics.randomisation import randomisation as randomisation
    from sightline.metrics.road import road as road
    from sightline.metrics.road_lerf_area import road_lerf_area as road_lerf_area
    from sightline.metrics.road_morf_area import road_morf_area as road_morf_area
    from sightline.metrics.roc_area import roc_area as roc_area
    from sightline.metrics.sensitivity import sensitivity as sensitivity
    from sightline.metrics.win import win as win
    from sightline.metrics.win import win_share as win_share

_WHERE = {
    "GROUPS": "sightline.metrics.names",
    "METRICS": "sightline.metrics.contents",
    "Metric": "sightline.metrics.metric",
    "about": "sightline.metrics.metric",
    "adcc": "sightline.metrics.adcc",
    "average_drop": "sightline.metrics.average_drop",
    "average_gain": "sightline.metrics.average_gain",
    "chosen_metrics": "sightline.metrics.contents",
    "class_sensitivity": "sightline.metrics.class_sensitivity",
    "coherency": "sightline.metrics.coherency",
    "complexity": "sightline.metrics.complexity",
    "coverage": "sightline.metrics.coverage",
    "deletion": "sightline.metrics.deletion",
    "energy_pointing_game": "sightline.metrics.energy_pointing_game",
    "increase_in_confidence": "sightline.metrics.increase_in_confidence",
    "insertion": "sightline.metrics.insertion",
    "inside_outside_ratio": "sightline.metrics.inside_outside_ratio",
    "instance_recall": "sightline.metrics.instance_recall",
    "loc": "sightline.metrics.loc",
    "localisation_error": "sightline.metrics.localisation_error",
    "max_box_acc": "sightline.metrics.max_box_acc",
    "metric": "sightline.metrics.metric",
    "occlusion_correlation": "sightline.metrics.occlusion_correlation",
    "pointing_game": "sightline.metrics.pointing_game",
    "pointing_game_top5": "sightline.metrics.pointing_game_top5",
    "pxap": "sightline.metrics.pxap",
    "randomisation": "sightline.metrics.randomisation",
    "road": "sightline.metrics.road",
    "road_lerf_area": "sightline.metrics.road_lerf_area",
    "road_morf_area": "sightline.metrics.road_morf_area",
    "roc_area": "sightline.metrics.roc_area",
    "sensitivity": "sightline.metrics.sensitivity",
    "win": "sightline.metrics.win",
    "win_share": "sightline.metrics.win",
}

__all__ = [
    "GROUPS",
    "METRICS",
    "Metric",
    "about",
    "adcc",
    "average_drop",
    "average_gain",
    "chosen_metrics",
    "class_sensitivity",
    "coherency",
    "complexity",
    "coverage",
    "deletion",
    "energy_pointing_game",
    "increase_in_confidence",
    "insertion",
    "inside_outside_ratio",
    "instance_recall",
    "loc",
    "localisation_error",
    "max_box_acc",
    "metric",
    "occlusion_correlation",
    "pointing_game",
    "pointing_game_top5",
    "pxap",
    "randomisation",
    "road",
    "road_lerf_area",
    "road_morf_area",
    "roc_area",
    "sensitivity",
    "win",
    "win_share",
]

_lazily(__name__)
