"""How far a figure can be trusted: intervals over images, and two figures on the same images."""

from sightline.intervals.bootstrap import Interval as Interval
from sightline.intervals.bootstrap import bootstrap as bootstrap
from sightline.intervals.compare import Paired as Paired
from sightline.intervals.compare import SignTest as SignTest
from sightline.intervals.compare import Win as Win
from sightline.intervals.compare import paired as paired
from sightline.intervals.compare import sign_test as sign_test
from sightline.intervals.compare import win as win
