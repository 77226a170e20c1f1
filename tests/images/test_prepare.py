"""From pictures to a batch, against torchvision's own transforms, bit for bit."""

import io
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms

from helpers.data import shared
from helpers.pictures import photograph, stored
from sightline.errors import ImageError
from sightline.images import Prepared, find, framed, prepare, read, seen
from sightline.types import Preprocess

IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
AS_IS = Preprocess(resize=None, crop=None)


def by_torchvision(picture: Image.Image, preprocess: Preprocess) -> torch.Tensor:
    filters = {
        word: transforms.InterpolationMode(word)
        for word in ("nearest", "bilinear", "bicubic", "lanczos")
    }
    steps = [transforms.ToTensor(), transforms.Normalize(preprocess.mean, preprocess.std)]
    if preprocess.crop is not None:
        steps.insert(0, transforms.CenterCrop(preprocess.crop))
    if preprocess.resize is not None:
        steps.insert(0, transforms.Resize(preprocess.resize, filters[preprocess.interpolation]))
    return transforms.Compose(steps)(picture)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("resize", [None, 37, 64])
@pytest.mark.parametrize("crop", [None, (32, 32), (33, 1), (40, 71), (96, 20), (101, 130)])
def test_the_same_bits_as_torchvision(
    interpolation: str, resize: int | None, crop: tuple[int, int] | None
) -> None:
    preprocess = Preprocess(resize, crop, interpolation, **IMAGENET)  # type: ignore[arg-type]
    for height, width in [
        (64, 64),
        (64, 97),
        (97, 64),
        (37, 113),
        (50, 35),
        (65, 200),
        (7, 5),
        (1, 9),
    ]:
        picture = Image.fromarray(photograph(height, width))
        ready = prepare(picture, preprocess)
        expected = by_torchvision(picture, preprocess)
        assert torch.equal(ready.inputs[0], expected), (height, width)
        assert ready.inputs.dtype == ready.seen.dtype == torch.float32


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic", "lanczos"])
@pytest.mark.parametrize("crop", [None, (20, 31)])
def test_the_same_bits_as_torchvision_where_pictures_are_squeezed(
    interpolation: str, crop: tuple[int, int] | None
) -> None:
    preprocess = Preprocess((24, 40), crop, interpolation, **IMAGENET)  # type: ignore[arg-type]
    for height, width in [(64, 97), (24, 40), (7, 5)]:
        picture = Image.fromarray(photograph(height, width))
        got = prepare(picture, preprocess).inputs[0]
        assert torch.equal(got, by_torchvision(picture, preprocess)), (height, width)


def test_what_is_shown_of_a_squeezed_picture_is_the_part_that_the_model_saw() -> None:
    """100 x 60 squeezed to 50 x 20; of that the centre 25 x 10 is half of either side."""
    picture = np.zeros((60, 100, 3), np.uint8)
    picture[15:45, 25:75] = 255
    shown = framed(picture, Preprocess((20, 50), (10, 25)))
    assert shown.size == (50, 30)
    assert np.asarray(shown).min() == 255
    assert framed(picture, Preprocess((20, 50), None)).size == (100, 60)


def test_the_same_bits_as_torchvision_on_real_photographs() -> None:
    files = find(shared("imagenet-samples"))[:12]
    preprocess = Preprocess(256, (224, 224), "bilinear", **IMAGENET)
    ready = prepare(files, preprocess)
    assert ready.names == [file.name for file in files]
    for file, got in zip(files, ready.inputs, strict=True):
        with Image.open(file) as picture:
            assert torch.equal(got, by_torchvision(picture.convert("RGB"), preprocess))


def test_a_picture_smaller_than_the_crop_gets_a_black_border() -> None:
    white = np.full((1, 2, 3), 255, np.uint8)
    ready = prepare(white, Preprocess(None, (3, 5), mean=(0.5,) * 3, std=(0.25,) * 3))
    expected = torch.zeros(3, 5)
    expected[1, 1:3] = 1  # three columns too few: one before, two behind
    assert torch.equal(ready.seen[0, 0], expected)
    assert torch.equal(ready.inputs[0, 1], expected * 4 - 2)


def test_sizes_are_kept_when_nothing_is_asked() -> None:
    ready = prepare(photograph(13, 21), AS_IS)
    assert ready.inputs.shape == (1, 3, 13, 21)
    assert torch.equal(
        ready.seen[0].permute(1, 2, 0) * 255, torch.from_numpy(photograph(13, 21)).float()
    )


def test_a_turned_photograph_is_cropped_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = stored(Image.fromarray(photograph(20, 60)), "PNG", exif=exif)
    upright = Image.fromarray(np.rot90(photograph(20, 60), -1))
    assert prepare(lying, AS_IS).seen.shape == (1, 3, 60, 20)
    assert torch.equal(prepare(lying, AS_IS).seen, prepare(upright, AS_IS).seen)


