"""What every metric is called, and what it says in one line: all that a list needs, without torch.

A test holds this table to the functions: the same names in the same order, what `@metric` declares,
and the first paragraph of the docstring.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class About:
    """What is to be said about a metric in one line of a table."""

    name: str
    title: str
    group: str
    summary: str
    paper: str
    higher_is_better: bool
    unit: str = ""


_LINES = (
    About(
        "average_drop",
        "Average Drop",
        "faithfulness",
        "Share of the confidence lost when only the mapped part of the image is seen; the data "
        "set's figure is the mean.",
        "Chattopadhay et al., Grad-CAM++, WACV 2018; arXiv:1710.11063v3, section 4.1",
        higher_is_better=False,
        unit="%",
    ),
    About(
        "increase_in_confidence",
        "Increase in Confidence",
        "faithfulness",
        "1 where the model is surer of the explanation map than of the whole image; the figure "
        "is the share of images.",
        "Chattopadhay et al., Grad-CAM++, WACV 2018; arXiv:1710.11063v3, section 4.1",
        higher_is_better=True,
        unit="%",
    ),
    About(
        "average_gain",
        "Average Gain",
        "faithfulness",
        "Share of the confidence that was missing and is there when only the mapped part is "
        "seen: Average Drop's mirror.",
        "Zhang et al., Opti-CAM, CVIU 2024, arXiv:2301.07002",
        higher_is_better=True,
        unit="%",
    ),
    About(
        "deletion",
        "Deletion",
        "faithfulness",
        "Area under the confidence while the pixels are deleted in equal steps, the strongest "
        "first.",
        "Petsiuk et al., RISE, BMVC 2018, arXiv:1806.07421",
        higher_is_better=False,
        unit="",
    ),
    About(
        "insertion",
        "Insertion",
        "faithfulness",
        "Area under the confidence while pixels enter a blurred image in equal steps, the "
        "strongest first.",
        "Petsiuk et al., RISE, BMVC 2018, arXiv:1806.07421",
        higher_is_better=True,
        unit="",
    ),
    About(
        "roc_area",
        "ROC area",
        "faithfulness",
        "Area under relative confidence O/Y against the share f of pixels occluded, the weakest "
        "first.",
        "Chattopadhay et al., Grad-CAM++ v3, arXiv:1710.11063, section 7.2",
        higher_is_better=True,
        unit="",
    ),
    About(
        "road",
        "ROAD",
        "faithfulness",
        "Half of what separates losing the least relevant pixels from losing the most relevant"
        " ones.",
        (
            "Rong et al., ROAD, ICML 2022, arXiv:2202.00449; combined as in pytorch-grad-cam's "
            "ROADCombined"
        ),
        higher_is_better=True,
        unit="",
    ),
    About(
        "road_morf_area",
        "ROAD MoRF",
        "faithfulness",
        "Mean confidence over the percentages of pixels removed, the most relevant first, by "
        "noisy linear imputation.",
        "Rong et al., ROAD, ICML 2022, arXiv:2202.00449",
        higher_is_better=False,
        unit="",
    ),
    About(
        "road_lerf_area",
        "ROAD LeRF",
        "faithfulness",
        "Mean confidence over the percentages of pixels removed, the least relevant first, by "
        "noisy linear imputation.",
        "Rong et al., ROAD, ICML 2022, arXiv:2202.00449",
        higher_is_better=True,
        unit="",
    ),
    About(
        "coherency",
        "Coherency",
        "faithfulness",
        "Likeness of the image's map and the map of the explanation map, both of the same class.",
        (
            "Poppi et al., Revisiting the Evaluation of Class Activation Mapping (ADCC), CVPRW "
            "2021, arXiv:2104.10252"
        ),
        higher_is_better=True,
        unit="%",
    ),
    About(
        "complexity",
        "Complexity",
        "faithfulness",
        "The mean of the map over its pixels.",
        (
            "Poppi et al., Revisiting the Evaluation of Class Activation Mapping (ADCC), CVPRW "
            "2021, arXiv:2104.10252"
        ),
        higher_is_better=False,
        unit="%",
    ),
    About(
        "adcc",
        "ADCC",
        "faithfulness",
        "Each image's average drop, coherency and complexity, `[b, 3]`; the figure is their "
        "harmonic mean.",
        (
            "Poppi et al., Revisiting the Evaluation of Class Activation Mapping (ADCC), CVPRW "
            "2021, arXiv:2104.10252"
        ),
        higher_is_better=True,
        unit="%",
    ),
    About(
        "loc",
        "Loc",
        "localisation",
        "Overlap of the map above each threshold with the boxes of its class; mLoc is the mean "
        "over images.",
        "Chattopadhay et al., Grad-CAM++, arXiv:1710.11063v3, eq. 26",
        higher_is_better=True,
        unit="",
    ),
    About(
        "pointing_game",
        "Pointing game",
        "localisation",
        "Does the map's maximum lie in a box of its class? 1 for a hit, 0 for a miss; accuracy "
        "is averaged over classes.",
        "Zhang et al., Excitation Backprop, IJCV 2018, arXiv:1608.00507",
        higher_is_better=True,
        unit="%",
    ),
    About(
        "energy_pointing_game",
        "Energy pointing game",
        "localisation",
        "Share of the map's sum that lies inside the boxes of its class.",
        "Wang et al., Score-CAM, CVPR Workshops 2020, arXiv:1910.01279, section 4.3",
        higher_is_better=True,
        unit="%",
    ),
    About(
        "instance_recall",
        "Instance recall",
        "localisation",
        "Share of the boxes of the class in which the map exceeds each threshold somewhere: are "
        "all objects shown?",
        (
            "sightline's own number for a claim of Chattopadhay et al., Grad-CAM++, WACV 2018, "
            "arXiv:1710.11063"
        ),
        higher_is_better=True,
        unit="%",
    ),
    About(
        "coverage",
        "Coverage",
        "localisation",
        "Share of the boxes' area where the map exceeds each threshold: does it show the whole "
        "object, or a part?",
        (
            "sightline's own number for a claim of Chattopadhay et al., Grad-CAM++, WACV 2018, "
            "arXiv:1710.11063"
        ),
        higher_is_better=True,
        unit="%",
    ),
    About(
        "inside_outside_ratio",
        "Inside / outside",
        "localisation",
        "Mean of the map inside the boxes over its mean outside them.",
        "Selvaraju et al., Grad-CAM, IJCV 2019, arXiv:1610.02391v4, section 8.1 (dense captioning)",
        higher_is_better=True,
        unit="",
    ),
    About(
        "localisation_error",
        "Localisation error",
        "localisation",
        "1 where a box drawn from the map of the given class is wrong, 0 where it is right: "
        "top-1, top-5, GT-known.",
        (
            "Selvaraju et al., Grad-CAM, IJCV 2019, arXiv:1610.02391v4, section 4.1; Russakovsky "
            "et al., ILSVRC, 2015"
        ),
        higher_is_better=False,
        unit="%",
    ),
    About(
        "max_box_acc",
        "MaxBoxAcc",
        "localisation",
        "How well boxes drawn from the map fit the nearest true one, at each of a hundred "
        "thresholds.",
        (
            "Choe et al., Evaluating Weakly Supervised Object Localization Methods Right, CVPR "
            "2020, arXiv:2001.07437"
        ),
        higher_is_better=True,
        unit="%",
    ),
    About(
        "pxap",
        "PxAP",
        "localisation",
        "Pixels of the object, and others, that reach each threshold; then all pixels of the "
        "object.",
        (
            "Choe et al., Evaluating Weakly Supervised Object Localization Methods Right, CVPR "
            "2020, arXiv:2001.07437"
        ),
        higher_is_better=True,
        unit="%",
    ),
    About(
        "pointing_game_top5",
        "Pointing game, top 5",
        "localisation",
        "For each of the five likeliest classes: is it found where it is, or rightly said to be "
        "absent? 1 or 0.",
        "Selvaraju et al., Grad-CAM, IJCV 2019, arXiv:1610.02391v4, section 4.3",
        higher_is_better=True,
        unit="%",
    ),
    About(
        "occlusion_correlation",
        "Occlusion correlation",
        "sanity",
        "Spearman's rank correlation of the map, in [0, 1], and the score lost where a patch is "
        "hidden, signed.",
        "Selvaraju et al., Grad-CAM, IJCV 2019, arXiv:1610.02391v4, section 5.3",
        higher_is_better=True,
        unit="",
    ),
    About(
        "sensitivity",
        "Sensitivity",
        "sanity",
        "How far the map moves under small noise on the image, relative to its own length, for "
        "each noisy copy.",
        (
            "Yeh et al., On the (In)fidelity and Sensitivity of Explanations, NeurIPS 2019, "
            "arXiv:1901.09392"
        ),
        higher_is_better=False,
        unit="",
    ),
    About(
        "randomisation",
        "Randomisation",
        "sanity",
        "Rank correlation of the map with the maps of the model while its layers lose their "
        "weights, from the top down.",
        "Adebayo et al., Sanity Checks for Saliency Maps, NeurIPS 2018, arXiv:1810.03292",
        higher_is_better=False,
        unit="",
    ),
    About(
        "class_sensitivity",
        "Class sensitivity",
        "sanity",
        "Pearson's correlation of the map and the map of the least likely class.",
        "Rebuffi et al., There and Back Again, CVPR 2020, arXiv:2004.02866",
        higher_is_better=False,
        unit="",
    ),
)

METRIC_NAMES = {line.name: line for line in _LINES}

GROUPS: dict[str, tuple[str, ...]] = {
    "faithfulness": ("average_drop", "increase_in_confidence", "average_gain"),
    "curves": ("deletion", "insertion", "roc_area"),
    "road": ("road", "road_morf_area", "road_lerf_area"),
    "adcc": ("coherency", "complexity", "adcc"),
    "localisation": (
        "loc",
        "pointing_game",
        "energy_pointing_game",
        "instance_recall",
        "coverage",
        "inside_outside_ratio",
        "localisation_error",
        "max_box_acc",
        "pxap",
        "pointing_game_top5",
    ),
    "sanity": ("occlusion_correlation", "sensitivity", "randomisation", "class_sensitivity"),
    "all": tuple(METRIC_NAMES),
}
"""Metrics that belong together, by what they cost: one more forward pass for each method, dozens,
or a few.
"""
