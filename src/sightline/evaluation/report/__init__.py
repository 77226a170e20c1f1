"""From rows to a report a person can read: figures, how far they can be trusted, pictures, tables.

`summarise` makes every number once; `write` prints them as one page, tables, Markdown and LaTeX.
"""

from sightline.evaluation.report.curves import Curve as Curve
from sightline.evaluation.report.rows_by_method import RunResults as RunResults
from sightline.evaluation.report.summarise import summarise as summarise
from sightline.evaluation.report.summary import Caution as Caution
from sightline.evaluation.report.summary import Failure as Failure
from sightline.evaluation.report.summary import Pair as Pair
from sightline.evaluation.report.summary import Score as Score
from sightline.evaluation.report.summary import Summary as Summary
from sightline.evaluation.report.write import write as write
from sightline.evaluation.statistics.bootstrap import Interval as Interval
from sightline.evaluation.statistics.bootstrap import bootstrap as bootstrap
from sightline.evaluation.statistics.compare import Paired as Paired
from sightline.evaluation.statistics.compare import SignTest as SignTest
from sightline.evaluation.statistics.compare import Win as Win
from sightline.evaluation.statistics.compare import paired as paired
from sightline.evaluation.statistics.compare import sign_test as sign_test
from sightline.evaluation.statistics.compare import win as win