# -- one, several, a batch in one piece --


def test_every_way_to_give_several(tmp_path: Path) -> None:
    pictures = [photograph(seed=seed) for seed in range(3)]
    paths = [tmp_path / f"{seed}.png" for seed in range(3)]
    for path, picture in zip(paths, pictures, strict=True):
        path.write_bytes(stored(Image.fromarray(picture), "PNG"))
    ways = {
        "arrays": pictures,
        "tuple": tuple(pictures),
        "generator": (picture for picture in pictures),
        "paths": paths,
        "strings": [str(path) for path in paths],
        "bytes": [path.read_bytes() for path in paths],
        "array [b h w c]": np.stack(pictures),
        "tensor [b c h w]": torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2),
        "mixed": [paths[0], pictures[1], Image.fromarray(pictures[2])],
    }
    expected = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255
    for way, sources in ways.items():
        ready = prepare(sources, AS_IS)
        assert torch.equal(ready.seen, expected), way
    assert ready.names == ["0.png", "image 1", "image 2"]


def test_a_batch_is_its_pictures_one_by_one() -> None:
    pictures = [photograph(30, 50, seed) for seed in range(3)]
    preprocess = Preprocess(24, (24, 24))
    together = prepare(pictures, preprocess)
    alone = torch.cat([prepare(picture, preprocess).inputs for picture in pictures])
    assert torch.equal(together.inputs, alone)


def test_one_of_each_form_is_one(tmp_path: Path) -> None:
    path = tmp_path / "cat.photo.png"
    path.write_bytes(stored(Image.fromarray(photograph()), "PNG"))
    tensor = torch.from_numpy(photograph()).permute(2, 0, 1)
    with path.open("rb") as file, Image.open(path) as opened:
        named = [path, str(path), file, opened]
        nameless = [
            path.read_bytes(),
            io.BytesIO(path.read_bytes()),
            read(path),
            photograph(),
            tensor,
        ]
        for source in named:
            assert prepare(source, AS_IS).names == ["cat.photo.png"]
        for source in nameless:
            assert prepare(source, AS_IS).names == ["image 0"]
            assert torch.equal(prepare(source, AS_IS).seen, prepare(path, AS_IS).seen)


def test_the_process_s_defaults_change_nothing() -> None:
    expected = prepare(photograph(), AS_IS)
    torch.set_default_dtype(torch.float64)
    torch.set_default_device("meta")
    try:
        ready = prepare(photograph(), AS_IS)
        back = seen(ready.inputs, AS_IS)
    finally:
        torch.set_default_device(None)
        torch.set_default_dtype(torch.float32)
    assert torch.equal(ready.inputs, expected.inputs)
    assert torch.equal(back, seen(expected.inputs, AS_IS))


def test_prepared_is_frozen_and_contiguous() -> None:
    ready = prepare(photograph(), AS_IS)
    assert isinstance(ready, Prepared)
    assert ready.inputs.is_contiguous()
    assert ready.seen.is_contiguous()
    with pytest.raises(AttributeError):
        ready.names = []  # type: ignore[misc]


# -- back to pixels --


@pytest.mark.parametrize(
    "preprocess", [AS_IS, Preprocess(None, None, mean=(0.5,) * 3, std=(0.5,) * 3)]
)
def test_seen_undoes_the_normalisation(preprocess: Preprocess) -> None:
    ready = prepare(photograph(), preprocess)
    back = seen(ready.inputs, preprocess)
    assert (back - ready.seen).abs().max() <= 2e-7
    assert torch.equal((back * 255).round(), (ready.seen * 255).round())


def test_seen_holds_what_leaves_0_to_1() -> None:
    wild = torch.tensor([-100.0, 0.0, 100.0]).view(1, 3, 1, 1)
    assert seen(wild, AS_IS).flatten().tolist() == pytest.approx([0.0, 0.456, 1.0])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_seen_is_float32_and_without_a_graph(dtype: torch.dtype) -> None:
    inputs = torch.zeros(1, 3, 2, 2, dtype=dtype, requires_grad=True)
    back = seen(inputs, AS_IS)
    assert back.dtype == torch.float32
    assert not back.requires_grad
    assert torch.equal(back[0, :, 0, 0], torch.tensor(AS_IS.mean))


def test_seen_of_any_rank_and_one_mean_for_all_channels() -> None:
    one = Preprocess(mean=(0.25,), std=(0.5,))
    for shape in [(2, 1, 7), (2, 5, 4, 4), (1, 3, 2, 4, 4)]:
        assert torch.equal(seen(torch.full(shape, 0.5), one), torch.full(shape, 0.5))


# -- errors --


