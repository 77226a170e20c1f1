"""Torch warns when forward mode is first used: that is done once, as `curvature` does it."""

import pytest

from sightline.surgery.derivatives.curvature import _load_forward_mode


@pytest.fixture(autouse=True)
def _forward_mode():
    _load_forward_mode()
