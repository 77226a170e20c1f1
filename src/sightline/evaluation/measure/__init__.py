"""What a model says when it is shown something else: measurements, each made once."""

from sightline.evaluation.measure.explained_batch import ExplainedBatch as ExplainedBatch
from sightline.evaluation.measure.labelled_batch import LabelledBatch as LabelledBatch
from sightline.evaluation.measure.measurements import COLUMNS as COLUMNS
from sightline.evaluation.measure.measurements import RECORDED as RECORDED
from sightline.evaluation.measure.measurements import TRUTH as TRUTH
from sightline.evaluation.measure.measurements import WORDS as WORDS
from sightline.evaluation.measure.measurements import Measurements as Measurements
from sightline.explanation.confidence import confidence as confidence
from sightline.explanation.confidence import kept_confidence as kept_confidence
