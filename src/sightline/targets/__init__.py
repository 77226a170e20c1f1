"""Questions: what of the model's outputs is to be explained. Functions of the outputs alone."""

from sightline.targets.classification import Question as Question
from sightline.targets.classification import Wanted as Wanted
from sightline.targets.classification import ask as ask
from sightline.targets.names import Target as Target
from sightline.targets.names import checked_names as checked_names
from sightline.targets.names import find_class as find_class
from sightline.targets.names import label as label
from sightline.targets.outputs import Kind as Kind
from sightline.targets.outputs import logits as logits
from sightline.targets.outputs import look_like_probabilities as look_like_probabilities
from sightline.targets.outputs import probabilities as probabilities
