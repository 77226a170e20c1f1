"""Image processors of Hugging Face transformers, held against what they make of pictures."""

import pytest

from sightline.errors import ImageError
from sightline.images import as_preprocess
from sightline.images.processors import is_processor
from sightline.types import Preprocess

transformers = pytest.importorskip("transformers")
SMALL, HALF = {"height": 24, "width": 32}, (0.5, 0.5, 0.5)
LOOK = {"image_mean": HALF, "image_std": HALF}


def made(name, **settings):
    return getattr(transformers, f"{name}ImageProcessor")(**settings)


@pytest.mark.parametrize(
    ("name", "settings", "want"),
    [
        ("ViT", {"size": SMALL}, Preprocess((24, 32), None, mean=HALF, std=HALF)),
        (
            "DeiT",
            {"size": {"height": 40, "width": 40}, "crop_size": {"height": 32, "width": 32}},
            Preprocess((40, 40), (32, 32), "bicubic", HALF, HALF),
        ),
        (
            "CLIP",
            {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}, **LOOK},
            Preprocess(32, (32, 32), "bicubic", HALF, HALF),
        ),
        (
            "ConvNext",
            {"size": {"shortest_edge": 28}, "crop_pct": 0.875},
            Preprocess(32, (28, 28), "bicubic", HALF, HALF),
        ),
        ("ViT", {"do_resize": False}, Preprocess(None, None, mean=HALF, std=HALF)),
        (
            "ViT",
            {"size": SMALL, "do_normalize": False},
            Preprocess((24, 32), None, mean=(0.0,), std=(1.0,)),
        ),
    ],
)
def test_what_it_makes_of_pictures_is_what_was_read(name, settings, want):
    assert as_preprocess(made(name, **settings)) == want


def test_one_that_stands_in_a_processor_of_pictures_and_words():
    class Both:
        image_processor = made("ViT", size=SMALL)

    assert as_preprocess(Both()).resize == (24, 32)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Detr", "its size is .*, which depends on the picture"),
        ("MobileViT", "differs from what was read of it"),  # its channels are BGR
        ("Pix2Struct", "it has no image_mean and image_std"),
    ],
)
def test_what_cannot_be_read_is_named(name, said):
    with pytest.raises(ImageError, match=said):
        as_preprocess(made(name))


def test_what_is_a_processor():
    assert is_processor(made("ViT"))
    assert not is_processor(transformers.ViTImageProcessor)
    assert not is_processor(len)
