"""Tests run side by side: one thread each, or small tensors wait for each other's."""

import pytest
import torch
from jaxtyping import config

torch.set_num_threads(1)


@pytest.fixture
def shapes_unchecked():
    """To check the shapes of an exporter's stand-ins is to compare them, and to compare is to fix
    them.
    """
    before = config.jaxtyping_disable
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", before)
