"""Whatever a user hands over as pictures becomes what the model takes."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from helpers.closeness import assert_near
from helpers.nets import batch, convnet
from sightline import Preprocess, explain
from sightline.errors import ImageError
from sightline.explanation.inputs import expand, ready, stand_in
from sightline.images import prepare

PREPROCESS = Preprocess(resize=16, crop=(12, 10), mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))


def pixels(height, width, seed=0):
    """A photograph of noise, smooth enough to survive a resize."""
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 4, 3), dtype=np.uint8)
    return np.asarray(
        Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    ).copy()


TALL, WIDE = pixels(40, 24, 1), pixels(20, 50, 2)


@pytest.fixture
def photos(tmp_path):
    """A folder with two pictures, something else, and a folder with one more."""
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    Image.fromarray(TALL).save(folder / "a.png")
    Image.fromarray(WIDE).save(folder / "b.png")
    Image.fromarray(WIDE[::-1]).save(folder / "more" / "c.png")
    (folder / "notes.txt").write_text("no picture")
    return folder


def as_bytes(array):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, format="PNG")
    return buffer.getvalue()


def channels_first(array):
    return torch.from_numpy(array).permute(2, 0, 1)


def want(*arrays):
    """Resized, cut and normalised: by `prepare`, which has tests of its own."""
    return torch.cat([prepare(array, PREPROCESS).inputs for array in arrays])


FORMS = {
    "array": (lambda: TALL, [TALL]),
    "float array": (lambda: TALL / 255, [TALL]),
    "PIL": (lambda: Image.fromarray(TALL), [TALL]),
    "uint8 tensor": (lambda: channels_first(TALL), [TALL]),
    "bytes": (lambda: as_bytes(TALL), [TALL]),
    "file object": (lambda: io.BytesIO(as_bytes(TALL)), [TALL]),
    "batch of arrays": (lambda: np.stack([TALL, TALL[::-1]]), [TALL, TALL[::-1]]),
    "batch of uint8": (lambda: torch.stack([channels_first(WIDE)] * 2), [WIDE, WIDE]),
    "list of arrays of mixed sizes": (lambda: [TALL, WIDE], [TALL, WIDE]),
    "tuple of PIL": (lambda: (Image.fromarray(TALL), Image.fromarray(WIDE)), [TALL, WIDE]),
    "generator": (lambda: (Image.fromarray(one) for one in (TALL, WIDE)), [TALL, WIDE]),
    "list of uint8 tensors": (lambda: [channels_first(TALL), channels_first(WIDE)], [TALL, WIDE]),
    "tuple of uint8 tensors": (lambda: (channels_first(TALL), channels_first(WIDE)), [TALL, WIDE]),
    "a mixed list": (
        lambda: [TALL, Image.fromarray(WIDE), channels_first(TALL)],
        [TALL, WIDE, TALL],
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_pictures_in_every_form_are_prepared(form):
    make, arrays = FORMS[form]
    ready_made = ready(make(), convnet(), PREPROCESS)
    assert_near(ready_made.inputs, want(*arrays), 1e-6)
    assert ready_made.names == [f"image {i}" for i in range(len(arrays))]
    assert (ready_made.size, len(ready_made)) == ((12, 10), len(arrays))
    e = explain(convnet(), make(), 1, preprocess=PREPROCESS)
    assert_near(e.maps, explain(convnet(), want(*arrays), 1).maps, 1e-5)


def test_files_folders_globs_and_lists_of_them(photos):
    for source in (photos / "a.png", str(photos / "a.png")):
        one = ready(source, convnet(), PREPROCESS)
        assert torch.equal(one.inputs, want(TALL))
        assert one.names == ["a.png"]
    for source in (photos, str(photos), [photos]):
        every = ready(source, convnet(), PREPROCESS)
        assert torch.equal(every.inputs, want(TALL, WIDE, WIDE[::-1]))
        assert every.names == ["a.png", "b.png", "c.png"]
    assert ready(str(photos / "*.png"), convnet(), PREPROCESS).names == ["a.png", "b.png"]
    mixed = ready([photos / "b.png", TALL, photos / "more"], convnet(), PREPROCESS)
    assert mixed.names == ["b.png", "image 1", "c.png"]
    assert torch.equal(mixed.inputs, want(WIDE, TALL, WIDE[::-1]))
    e = explain(convnet(), photos, preprocess=PREPROCESS)
    assert (e.names, e.maps.shape) == (["a.png", "b.png", "c.png"], (3, 12, 10))


def test_the_cards_preprocessing_is_used_unless_another_is_given():
    e = explain(convnet(), TALL)
    assert e.maps.shape == (1, 224, 224)
    assert torch.equal(e.inputs, prepare(TALL, Preprocess()).inputs)
    assert explain(convnet(), TALL, preprocess=PREPROCESS).preprocess == PREPROCESS


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_prepared_pictures_take_the_models_dtype(dtype):
    assert ready(TALL, convnet().to(dtype), PREPROCESS).inputs.dtype == dtype


def test_a_ready_tensor_is_taken_as_it_is():
    x = batch()
    taken = ready(x, convnet(), PREPROCESS)
    assert taken.inputs is x
    assert taken.picture is x
    assert (taken.names, taken.size) == (["image 0", "image 1", "image 2"], (12, 10))
    e = explain(convnet(), x, preprocess=PREPROCESS)
    assert e.inputs.data_ptr() == x.data_ptr()


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_a_list_of_ready_tensors_is_joined(axes):
    x, net = batch(axes), convnet(axes)
    assert torch.equal(ready(list(x), net, PREPROCESS).inputs, x)
    assert torch.equal(ready([x[:1], x[1:2], x[2:]], net, PREPROCESS).inputs, x)
    assert torch.equal(ready([x, x], net, PREPROCESS).inputs, torch.cat([x, x]))


class Two(nn.Module):
    """A picture and something else beside it."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.net, self.beside = convnet(), nn.Linear(4, 5)

    def forward(self, image, extra, factor=1.0):
        return self.net(image) * factor + self.beside(extra)


