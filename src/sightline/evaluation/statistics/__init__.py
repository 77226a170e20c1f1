"""How far a figure can be trusted: intervals over images, and two figures on the same images."""

from sightline.evaluation.statistics.bootstrap import Interval as Interval
from sightline.evaluation.statistics.bootstrap import bootstrap as bootstrap
from sightline.evaluation.statistics.compare import Paired as Paired
from sightline.evaluation.statistics.compare import SignTest as SignTest
from sightline.evaluation.statistics.compare import Win as Win
from sightline.evaluation.statistics.compare import paired as paired
from sightline.evaluation.statistics.compare import sign_test as sign_test
from sightline.evaluation.statistics.compare import win as win
