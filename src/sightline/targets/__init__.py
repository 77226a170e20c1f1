"""Questions: what of the model's outputs is to be explained. Functions of the outputs alone."""

from typing import TYPE_CHECKING

from sightline.supply import lazily as _lazily

if TYPE_CHECKING:
    from sightline.targets.class_names import Target as Target
    from sightline.targets.class_names import checked_names as checked_names
    from sightline.targets.class_names import find_class as find_class
    from sightline.targets.class_names import label as label
    from sightline.targets.contrast import Contrast as Contrast
    from sightline.targets.contrast import Margin as Margin
    from sightline.targets.detection import Box as Box
    from sightline.targets.model_outputs import logits as logits
    from sightline.targets.model_outputs import probabilities as probabilities
    from sightline.targets.output import Neuron as Neuron
    from sightline.targets.output import Output as Output
    from sightline.targets.question import Question as Question
    from sightline.targets.question import ask as ask
    from sightline.targets.question import beyond_classes as beyond_classes
    from sightline.targets.question import unclear as unclear
    from sightline.targets.reading import Kind as Kind
    from sightline.targets.reading import Reading as Reading
    from sightline.targets.repeat import ask_again as ask_again
    from sightline.targets.repeat import scores_again as scores_again
    from sightline.targets.segmentation import Region as Region
    from sightline.targets.similarity import Similarity as Similarity
    from sightline.targets.target import Aim as Aim
    from sightline.targets.target import Wanted as Wanted

_WHERE = {
    "Aim": "sightline.targets.target",
    "Box": "sightline.targets.detection",
    "Contrast": "sightline.targets.contrast",
    "Kind": "sightline.targets.reading",
    "Margin": "sightline.targets.contrast",
    "Neuron": "sightline.targets.output",
    "Output": "sightline.targets.output",
    "Question": "sightline.targets.question",
    "Reading": "sightline.targets.reading",
    "Region": "sightline.targets.segmentation",
    "Similarity": "sightline.targets.similarity",
    "Target": "sightline.targets.class_names",
    "Wanted": "sightline.targets.target",
    "ask": "sightline.targets.question",
    "ask_again": "sightline.targets.repeat",
    "beyond_classes": "sightline.targets.question",
    "checked_names": "sightline.targets.class_names",
    "find_class": "sightline.targets.class_names",
    "label": "sightline.targets.class_names",
    "logits": "sightline.targets.model_outputs",
    "probabilities": "sightline.targets.model_outputs",
    "scores_again": "sightline.targets.repeat",
    "unclear": "sightline.targets.question",
}

__all__ = [
    "Aim",
    "Box",
    "Contrast",
    "Kind",
    "Margin",
    "Neuron",
    "Output",
    "Question",
    "Reading",
    "Region",
    "Similarity",
    "Target",
    "Wanted",
    "ask",
    "ask_again",
    "beyond_classes",
    "checked_names",
    "find_class",
    "label",
    "logits",
    "probabilities",
    "scores_again",
    "unclear",
]

_lazily(__name__)
