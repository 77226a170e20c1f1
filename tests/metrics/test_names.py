"""What lists say of the metrics, without torch, is what the metrics say of themselves."""

import pytest

from helpers.docstrings import first_paragraph
from sightline.metrics import METRICS, about
from sightline.metrics.names import METRIC_NAMES


def test_the_table_holds_the_contents_in_their_order():
    assert list(METRIC_NAMES) == list(METRICS)
    assert [line.name for line in METRIC_NAMES.values()] == list(METRICS)


@pytest.mark.parametrize("name", METRICS)
def test_a_line_says_what_the_metric_declares(name):
    line, metric = METRIC_NAMES[name], about(METRICS[name])
    assert line.summary == first_paragraph(metric.function)
    assert (line.title, line.group, line.paper, line.higher_is_better, line.unit) == (
        metric.title,
        metric.group,
        metric.paper,
        metric.higher_is_better,
        metric.unit,
    )
