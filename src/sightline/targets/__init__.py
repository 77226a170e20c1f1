"""Questions: what of the model's outputs is to be explained. Functions of the outputs alone."""

from sightline.targets.again import ask_again as ask_again
from sightline.targets.aim import Aim as Aim
from sightline.targets.classification import Question as Question
from sightline.targets.classification import Wanted as Wanted
from sightline.targets.classification import ask as ask
from sightline.targets.classification import beyond_classes as beyond_classes
from sightline.targets.contrast import Contrast as Contrast
from sightline.targets.contrast import Margin as Margin
from sightline.targets.detection import Box as Box
from sightline.targets.names import Target as Target
from sightline.targets.names import checked_names as checked_names
from sightline.targets.names import find_class as find_class
from sightline.targets.names import label as label
from sightline.targets.output import Neuron as Neuron
from sightline.targets.output import Output as Output
from sightline.targets.outputs import Kind as Kind
from sightline.targets.outputs import logits as logits
from sightline.targets.outputs import look_like_probabilities as look_like_probabilities
from sightline.targets.outputs import probabilities as probabilities
from sightline.targets.segmentation import Region as Region
from sightline.targets.similarity import Similarity as Similarity
