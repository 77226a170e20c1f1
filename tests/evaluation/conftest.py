"""The model and the pictures of these tests."""

import numpy as np
import pytest
from PIL import Image

from helpers.nets import convnet
from helpers.small_runs import CLASSES, PREPROCESS
from sightline import Card, describe


@pytest.fixture
def model():
    net = convnet(classes=3)
    describe(net, Card("three", None, PREPROCESS, CLASSES, "a test"))
    return net


@pytest.fixture
def folder(tmp_path):
    """Twelve pictures in three folders; one of them is broken."""
    rng = np.random.default_rng(0)
    for k in range(12):
        place = tmp_path / "data" / CLASSES[k % 3]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (20, 24, 3), dtype=np.uint8)).save(
            place / f"{k:02}.png"
        )
    (tmp_path / "data" / "dog" / "04.png").write_bytes(b"\x89PNG broken")
    return tmp_path / "data"
