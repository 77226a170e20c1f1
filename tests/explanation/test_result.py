"""The result: cut, moved, shown, saved."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import sightline
from helpers.closeness import assert_near
from helpers.nets import batch, convnet
from sightline import Preprocess, explain
from sightline.errors import ImageError
from sightline.maps.regions import boxes_above

TENSORS = ("maps", "coarse", "scores", "probabilities", "pixels", "inputs")
LISTS = ("targets", "status", "names", "top")


@pytest.fixture
def single():
    return explain(convnet(), batch(), torch.tensor([1, 0, 2]))


@pytest.fixture
def several():
    return explain(convnet(), batch(), [1, 0], "guided_grad_cam")


either = pytest.mark.parametrize("asked", ["single", "several"])


def parts(e, which):
    """The fields of an explanation, cut by python's and torch's own indexing."""
    return {
        name: getattr(e, name)[which] for name in (*TENSORS, *LISTS) if getattr(e, name) is not None
    }


def assert_cut(got, want):
    for name, value in want.items():
        mine = getattr(got, name)
        assert torch.equal(mine, value) if isinstance(value, torch.Tensor) else mine == value, name


@either
@pytest.mark.parametrize("index", [0, 1, 2, -1, -3, np.int64(1), torch.tensor(2)], ids=repr)
def test_an_index_gives_one_image_still_a_batch(asked, index, request):
    e = request.getfixturevalue(asked)
    i = int(index) % 3
    one = e[index]
    assert len(one) == 1
    assert_cut(one, parts(e, slice(i, i + 1)))
    assert (one.layer, one.method, one.several) == (e.layer, e.method, e.several)


@either
@pytest.mark.parametrize(
    "cut", [slice(1, 3), slice(None), slice(None, None, 2), slice(-2, None), slice(2, 9)], ids=repr
)
def test_a_slice_gives_a_batch(asked, cut, request):
    e = request.getfixturevalue(asked)
    assert_cut(e[cut], parts(e, cut))
    assert len(e[cut]) == len(range(3)[cut])


@pytest.mark.parametrize("index", [3, -4, 100])
def test_an_index_beyond_the_batch_is_an_error_so_that_loops_end(single, index):
    with pytest.raises(IndexError, match=rf"an image from 0 to 2; got {index}"):
        single[index]


@pytest.mark.parametrize("index", ["0", 1.0, None, [0, 1]])
def test_what_is_no_index_is_refused(single, index):
    with pytest.raises(TypeError):
        single[index]


@either
def test_iterating_gives_the_images_in_order(asked, request):
    e = request.getfixturevalue(asked)
    images = list(e)
    assert [one.names for one in images] == [["image 0"], ["image 1"], ["image 2"]]
    assert torch.equal(torch.cat([one.maps for one in images]), e.maps)


def test_each_gives_every_map_with_what_belongs_to_it(several):
    rows = list(several.each())
    assert [(i, j) for i, j, *_ in rows] == [(i, j) for i in range(3) for j in range(2)]
    for i, j, one, target, status in rows:
        assert torch.equal(one, several.maps[i, j])
        assert target.index == [1, 0][j]
        assert status is several.status[i][j]


def test_to_casts_every_tensor_and_nothing_else(several):
    double = several.to(torch.float64)
    for name in TENSORS:
        assert getattr(double, name).dtype == torch.float64
        assert_near(getattr(double, name), getattr(several, name).double(), 0)
    assert double.targets == several.targets
    assert several.maps.dtype == torch.float32
    assert several.to(device="cpu", dtype=torch.float16).coarse.dtype == torch.float16


def test_it_cannot_be_changed(single):
    with pytest.raises(AttributeError):
        single.maps = None


@pytest.mark.parametrize("threshold", [0.15, 0.5])
def test_boxes_are_those_of_the_maps_one_by_one(several, threshold):
    flat = several.maps.flatten(0, 1)
    assert several.boxes(threshold) == [boxes_above(one, threshold) for one in flat]
    assert several.boxes(threshold, largest=False) == [
        boxes_above(one, threshold, largest=False) for one in flat
    ]
    assert all(len(boxes) == 1 for boxes in several.boxes(threshold))


def test_boxes_of_a_bright_square_lie_around_it():
    """By hand: a network that answers to brightness, a square at rows 2 to 5, columns 3 to 7."""
    net = nn.Sequential(
        nn.Conv2d(3, 1, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 2)
    ).eval()
    with torch.no_grad():
        (
            net[0].weight.fill_(1),
            net[0].bias.zero_(),
            net[4].weight.copy_(torch.tensor([[1.0], [-1.0]])),
        )
    x = torch.zeros(1, 3, 12, 10)
    x[:, :, 2:6, 3:8] = 1
    e = explain(net, x, [0, 1])
    assert e.boxes() == [[(3, 2, 8, 6)], []]


def test_clips_and_signals_have_no_boxes():
    for axes in (1, 3):
        with pytest.raises(ImageError, match=r"a map \[h, w\] to put boxes around"):
            explain(convnet(axes), batch(axes), 1).boxes()


def test_images_are_the_pixels_the_model_saw():
    seen = torch.rand(2, 3, 12, 10)
    preprocess = Preprocess(mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (preprocess.mean, preprocess.std))
    e = explain(convnet(), (seen - mean) / std, 1, preprocess=preprocess)
    assert_near(e.images, seen, 1e-5)
    assert e.statistics is e.preprocess
    loud = explain(convnet(), batch() * 1000, 1).images
    assert (float(loud.min()), float(loud.max())) == (0, 1)


def first(channels, axes=2):
    """The network with a first layer for another number of channels."""
    net = convnet(axes)
    torch.manual_seed(1)
    net[0] = type(net[0])(channels, 6, 3, padding=1)
    return net.eval()


def test_grey_inputs_are_shown_and_others_are_not():
    grey = torch.rand(2, 1, 12, 10)
    e = explain(first(1), grey * 2 - 1, 1)
    assert_near(e.images, grey, 1e-6)
    assert e.picture().size == (10, 12)
    five = explain(first(5), torch.randn(2, 5, 12, 10), 1)
    assert five.images is None
    assert five.picture().mode == "RGB"


@pytest.mark.parametrize("method", ["grad_cam", "gradient", "guided_grad_cam"])
@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_every_rank_and_number_of_channels_has_a_picture_and_a_sheet(
    axes, channels, method, tmp_path
):
    net = first(channels, axes)
    x = torch.randn(2, channels, *batch(axes).shape[2:])
    e = explain(net, x, [0, 1], method)
    assert e.picture(1, 1).mode == "RGB"
    assert min(e.sheet().size) > 1
    assert len(e.save(tmp_path)) == 6


def test_a_picture_shows_its_own_map():
    """Evidence in the left half only: there the picture is coloured, on the right faded alone."""
    e = explain(convnet(), batch(), [1, 0])
    maps = torch.zeros_like(e.maps)
    maps[1, 0, :, :5] = 1.0
    e = sightline.Explanation(**{**vars(e), "maps": maps, "inputs": torch.zeros_like(e.inputs)})
    painted, plain = np.asarray(e.picture(1, 0)), np.asarray(e.picture(1, 1))
    assert (painted[:, :5] != plain[:, :5]).any(-1).all()
    assert (painted[:, 5:] == plain[:, 5:]).all()
    assert e.photograph(1).size == (10, 12)


def test_a_clip_is_shown_by_its_middle_frame():
    e = explain(convnet(3), batch(3), 1)
    maps = torch.zeros_like(e.maps)
    maps[:, 3] = 1.0  # of six frames
    lit = sightline.Explanation(**{**vars(e), "maps": maps})
    dark = sightline.Explanation(**{**vars(e), "maps": 1 - maps})
    assert lit.picture().size == (7, 8)
    blank = sightline.Explanation(**{**vars(e), "maps": torch.zeros_like(maps)}).picture()
    assert np.asarray(lit.picture()).tolist() != np.asarray(blank).tolist()
    assert np.asarray(dark.picture()).tolist() == np.asarray(blank).tolist()


def test_an_image_that_is_no_number_can_still_be_shown_and_saved(tmp_path):
    x = batch()
    x[1] = float("nan")
    for method in ("grad_cam", "gradient"):
        e = explain(convnet(), x, 1, method)
        assert e.status[1].word == "non-finite"
        assert e.sheet().width > 0
        assert len(e.save(tmp_path / method)) == 5


def test_a_photograph_keeps_its_own_resolution(tmp_path):
    """The map is made at the model's size and laid over the file at its own."""
    noise = np.random.default_rng(0).integers(0, 256, (120, 90, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    e = explain(convnet(), tmp_path / "a.png", preprocess=Preprocess(resize=16, crop=(12, 10)))
    assert e.maps.shape == (1, 12, 10)
    assert min(e.picture().size) > 12
    assert e.photograph().size == e.picture().size


def test_a_notebook_gets_a_picture_of_at_most_eight_images():
    e = explain(convnet(), batch(b=11), 1)
    shown = Image.open(io.BytesIO(e._repr_png_()))
    assert shown.size == e[:8].sheet().size
    assert shown.size[1] < e.sheet().size[1]


def test_show_opens_the_sheet(monkeypatch, single):
    opened = []
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(Image.Image, "show", lambda picture: opened.append(picture.size))
    single.show()
    assert opened == [single.sheet().size]


def test_show_without_a_display_says_so_and_goes_on(monkeypatch, single):
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Image.Image, "show", lambda picture: pytest.fail("a viewer was started"))
    with pytest.warns(UserWarning, match=r"no display.*e\.save\('out/'\) writes it"):
        single.show()


@pytest.mark.parametrize("threshold", [1.5, -0.1, float("nan")])
def test_a_threshold_is_a_share(single, threshold):
    with pytest.raises(ImageError, match=r"from 0 to 1, a share of the map's maximum; got"):
        single.boxes(threshold)


def test_its_representation_says_what_it_is():
    net, x = convnet(), batch(b=5)
    assert (
        repr(explain(net, x, 2))
        == "Explanation(grad_cam_pp of 5 images: class 2, class 2, class 2, ...; layer '5', maps"
        " [5, 12, 10])"
    )
    e = explain(net, x[:1], [2, 0], "grad_cam", classes=["a", "b", "c", "d", "e"])
    assert repr(e) == "Explanation(grad_cam of 1 image: c, a; layer '5', maps [1, 2, 12, 10])"
    dead = explain(net, x[:2], lambda out: out[:, 0].detach())
    assert repr(dead).endswith(", 2 not ok: see .status)")
