"""The explanation map."""

import pytest
import torch

from helpers.closeness import assert_near
from sightline.errors import ImageError
from sightline.maps.mask import explanation_map


@pytest.mark.parametrize("grid", [(7,), (4, 5), (2, 3, 4)], ids=str)
@pytest.mark.parametrize(
    "fill", [0.0, -1.5, torch.tensor([0.5, -2.0, 3.0])], ids=["none", "number", "channels"]
)
def test_place_by_place(grid, fill):
    torch.manual_seed(0)
    images, shown = (
        torch.randn(2, 3, *grid, dtype=torch.float64),
        torch.rand(2, *grid, dtype=torch.float64),
    )
    want = torch.zeros_like(images)
    for b in range(2):
        for k in range(3):
            hidden = fill if isinstance(fill, float) else float(fill[k])
            want[b, k] = images[b, k] * shown[b] + hidden * (1 - shown[b])
    assert_near(explanation_map(images, shown, fill=fill), want, 1e-12)


def test_without_a_fill_it_is_the_papers_product():
    torch.manual_seed(0)
    images, shown = torch.randn(2, 3, 4, 5), torch.rand(2, 4, 5)
    assert torch.equal(explanation_map(images, shown), images * shown[:, None])


def test_all_is_the_image_and_nothing_is_the_fill_to_the_bit():
    images = torch.randn(1, 3, 4, 5)
    assert torch.equal(explanation_map(images, torch.ones(1, 4, 5), fill=7.0), images)
    assert torch.equal(
        explanation_map(images, torch.zeros(1, 4, 5), fill=7.0), torch.full_like(images, 7.0)
    )


def test_raw_and_normalised_agree_when_the_fill_is_black_in_both():
    torch.manual_seed(0)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    raw, shown = torch.rand(2, 3, 4, 5), torch.rand(2, 4, 5)
    norm = lambda images: (images - mean[:, None, None]) / std[:, None, None]  # noqa: E731
    assert_near(
        explanation_map(norm(raw), shown, fill=-mean / std), norm(explanation_map(raw, shown)), 1e-6
    )
    apart = explanation_map(norm(raw), shown) - norm(explanation_map(raw, shown))
    assert apart.abs().max() > 0.5, "without it they do not"


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_the_models_dtype_stays(dtype):
    images = torch.full((1, 3, 2), 1 / 3, dtype=dtype)
    got = explanation_map(images, torch.full((1, 2), 1 / 3), fill=torch.ones(3))
    assert got.dtype == dtype
    assert got.flatten()[0].item() == pytest.approx(
        1 / 9 + 2 / 3, rel=torch.finfo(dtype).eps + 1e-7
    )


def test_it_can_be_differentiated():
    images, shown = torch.rand(1, 3, 4, requires_grad=True), torch.rand(1, 4, requires_grad=True)
    explanation_map(images, shown, fill=0.5).sum().backward()
    assert_near(shown.grad, (images.detach() - 0.5).sum(1), 1e-6)
    assert_near(images.grad, shown.detach().expand(1, 3, 4), 1e-6)


@pytest.mark.parametrize("shape", [(2,), (3, 1), (1, 3, 8, 8)])
def test_a_fill_that_is_neither_a_number_nor_one_a_channel_is_refused(shape):
    with pytest.raises(
        ImageError, match=r"each of the 3 channels as fill; came a tensor of shape .*a tensor \[3\]"
    ):
        explanation_map(torch.ones(1, 3, 8, 8), torch.ones(1, 8, 8), fill=torch.ones(shape))
