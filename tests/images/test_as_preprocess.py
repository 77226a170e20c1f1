"""Transforms and image processors as a `Preprocess`: read, then held against what they make."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torchvision import models, transforms
from torchvision.transforms import v2

import sightline
from sightline.errors import ImageError, StoreError
from sightline.images import as_preprocess, prepare
from sightline.types import Preprocess

IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
USUAL = Preprocess(40, (32, 32))


def composed(*steps, mean=IMAGENET[0], std=IMAGENET[1]):
    return transforms.Compose([*steps, transforms.ToTensor(), transforms.Normalize(mean, std)])


@pytest.mark.parametrize(
    ("transform", "want"),
    [
        (composed(transforms.Resize(40), transforms.CenterCrop(32)), USUAL),
        (composed(transforms.Resize((24, 32))), Preprocess((24, 32), None)),
        (composed(transforms.CenterCrop((24, 32))), Preprocess(None, (24, 32))),
        (
            composed(transforms.Resize(24, transforms.InterpolationMode.BICUBIC)),
            Preprocess(24, None, "bicubic"),
        ),
        (
            v2.Compose(
                [
                    v2.ToImage(),
                    v2.Resize([40]),
                    v2.CenterCrop(32),
                    v2.ToDtype(torch.float32, scale=True),
                    v2.Normalize(*IMAGENET),
                ]
            ),
            USUAL,
        ),
        (transforms.ToTensor(), Preprocess(None, None, mean=(0.0,), std=(1.0,))),
        (
            v2.Compose([v2.PILToTensor(), v2.ToDtype(torch.float32), v2.Normalize([51], [102])]),
            Preprocess(None, None, mean=(0.2,), std=(0.4,)),
        ),
        (models.ResNet18_Weights.DEFAULT.transforms(), Preprocess()),
        (models.ResNet18_Weights.DEFAULT, Preprocess()),
        (
            transforms.Compose([lambda p: p.convert("RGB"), composed(transforms.Resize(24))]),
            Preprocess(24, None),
        ),
    ],
    ids=lambda one: "" if isinstance(one, Preprocess) else type(one).__name__,
)
def test_what_it_makes_of_a_picture_is_what_prepare_makes(transform, want):
    found = as_preprocess(transform)
    assert (found.resize, found.crop, found.interpolation) == (
        want.resize, want.crop, want.interpolation
    )  # fmt: skip
    assert found.mean == pytest.approx(want.mean)
    assert found.std == pytest.approx(want.std)
    assert found.assumed == ()
    pixels = np.random.default_rng(1).integers(60, 190, (50, 61, 3), dtype=np.uint8)
    picture = Image.fromarray(pixels)
    run = transform.transforms() if hasattr(transform, "url") else transform
    apart = (prepare(picture, found).inputs[0] - run(picture)).abs().max() * max(found.std)
    assert apart < 2.5 / 255


def test_a_preprocess_is_itself():
    assert as_preprocess(USUAL) is USUAL


@pytest.mark.parametrize(
    ("transform", "said"),
    [
        (composed(transforms.RandomResizedCrop(32)), "its step RandomResizedCrop differs from"),
        (composed(transforms.Grayscale(3)), "Grayscale cannot be read, and what it makes"),
        (composed(lambda p: p.rotate(90)), "<lambda> cannot be read, and"),
        (composed(transforms.Pad(3)), r"Pad cannot be read, and of a picture of .* it makes \["),
        (composed(transforms.CenterCrop(32), transforms.Resize(16)), "behind another Resize or"),
        (composed(transforms.Resize(32, max_size=64)), "limits the long side"),
        (transforms.Compose([transforms.Resize(32)]), "it makes Image, where"),
        (transforms.Normalize(*IMAGENET), "it fails on a PIL picture .TypeError"),
        (
            transforms.Compose([transforms.ToTensor(), transforms.Resize(16, antialias=False)]),
            "differs from what was read of it, by up to [1-9][0-9] of 255 grey levels",
        ),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_what_cannot_be_read_is_named_with_what_to_do(transform, said):
    with pytest.raises(ImageError, match=said) as error:
        as_preprocess(transform)
    assert "prepare the pictures yourself and hand over the tensors" in str(error.value)


@pytest.mark.parametrize("given", [lambda p: p, {"mean": 1}, "imagenet", 3, nn.ReLU(), Preprocess])
def test_what_is_no_preprocess_at_all(given):
    with pytest.raises(ImageError, match=r"Expected preprocess as a sightline\.Preprocess"):
        as_preprocess(given)


def test_nobody_s_random_numbers_are_used_up():
    torch.manual_seed(3)
    want = torch.rand(1)
    torch.manual_seed(3)

    def drawn(picture):
        return picture if torch.rand(1) >= 0 else None

    as_preprocess(composed(drawn))
    assert torch.rand(1) == want


def net():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    ).eval()


def test_explain_and_evaluate_take_one(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (50, 61, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    transform = composed(transforms.Resize(40), transforms.CenterCrop(32))
    by_transform = sightline.explain(net(), tmp_path / "a.png", 1, preprocess=transform)
    by_words = sightline.explain(net(), tmp_path / "a.png", 1, preprocess=USUAL)
    assert by_transform.preprocess == USUAL
    assert torch.equal(by_transform.maps, by_words.maps)
    rows = sightline.evaluate(
        net(), tmp_path, "grad_cam", "average_drop", preprocess=transform, progress=False
    )
    assert rows.run["data"]["preprocess"] == USUAL.as_dict()
    assert len(rows.column("average_drop")) == 1


def test_pictures_prepared_in_another_way_are_another_run(tmp_path):
    Image.new("RGB", (40, 40), (200, 30, 30)).save(tmp_path / "a.png")

    def run(preprocess):
        return sightline.evaluate(
            net(), tmp_path / "a.png", "grad_cam", "average_drop", preprocess=preprocess,
            out=tmp_path / "out", progress=False,
        )  # fmt: skip

    run(USUAL)
    assert len(run(USUAL)) == 1
    with pytest.raises(StoreError, match=r"data\.preprocess\.resize is 40 there and 36 here"):
        run(Preprocess(36, (32, 32)))


def test_evaluate_masks_batches_in_the_pixels_it_was_told(tmp_path):
    """Ready batches are masked where black is black: which that is, mean and std say."""
    images, dark = torch.rand(2, 3, 16, 16), Preprocess(mean=(0.0,), std=(1.0,))
    told, described = net(), net()
    sightline.describe(described, sightline.Card("mine", None, dark, None, "me"))
    drops = [
        sightline.evaluate(
            model, [images], "grad_cam", "average_drop", preprocess=said, progress=False
        ).column("average_drop")
        for model, said in ((told, dark), (described, None), (told, None))
    ]
    assert drops[0] == drops[1] != drops[2]
