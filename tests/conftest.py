"""Tests run side by side: one thread each, or small tensors wait for each other's.

And they are strict: where a fast strategy fails for a reason that nobody foresaw, the failure is
raised and not covered by the general one (`sightline/surgery/harness/fallback.py`).
"""

import os

import pytest
import torch
from jaxtyping import config

torch.set_num_threads(1)
os.environ["SIGHTLINE_STRICT"] = "1"


@pytest.fixture
def as_for_users(monkeypatch):
    """What a user meets where a fast strategy fails: the general one."""
    monkeypatch.delenv("SIGHTLINE_STRICT")


@pytest.fixture
def shapes_unchecked():
    """To check the shapes of an exporter's stand-ins is to compare them, and to compare is to fix
    them.
    """
    before = config.jaxtyping_disable
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", before)
