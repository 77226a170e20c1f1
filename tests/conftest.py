"""Tests run side by side: one thread each, or small tensors wait for each other's.

They keep nothing on the disk of what they found out of a model, and find nothing there. And they
are strict: where a fast strategy fails for a reason that nobody foresaw, the failure is raised and
not covered by the general one (`sightline/surgery/harness/fallback.py`).
"""

import gc
import os
import re
from pathlib import Path
from zlib import crc32

import pytest
import torch
from hypothesis import HealthCheck, settings
from jaxtyping import config as shape_checks
from jaxtyping import install_import_hook

torch.set_num_threads(1)
os.environ["SIGHTLINE_STRICT"] = "1"
os.environ["SIGHTLINE_CACHE"] = "off"

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
"""Whole networks, whole programs: half of the suite's time, not for every minute."""

MANY_CASES = 8
"""A test with more of them is sampled by `--sample`."""


def with_shapes() -> list[str]:
    """The modules of the library in whose signatures shapes stand, to be checked at every call.

    In others a check costs time and finds what mypy has found.
    """
    source = HERE.parent / "src"
    return sorted(
        ".".join(file.relative_to(source).with_suffix("").parts)
        for file in source.rglob("*.py")
        if file.name != "__init__.py"  # a package stands for all in it
        and re.search(r"^from (jaxtyping|sightline\.types) import", file.read_text("utf-8"), re.M)
    )


if os.environ.get("SHAPES") != "unchecked":  # before any other file imports the library
    install_import_hook(with_shapes(), "beartype.beartype")


def in_zoo(file: Path) -> bool:
    """Whether all tests of a file bear the mark `zoo`."""
    return file.is_relative_to(HERE) and file.relative_to(HERE).as_posix().startswith(ZOO)


def pytest_addoption(parser: pytest.Parser) -> None:
    """`make quick` takes a sample of the laws, which have a case for each method and network."""
    parser.addoption(
        "--sample",
        type=int,
        default=1,
        metavar="N",
        help=f"of a test with more than {MANY_CASES} cases run every Nth only",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """`slow` stands at each test of more than half a second, `zoo` at whole files."""
    for item in items:
        if in_zoo(item.path):
            item.add_marker("zoo")
    left_out = _beyond_the_sample(items, config.getoption("sample"))
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


def _beyond_the_sample(items: list[pytest.Item], every: int) -> set[pytest.Item]:
    """Of each test with many cases all but every Nth, beginning elsewhere for each test."""
    cases: dict[str, list[pytest.Item]] = {}
    for item in items:
        cases.setdefault(item.nodeid.partition("[")[0], []).append(item)
    return {
        item
        for test, some in cases.items()
        if len(some) > MANY_CASES
        for k, item in enumerate(some, crc32(test.encode()))
        if k % every
    }


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
    before = shape_checks.jaxtyping_disable
    shape_checks.update("jaxtyping_disable", True)
    yield
    shape_checks.update("jaxtyping_disable", before)
