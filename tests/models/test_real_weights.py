"""Real weights in real architectures recognise real photographs, prepared as the card says."""

import csv
from dataclasses import replace
from pathlib import Path

import torch

from helpers.data import shared
from sightline.images import prepare
from sightline.models import Loaded, card_of, load


def recognised(loaded: Loaded, every: int = 5) -> float:
    """The share of the sample photographs, one in so many, whose class comes first."""
    folder = shared("imagenet-samples")
    rows = list(csv.DictReader((folder / "labels.csv").read_text().splitlines()))[::every]
    ready = prepare([folder / "images" / row["file"] for row in rows], loaded.card.preprocess)
    with torch.no_grad():
        best = loaded.model(ready.inputs).argmax(1)
    assert loaded.card.classes is not None
    for row in rows:  # the names in the card are in the order of the outputs
        assert words(loaded.card.classes[int(row["class_index"])]) & words(row["name"]), row
    return float((best == torch.tensor([int(row["class_index"]) for row in rows])).float().mean())


def words(name: str) -> set[str]:
    return set(name.lower().replace("_", " ").replace("-", " ").split())


def weights(name: str) -> Path:
    return shared("imagenet-weights", name)


def test_squeezenet_of_torchvision():
    loaded = load("torchvision/squeezenet1_1", weights=weights("squeezenet1_1.safetensors"))
    assert loaded.model.features[0].weight.dtype == torch.float32  # float16 in the file
    assert loaded.card.layer == "features.12"
    assert recognised(loaded) >= 0.7


def test_mobilenet_of_timm_with_its_own_padding_and_normalisation():
    half = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
    file = weights("mobilenetv2_100_same.safetensors")
    loaded = load(
        "timm/mobilenetv2_100", weights=file, pad_type="same", pretrained_cfg_overlay=half
    )
    assert loaded.card.preprocess.mean == (0.5, 0.5, 0.5)
    assert card_of(loaded.model) == loaded.card
    assert recognised(loaded) >= 0.85


def test_the_same_weights_read_the_wrong_way_recognise_less():
    """The twin: the tests above can fail."""
    file = weights("mobilenetv2_100_same.safetensors")
    loaded = load("timm/mobilenetv2_100", weights=file, pad_type="same")
    raw = replace(loaded.card.preprocess, mean=(0.0, 0.0, 0.0), std=(8.0, 8.0, 8.0))
    assert recognised(loaded._replace(card=replace(loaded.card, preprocess=raw)), every=10) < 0.5
