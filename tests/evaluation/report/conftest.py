"""A made-up run, its summary and its page, for the report's tests."""

import pytest

from helpers.made_up_run import METRICS, made
from sightline.evaluation.report import summarise
from sightline.evaluation.report.gallery import gallery
from sightline.evaluation.report.page import page


@pytest.fixture(scope="session")
def results():
    return made(32, broken=(17,), silent=(5,))


@pytest.fixture(scope="session")
def summary(results):
    return summarise(results, ["class", "tag"], metrics=METRICS, resamples=200)


@pytest.fixture(scope="session")
def text(results, summary):
    return page("A title <b>", summary, gallery(summary, results, "average_drop", 3))
