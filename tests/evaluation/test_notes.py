"""What was assumed of pictures while they were measured, in sentences."""

import re

import pytest
import torch

from sightline.evaluation.notes import notes
from sightline.protocol import Protocol
from sightline.types import Preprocess


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        (
            (12, 500),
            r"Of inputs \[12, 500\] no .* known: 0 and 1 were taken.* black is 0 then.* of 0.05\.",
        ),
        ((13, 8, 8), r"Of inputs \[13, 8, 8\] .* 0 and 1 were taken"),
        ((1, 4, 8, 8), r"Of inputs \[1, 4, 8, 8\] .* 0 and 1 were taken"),
        (
            (1, 8, 8),
            r"Of inputs \[1, 8, 8\] .* 0.5 and 0.5 were taken.* black is -1 then.* of 0.1\.",
        ),
    ],
)
def test_statistics_nobody_gave(shape, words):
    (said,) = notes(torch.zeros(2, *shape), Preprocess(), Protocol())
    assert re.search(words, said)
    assert "sightline.describe(model, Card(..., preprocess=Preprocess(mean=..., std=...)))" in said
    told = Preprocess(mean=(0.1,) * shape[0], std=(0.5,) * shape[0])
    assert notes(torch.zeros(2, *shape), told, Protocol()) == []


def test_a_patch_that_hides_everything():
    pictures, wide = torch.zeros(1, 3, 20, 24), {"occlusion_map"}
    (said,) = notes(pictures, Preprocess(), Protocol(patch=24), wide)
    assert "A patch of 24 hides all of a picture of [20, 24]" in said
    assert "Protocol(patch=5, stride=2)" in said
    assert notes(pictures, Preprocess(), Protocol(patch=23), wide) == []
    assert notes(pictures, Preprocess(), Protocol(patch=24)) == [], "nobody asked for it"
