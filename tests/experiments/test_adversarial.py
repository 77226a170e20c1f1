"""The attack: it stays in its ball and reaches its class; noise of the same size; and the whole
program in small.
"""

import pytest
import torch
from adversarial import LIKENESS, TARGET, Found, attack, main, noise, within
from PIL import Image
from torch import nn

from helpers.data import shared

EPS = 8 / 255


def linear(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 6 * 6, 4))
    return net.requires_grad_(False)


def test_the_nearest_image_within_the_ball():
    pixels = torch.tensor([0.0, 0.5, 1.0, 0.5]).view(1, 1, 2, 2).expand(1, 3, 2, 2)
    moved = torch.tensor([-0.2, 0.9, 1.2, 0.51]).view(1, 1, 2, 2).expand(1, 3, 2, 2)
    assert within(moved, pixels, 0.1)[0, 0].flatten().tolist() == pytest.approx(
        [0.0, 0.6, 1.0, 0.51]
    )


def test_the_attack_stays_in_its_ball_and_makes_the_class_surer():
    net, pixels, classes = linear(), torch.rand(5, 3, 6, 6), torch.tensor([0, 1, 2, 3, 0])
    before = net(pixels).softmax(1).gather(1, classes[:, None])
    moved = attack(net, pixels, classes, eps=EPS, steps=10)
    after = net(moved).softmax(1).gather(1, classes[:, None])
    assert float((moved - pixels).abs().max()) <= EPS + 1e-6
    assert moved.min() >= 0
    assert moved.max() <= 1
    assert (after > before).all()
    assert not moved.requires_grad


def test_one_step_on_a_linear_model_is_the_sign_of_its_slope():
    net, pixels, classes = linear(), torch.full((1, 3, 6, 6), 0.5), torch.tensor([2])
    asked = pixels.clone().requires_grad_()
    net(asked).log_softmax(1)[0, 2].backward()
    moved = attack(net, pixels, classes, eps=EPS, step=0.01, steps=1)
    torch.testing.assert_close(moved, pixels + 0.01 * asked.grad.sign())


def test_an_image_that_is_sure_already_is_left_alone():
    net, pixels = linear(), torch.rand(3, 3, 6, 6)
    classes = net(pixels).argmax(1)
    sure = net(pixels).softmax(1).amax(1)
    enough = float(sure.sort().values[1])
    moved = attack(net, pixels, classes, steps=3, enough=enough)
    still = (moved == pixels).flatten(1).all(1)
    assert still[sure.argmax()]
    assert not still[sure.argmin()]


def test_noise_moves_every_pixel_by_the_same():
    pixels = torch.full((2, 3, 6, 6), 0.5)
    moved = noise(pixels, EPS, seed=1)
    torch.testing.assert_close((moved - pixels).abs(), torch.full_like(pixels, EPS))
    assert 0 < int((moved > pixels).sum()) < pixels.numel()
    assert torch.equal(moved, noise(pixels, EPS, seed=1))
    assert not torch.equal(moved, noise(pixels, EPS, seed=2))


def test_equal_maps_are_alike_and_other_images_are_the_next_ones():
    maps = torch.rand(4, 8, 8, generator=torch.Generator().manual_seed(0))
    found = Found(maps={("m", "clean"): [maps[:3], maps[3:]], ("m", "attacked"): [maps]})
    for how in LIKENESS:
        torch.testing.assert_close(
            found.alike("m", "attacked", how), torch.ones(4, dtype=torch.float64)
        )
        assert float(found.alike("m", "other", how).max()) < 0.5
    assert found.more("m", "other", "IoU").startswith("+0.")


@pytest.mark.slow
def test_the_program_in_small(tmp_path):
    shared("dog-and-cat", "both.png")
    shared("imagenet-weights", "squeezenet1_1.safetensors")
    shared("imagenet-samples", "labels.csv")
    place = tmp_path / "page.md"
    asked = [
        "--limit",
        "3",
        "--steps",
        "2",
        "--eps",
        "4",
        "--network",
        "SqueezeNet 1.1",
        "--page",
        str(place),
    ]
    text = main([*asked, "--out", str(tmp_path)]).read_text(encoding="utf-8")
    assert "## SqueezeNet 1.1, at most 4/255: 3 images" in text
    assert text.count("| Grad-CAM++ |") == 6
    with Image.open(tmp_path / "page.jpg") as picture:
        assert picture.width > 600
    assert TARGET == 404
