"""The metrics: each turns measurements into what one image contributes. One file each, listed here by hand."""

from sightline.metrics.average_drop import average_drop as average_drop
from sightline.metrics.metric import Metric as Metric
from sightline.metrics.metric import about as about
from sightline.metrics.metric import metric as metric
