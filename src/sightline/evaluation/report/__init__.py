"""From rows to a report a person can read: figures, how far they can be trusted, pictures, tables.

`summarise` makes every number once; `write` prints them as one page, tables, Markdown and LaTeX.
"""

from sightline.intervals.bootstrap import Interval as Interval
from sightline.intervals.bootstrap import bootstrap as bootstrap
from sightline.intervals.compare import Paired as Paired
from sightline.intervals.compare import SignTest as SignTest
from sightline.intervals.compare import Win as Win
from sightline.intervals.compare import paired as paired
from sightline.intervals.compare import sign_test as sign_test
from sightline.intervals.compare import win as win
from sightline.results.board import Results as Results
from sightline.results.curves import Curve as Curve
from sightline.results.summarise import summarise as summarise
from sightline.results.summary import Caution as Caution
from sightline.results.summary import Failure as Failure
from sightline.results.summary import Pair as Pair
from sightline.results.summary import Score as Score
from sightline.results.summary import Summary as Summary
from sightline.results.text import figures_text as figures_text
from sightline.results.write import write as write
