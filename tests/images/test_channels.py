"""Pictures for models that take one channel, or four."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import sightline
from sightline import Preprocess, explain
from sightline.errors import ImageError
from sightline.explanation.inputs import as_taken
from sightline.images import prepare, read

RNG = np.random.default_rng(0)
GREY, COLOURS = (RNG.integers(0, 256, (10, 12), dtype="uint8") for _ in range(2))
RGBA = RNG.integers(0, 256, (10, 12, 4), dtype="uint8")
AS_IT_IS = Preprocess(resize=None, crop=None, mean=(0.0,), std=(1.0,))


def net(channels):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(channels, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    ).eval()


def test_grey_stays_what_it_is_and_colours_become_their_brightness():
    one = prepare(GREY, AS_IT_IS.taken_by(1))
    assert one.inputs.shape == (1, 1, 10, 12)
    assert torch.equal((one.seen * 255).round().byte()[0, 0], torch.from_numpy(GREY))
    colours = Image.fromarray(RGBA[:, :, :3])
    grey = np.array(colours.convert("L"))
    found = prepare(colours, AS_IT_IS.taken_by(1)).seen[0, 0]
    assert torch.equal((found * 255).round().byte(), torch.from_numpy(grey))


@pytest.mark.parametrize("form", ["array", "picture", "tensor", "file"])
def test_four_channels_are_kept_in_every_form(form, tmp_path):
    picture = Image.fromarray(RGBA)
    picture.save(tmp_path / "a.png")
    source = {
        "array": RGBA,
        "picture": picture,
        "tensor": torch.from_numpy(RGBA).permute(2, 0, 1),
        "file": tmp_path / "a.png",
    }[form]
    found = prepare(source, AS_IT_IS.taken_by(4)).inputs[0]
    assert torch.equal((found * 255).round().byte(), torch.from_numpy(RGBA).permute(2, 0, 1))


def test_a_picture_without_a_fourth_channel_is_told_so():
    with pytest.raises(ImageError, match=r"expected a picture of four channels.*mode 'RGB'"):
        explain(net(4), Image.fromarray(RGBA[:, :, :3]))
    with pytest.raises(ImageError, match=r"first convolution takes 13 channels, and a picture has"):
        explain(net(13), Image.fromarray(RGBA))


def test_one_channel_has_the_mean_that_was_said_or_half():
    assert as_taken(Preprocess(mean=(0.2,), std=(0.3,)), net(1)).mean == (0.2,)
    assert as_taken(Preprocess(), net(1)).mean == (0.5,)
    assert as_taken(Preprocess(), net(3)) == Preprocess()
    assert "channels" not in Preprocess().as_dict()
    assert as_taken(Preprocess(), net(4)).as_dict()["channels"] == 4


def test_files_are_explained_and_measured_as_their_tensors_are(tmp_path):
    model = net(1)
    ready = (torch.from_numpy(GREY)[None, None] / 255 - 0.2) / 0.3
    way = Preprocess(resize=None, crop=None, mean=(0.2,), std=(0.3,))
    for name in ("neg", "pos"):
        (tmp_path / name).mkdir()
        Image.fromarray(GREY).save(tmp_path / name / "a.png")
    wanted = explain(model, ready, 1)
    for source in (tmp_path / "neg" / "a.png", GREY, torch.from_numpy(GREY)[None]):
        own = explain(model, source, 1, preprocess=way)
        torch.testing.assert_close(own.maps, wanted.maps)
        assert own.images.shape == (1, 1, 10, 12)
    options = {"progress": False, "views": 8, "preprocess": way}
    asked, named = ("grad_cam", "average_drop"), {"neg": 0, "pos": 1}
    found = sightline.evaluate(model, tmp_path, *asked, class_map=named, **options)
    other = sightline.evaluate(model, [ready], *asked, **options)
    (own, _), (wanted,) = found.column("average_drop"), other.column("average_drop")
    assert own == pytest.approx(wanted, abs=1e-4)


def test_a_mode_is_read_as_it_is_asked_for():
    assert read(RGBA, mode="L").mode == "L"
    assert read(RGBA).mode == "RGB"
    assert np.array_equal(np.array(read(RGBA, mode="RGBA")), RGBA)
