"""Tests run side by side: one thread each, or small tensors wait for each other's.

And they are strict: where a fast strategy fails for a reason that nobody foresaw, the failure is
raised and not covered by the general one (`sightline/surgery/harness/fallback.py`).
"""

import gc
import os
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings
from jaxtyping import config

torch.set_num_threads(1)
os.environ["SIGHTLINE_STRICT"] = "1"

# A busy machine is no failure: hypothesis asks for no time.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

HERE = Path(__file__).resolve().parent
ZOO = (
    "zoo/",
    "experiments/",
    "surgery/layers/test_choose_architectures.py",
    "surgery/test_pixel_trace_networks.py",
    "explanation/export/test_onnx.py",
    "explanation/test_explain_real_weights.py",
    "models/test_real_weights.py",
    "methods/cams/test_real_weights.py",
    "methods/cams/test_relatives_real_weights.py",
    "methods/cams/test_eigen_real_weights.py",
    "evaluation/test_peers.py",
)
"""Whole networks, whole programs: three fifths of the suite's time, not for every minute."""


def in_zoo(file: Path) -> bool:
    """Whether all tests of a file bear the mark `zoo`."""
    return file.is_relative_to(HERE) and file.relative_to(HERE).as_posix().startswith(ZOO)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`slow` stands at each test of more than 2 s (`--durations`), `zoo` at whole files."""
    for item in items:
        if in_zoo(item.path):
            item.add_marker("zoo")


@pytest.fixture
def as_for_users(monkeypatch):
    """What a user meets where a fast strategy fails: the general one."""
    monkeypatch.delenv("SIGHTLINE_STRICT")


@pytest.fixture
def quick_collections():
    """What is there already is set aside: a collection looks at what the test made, and takes a
    thousandth of the time.
    """
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def shapes_unchecked():
    """To check the shapes of an exporter's stand-ins is to compare them, and to compare is to fix
    them.
    """
    before = config.jaxtyping_disable
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", before)