def test_tuples_and_mappings_are_arguments():
    net, x = Two().eval(), batch()
    extra = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    plain = explain(convnet(), x, [1, 2]).coarse
    for images, factor in (
        ((x, extra), 1),
        ((x, extra, 2.0), 2),
        ({"extra": extra, "image": x}, 1),
        ({"factor": 3.0, "image": x, "extra": extra}, 3),
    ):
        for method in ("grad_cam", "gradient", "guided_grad_cam"):
            e = explain(net, images, [1, 2], method)
            assert e.maps.shape == (3, 2, 12, 10)
            assert torch.equal(e.inputs, x)
            assert torch.allclose(
                e.scores, factor * convnet()(x)[:, [1, 2]] + net.beside(extra)[:, [1, 2]], atol=1e-5
            )
    e = explain(net, (x, extra), [1, 2])
    assert_near(e.coarse, plain, 1e-5)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (
            torch.ones(1, 3, 12, 10, dtype=torch.long),
            r"got torch.int64.*uint8.*\(pixels / 255 - mean\) / std",
        ),
        (torch.ones(1, 3, 12, 10, dtype=torch.bool), "got torch.bool"),
        (
            torch.randn(3, 12, 10),
            r"a batch \[b, c, \*s\].*got the shape \(3, 12, 10\).*unsqueeze\(0\)",
        ),
        (torch.randn(12, 10), r"got the shape \(12, 10\)"),
        (torch.zeros(0, 3, 12, 10), r"at least one picture.*\(0, 3, 12, 10\)"),
        (torch.zeros(1, 3, 0, 10), "at least one pixel"),
        (
            [torch.randn(3, 12, 10), torch.randn(3, 14, 10)],
            r"of one size; got \(3, 12, 10\), \(3, 14, 10\)",
        ),
        ([], "at least one picture; got an empty list"),
        ((), "at least one picture"),
        ({}, "found none"),
        ({"extra": torch.zeros(3, 4)}, "found none"),
        (None, "came builtins.NoneType"),
        (np.zeros((3, 12, 10)), r"Channels come last"),
        (b"abc", "Pillow reads"),
        ("", "an empty string"),
        ("nowhere.jpg", "no file 'nowhere.jpg'"),
        (Path("nowhere/a.jpg"), "no folder 'nowhere'"),
        ("nowhere/*.jpg", "a pattern that matches pictures; found none"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else type(value).__name__,
)
def test_what_is_no_picture_is_refused(images, message):
    with pytest.raises(ImageError, match=message):
        explain(convnet(), images)


def test_a_clip_without_its_batch_axis_is_told_so():
    with pytest.raises(ImageError, match=r"got the shape \(3, 6, 8, 7\).*unsqueeze\(0\)"):
        explain(convnet(3), torch.randn(3, 6, 8, 7))


def test_an_empty_folder_is_an_error(tmp_path):
    with pytest.raises(ImageError, match="a folder with pictures; found none"):
        explain(convnet(), tmp_path)


def test_expand_leaves_what_is_no_folder_alone(photos):
    assert expand(TALL) is TALL
    assert expand(photos / "a.png") == photos / "a.png"
    assert expand([photos]) == [photos / "a.png", photos / "b.png", photos / "more" / "c.png"]
    assert expand([TALL])[0] is TALL


@pytest.mark.parametrize(
    ("model", "preprocess", "shape"),
    [
        (nn.Conv2d(1, 2, 3), Preprocess(resize=(12, 10), crop=None), (2, 1, 12, 10)),
        (nn.Sequential(nn.Conv2d(4, 2, 3).double()), Preprocess(), (2, 4, 224, 224)),
        (nn.Flatten(), Preprocess(resize=None, crop=None), (2, 3, 224, 224)),
    ],
)
def test_noise_stands_in_for_pictures(model, preprocess, shape):
    made = stand_in(model, preprocess, 2)
    assert made.shape == shape
    assert made.dtype == next((p.dtype for p in model.parameters()), torch.float32)
