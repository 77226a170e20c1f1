"""What a model says when it is shown something else: the measurements that metrics are made of, each made once."""

from sightline.measure.bench import Bench as Bench
from sightline.measure.confidence import confidence as confidence
from sightline.measure.confidence import kept_confidence as kept_confidence
from sightline.measure.measurements import COLUMNS as COLUMNS
from sightline.measure.measurements import RECORDED as RECORDED
from sightline.measure.measurements import WORDS as WORDS
from sightline.measure.measurements import Measurements as Measurements
from sightline.measure.shown import Shown as Shown
