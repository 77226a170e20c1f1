"""A detector resizes and pads inside; its map lands on the picture's own pixels all the same."""

import pytest
import torch
from torch import nn
from torchvision.models.detection.transform import GeneralizedRCNNTransform

from helpers.nets import assert_same, photograph
from sightline import explain
from sightline.surgery import capture
from sightline.surgery.harness.given import Given
from sightline.surgery.harness.input_frame import framed
from sightline.surgery.layers.candidates import candidates


class Sees(nn.Module):
    """A detector's way in, and a layer behind it that holds how bright each place is."""

    def __init__(self, **transform):
        super().__init__()
        sizes = {
            "min_size": 64,
            "max_size": 200,
            "image_mean": [0.0] * 3,
            "image_std": [1.0] * 3,
        } | transform
        self.transform = GeneralizedRCNNTransform(**sizes)
        self.see = nn.AvgPool2d(4)

    def forward(self, images):
        listed, _ = self.transform(list(images))
        self.inner = tuple(listed.tensors.shape)
        return self.see(listed.tensors).flatten(1).sum(1, keepdim=True)


class Wraps(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, images):
        return self.model(images)


SIZES = [(90, 150), (150, 90), (64, 128), (33, 47), (200, 60)]


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize(
    "transform",
    [{}, {"size_divisible": 1, "fixed_size": (60, 60)}, {"min_size": (32, 48)}],
    ids=str,
)
def test_the_frame_is_what_the_layers_really_get(size, transform):
    model = Sees(**transform).eval()
    frame = framed(model, (2, 3, *size))
    model(torch.rand(2, 3, *size))
    assert frame.images == model.inner
    seen, _ = model.transform([torch.rand(3, *size)])
    inner = seen.image_sizes[0]
    assert frame.shares == tuple(i / p for i, p in zip(inner, model.inner[2:], strict=True))
    assert framed(Wraps(model), (2, 3, *size)) == frame


def test_a_model_without_a_transform_sees_the_picture():
    assert framed(nn.ReLU(), (2, 3, 5, 6)).shares is None
    other = nn.Sequential()
    other.transform = nn.Identity()
    assert framed(other, (2, 3, 5, 6)).shares is None


def painted(size, at):
    picture = torch.zeros(1, 3, *size)
    top, left = at
    picture[:, :, top : top + 12, left : left + 12] = 1
    return picture


def centre(image_map):
    h, w = image_map.shape
    rows = (image_map.sum(1) * (torch.arange(h) + 0.5)).sum() / image_map.sum()
    columns = (image_map.sum(0) * (torch.arange(w) + 0.5)).sum() / image_map.sum()
    return torch.stack([rows, columns])


@pytest.mark.parametrize(
    ("size", "transform"),
    [
        ((90, 150), {}),
        ((150, 90), {}),
        ((200, 60), {}),
        ((90, 150), {"size_divisible": 1, "fixed_size": (60, 60)}),
    ],
    ids=str,
)
@pytest.mark.parametrize("corner", ["left top", "right bottom", "middle"])
def test_a_painted_square_is_found_where_it_was_painted(size, transform, corner):
    h, w = size
    at = {"left top": (12, 12), "right bottom": (h - 24, w - 24), "middle": (h // 2, w // 2)}[
        corner
    ]
    model, picture = Sees(**transform), painted(size, at)
    e = explain(model, picture, target=1, method="grad_cam", layer="see")
    frame = framed(model.eval(), tuple(picture.shape))
    place = torch.tensor(
        [
            4 * s / (share * inner)
            for s, share, inner in zip(size, frame.shares, frame.images[2:], strict=True)
        ]
    )
    apart = (centre(e.maps[0]) - torch.tensor(at) - 6).abs()
    assert bool((apart <= 0.5 * place).all()), (
        f"{apart.tolist()} pixels, a place has {place.tolist()}"
    )
    peak = divmod(int(e.maps[0].argmax()), w)
    assert all(a <= p < a + 12 for a, p in zip(at, peak, strict=True))


def test_without_the_shares_it_would_be_missed():
    from sightline.maps.upsample import image_map

    picture = painted((90, 150), (66, 126))
    e = explain(Sees(), picture, target=1, method="grad_cam", layer="see")
    whole = image_map(e.coarse, (90, 150))
    assert float(centre(e.maps[0])[1]) == pytest.approx(132, abs=3)
    assert float(centre(whole[0])[1]) == pytest.approx(
        132 * 106 / 128, abs=3
    )  # 106 columns, padded to 128


def test_evidence_in_the_padding_is_cut_off_before_the_maximum_is_taken():
    model = Sees(image_mean=[-1.0] * 3)
    model.see = nn.Sequential(nn.Conv2d(3, 1, 4, stride=4), nn.ReLU())
    with torch.no_grad():
        model.see[0].weight.fill_(-1 / 48)
        model.see[0].bias.fill_(
            2.0
        )  # the padding, which is 0 behind the normalisation, is brightest
    e = explain(model, torch.rand(1, 3, 90, 150), target=1, method="grad_cam", layer="see")
    assert e.coarse[0, :, -1].min() == e.coarse.max() == 2
    assert e.maps.max() == 1
    assert e.maps[0, :, 100:].mean() < 0.99


def test_the_shares_and_the_grid_stand_in_the_trace_and_the_model_stays_as_it_was():
    model, picture = Sees().train(), torch.rand(2, 3, 90, 150)
    before = photograph(model)
    trace = capture(model, picture, "see")
    assert_same(before, photograph(model))
    assert trace.cuts[0].shares == (1.0, 106 / 128)
    assert trace.activations.shape == (2, 3, 16, 32)
    assert trace.cuts[0].grid.certain
    rows, _ = candidates(Given.of(model, picture))
    assert [row.grid.certain for row in rows if row.name == "see"] == [True]