def test_different_sizes_are_listed() -> None:
    pictures = [photograph(10, 20), photograph(20, 10), photograph(10, 20), photograph(7, 7)]
    message = (
        r"Expected pictures of one size in a batch; came heights x widths of 10 x 20 \(image 0 and"
        r" 1 more\), "
        r"20 x 10 \(image 1\), 7 x 7 \(image 3\)\. Give the preprocess a crop=\(height, width\), or"
        r" prepare "
    )
    with pytest.raises(ImageError, match=message):
        prepare(pictures, AS_IS)
    with pytest.raises(
        ImageError, match=r"came heights x widths of 8 x 16 \(image 0 and 1 more\), 16 x 8"
    ):
        prepare(pictures, Preprocess(8, None))
    assert prepare(pictures, Preprocess(8, (8, 8))).inputs.shape == (4, 3, 8, 8)


def test_many_different_sizes_are_cut_short() -> None:
    with pytest.raises(ImageError, match=r"8 x 8 \(image 7\) and more\. Give") as error:
        prepare([photograph(side, side) for side in range(1, 40)], AS_IS)
    assert len(str(error.value)) < 400


@pytest.mark.parametrize(
    "sources",
    [[], (), np.zeros((0, 4, 4, 3), np.uint8), iter([])],
    ids=["list", "tuple", "array", "iterator"],
)
def test_nothing_at_all(sources: object) -> None:
    with pytest.raises(
        ImageError, match=r"Expected at least one picture; came an empty sequence\. Look"
    ):
        prepare(sources, AS_IS)


def test_the_bad_picture_of_several_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"^image 1: expected an array .*came shape \[3, 4, 5\]"):
        prepare([photograph(), np.zeros((3, 4, 5), np.uint8)], AS_IS)
    with pytest.raises(
        ImageError, match=r"^image 1: expected a path, bytes.*came builtins\.NoneType"
    ):
        prepare([photograph(), None], AS_IS)
    (tmp_path / "empty.png").write_bytes(b"")
    with pytest.raises(
        ImageError, match=rf"^{tmp_path}/empty\.png: expected a picture file; came an empty"
    ):
        prepare([photograph(), tmp_path / "empty.png"], AS_IS)
    with pytest.raises(ImageError, match=r"^image 0: expected a path"):
        prepare(7, AS_IS)


def test_the_limit_reaches_every_picture() -> None:
    data = stored(Image.fromarray(photograph(24, 40)), "PNG")
    assert prepare(data, AS_IS, max_pixels=960).seen.shape == (1, 3, 24, 40)
    with pytest.raises(
        ImageError, match=r"image 1: expected at most 959 pixels; this picture has 40 x 24"
    ):
        prepare([photograph(24, 40), data], AS_IS, max_pixels=959)


def test_a_thin_line_is_not_blown_up() -> None:
    line = np.zeros(
        (1, 100, 3), np.uint8
    )  # at full scale, 1 x 100,000 for a model of 256 would need 26 GB
    message = (
        r"image 0: expected at most 1,599 pixels after resizing; 100 x 1 with a short side of 4 "
        r"becomes 400 x 4\. Cut it into pieces that are less thin, or, in Python, set max_pixels="
        r" \(None: no limit\)"
    )
    with pytest.raises(ImageError, match=message):
        prepare(line, Preprocess(4, (4, 4)), max_pixels=1599)
    for limit in (1600, None):
        assert prepare(line, Preprocess(4, (4, 4)), max_pixels=limit).seen.shape == (1, 3, 4, 4)


@pytest.mark.parametrize(
    "preprocess",
    [Preprocess(0, None), Preprocess(-5, None), Preprocess((8, 0), None), Preprocess(8, (0, 8))],
)
def test_a_side_of_no_pixels(preprocess: Preprocess) -> None:
    came = re.escape(f"came resize={preprocess.resize}")
    message = rf"of at least one pixel; {came}, crop=.*\. None leaves"
    with pytest.raises(ImageError, match=message):
        prepare(photograph(), preprocess)


@pytest.mark.parametrize(
    ("mean", "std"),
    [
        ((0.5, 0.5), (1.0, 1.0)),
        ((0.5,) * 3, (1.0, 0.0, 1.0)),
        ((0.5,) * 3, (1.0, 1.0)),
        ((), (1.0,)),
    ],
)
def test_a_mean_or_std_that_does_not_fit(mean: tuple[float, ...], std: tuple[float, ...]) -> None:
    message = (
        r"Expected a mean and a positive std for each of 3 channels, or one for all; came"
        r" mean=.*fits"
    )
    with pytest.raises(ImageError, match=message):
        prepare(photograph(), Preprocess(None, None, mean=mean, std=std))
    with pytest.raises(ImageError, match=message):
        seen(torch.zeros(1, 3, 2, 2), Preprocess(mean=mean, std=std))
