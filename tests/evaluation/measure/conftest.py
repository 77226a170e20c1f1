"""What several of these tests measure, made once a file."""

import pytest

from helpers.measured_batch import measured, net


@pytest.fixture(scope="module")
def material():
    model = net()
    explained, measurements = measured(model=model)
    return model, explained, measurements, explained.classes
