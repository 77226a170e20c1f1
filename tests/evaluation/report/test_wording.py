"""Numbers, names and meanings in words."""

from sightline.evaluation.report.wording import meaning
from sightline.metrics import adcc
from sightline.metrics.metric import about


def test_meanings_are_for_readers():
    assert "`[" not in meaning(about(adcc))
    assert "coherency and complexity; the figure" in meaning(about(adcc))
