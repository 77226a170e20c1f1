"""ROAD's imputation: by hand, against a dense system, its ends and its noise."""

import pytest
import torch

from reference.impute import impute as slowly
from sightline.errors import ImageError
from sightline.maps import impute, rank
from sightline.maps.order import first_mask


def generators(*seeds):
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def test_one_pixel_in_the_middle_by_hand():
    """Four beside it at 1/6, four across at 1/12: (1 x 4/6 + 7 x 4/12) = 3."""
    images = torch.full((1, 1, 3, 3), 7.0)
    images[0, 0, [0, 1, 1, 2], [1, 0, 2, 1]] = 1
    images[0, 0, 1, 1] = 1e9
    removed = torch.zeros(1, 3, 3, dtype=torch.bool)
    removed[0, 1, 1] = True
    assert impute(images, removed)[0, 0, 1, 1].item() == pytest.approx(3)


def test_a_corner_is_renormalised():
    """Two beside it at 1/6 and one across at 1/12: (1 x 2/6 + 6 x 1/12) / (5/12) = 2."""
    images = torch.tensor([[[[9.0, 1.0], [1.0, 6.0]]]])
    removed = torch.tensor([[[True, False], [False, False]]])
    assert impute(images, removed)[0, 0, 0, 0].item() == pytest.approx(2)


def test_removed_neighbours_are_solved_for_together():
    """Along a line the weights are equal: between 1 and 5 are 2, 3, 4; past the end it stays."""
    images = torch.tensor([[[[1.0, 0, 0, 0, 5.0, 0, 0]]]])
    removed = torch.tensor([[[False, True, True, True, False, True, True]]])
    torch.testing.assert_close(
        impute(images, removed).flatten(), torch.tensor([1.0, 2, 3, 4, 5, 5, 5])
    )


@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.98])
def test_slow_twin(share):
    torch.manual_seed(0)
    images = torch.randn(3, 2, 7, 9, dtype=torch.float64)
    smooth = torch.nn.functional.interpolate(
        torch.rand(3, 1, 3, 3), (7, 9), mode="bilinear"
    ).squeeze(1)
    for image_map in (torch.rand(3, 7, 9), smooth):
        removed = first_mask(rank(image_map), round(share * 63), (7, 9))
        torch.testing.assert_close(
            impute(images, removed), slowly(images, removed), rtol=0, atol=1e-9
        )


def test_what_is_known_stays_to_the_bit_and_what_is_removed_does_not_matter():
    torch.manual_seed(0)
    images, removed = torch.randn(2, 3, 8, 8), torch.rand(2, 8, 8) < 0.5
    got = impute(images, removed, 0.1, generators(1, 2))
    known = (~removed).unsqueeze(1).expand_as(images)
    assert torch.equal(got[known], images[known])
    other = torch.where(removed.unsqueeze(1), torch.randn_like(images), images)
    assert torch.equal(impute(other, removed, 0.1, generators(1, 2)), got)


def test_it_stays_between_the_known_pixels():
    torch.manual_seed(0)
    images, removed = torch.rand(2, 3, 20, 20), torch.rand(2, 20, 20) < 0.8
    got, known = impute(images, removed), images.masked_fill(removed.unsqueeze(1), torch.nan)
    least = known.nan_to_num(torch.inf).amin((2, 3), keepdim=True)
    most = known.nan_to_num(-torch.inf).amax((2, 3), keepdim=True)
    assert ((got >= least - 1e-6) & (got <= most + 1e-6)).all()


def test_a_slope_goes_on_through_a_hole():
    """A plane is its own mean over the neighbours, inside."""
    rows, columns = torch.meshgrid(torch.arange(12.0), torch.arange(12.0), indexing="ij")
    plane = (2 * rows - 3 * columns).view(1, 1, 12, 12)
    removed = torch.zeros(1, 12, 12, dtype=torch.bool)
    removed[0, 3:9, 2:10] = True
    torch.testing.assert_close(impute(plane, removed), plane, rtol=0, atol=1e-4)


def test_everything_removed_leaves_the_mean_colour_and_nothing_removed_the_image():
    torch.manual_seed(0)
    images = torch.rand(2, 3, 4, 4)
    removed = torch.stack([torch.ones(4, 4), torch.zeros(4, 4)]).bool()
    got = impute(images, removed)
    torch.testing.assert_close(got[0], images[0].mean((1, 2), keepdim=True).expand(3, 4, 4))
    assert torch.equal(got[1], images[1])


def test_noise_has_its_size_only_where_pixels_were_removed():
    images = torch.zeros(1, 3, 100, 100)
    removed = torch.zeros(1, 100, 100, dtype=torch.bool)
    removed[:, :50] = True
    got = impute(images, removed, 0.1, generators(0))
    assert got[:, :, :50].std().item() == pytest.approx(0.1, rel=0.02)
    assert abs(got[:, :, :50].mean().item()) < 0.003
    assert not got[:, :, 50:].any()


def test_an_image_is_imputed_the_same_in_any_batch():
    torch.manual_seed(0)
    images, removed = torch.rand(3, 3, 9, 8), torch.rand(3, 9, 8) < 0.6
    together = impute(images, removed, 0.1, generators(5, 6, 7))
    alone = [
        impute(images[k : k + 1], removed[k : k + 1], 0.1, generators(5 + k)) for k in range(3)
    ]
    assert torch.equal(together, torch.cat(alone))


def test_the_same_noise_whatever_is_removed():
    """So that two percentages, or two methods, differ by what they remove."""
    images = torch.zeros(1, 1, 6, 6)
    some, more = torch.zeros(2, 1, 6, 6, dtype=torch.bool)
    some[:, :2], more[:, :4] = True, True
    one, other = (impute(images, removed, 1.0, generators(3)) for removed in (some, more))
    torch.testing.assert_close(one[:, :, :2], other[:, :, :2])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_the_images_dtype_stays(dtype):
    images = torch.rand(1, 3, 5, 5).to(dtype)
    got = impute(images, torch.rand(1, 5, 5) < 0.5, 0.01, generators(0))
    assert got.dtype == dtype
    assert got.isfinite().all()


def test_noise_without_generators_is_refused():
    with pytest.raises(
        ImageError, match="Expected generators for the noise, one for each image; came none"
    ):
        impute(torch.rand(1, 3, 4, 4), torch.ones(1, 4, 4).bool(), 0.1)
    with pytest.raises(ImageError, match=r"one generator for each of the 2 images.*came 1"):
        impute(torch.rand(2, 3, 4, 4), torch.ones(2, 4, 4).bool(), 0.1, generators(0))


def test_a_signal_is_imputed_along_its_axis():
    """Two neighbours of equal weight: between 1 and 5 a straight line, past the end it stays."""
    images = torch.tensor([[[1.0, 0, 0, 0, 5.0, 0, 0], [4.0, 9, 9, 9, 0.0, 9, 9]]])
    removed = torch.tensor([[False, True, True, True, False, True, True]])
    want = torch.tensor([[[1.0, 2, 3, 4, 5, 5, 5], [4.0, 3, 2, 1, 0, 0, 0]]])
    torch.testing.assert_close(impute(images, removed), want)


def test_the_middle_of_a_volume_by_hand():
    """Six places beside it at 1/14, twelve at 1/28, eight at 1/56: 6/14, 6/14 and 2/14."""
    images = torch.full((1, 1, 3, 3, 3), 14.0)
    away = sum((torch.arange(3) - 1).abs().view(-1, *[1] * k) for k in range(3))
    for steps, value in ((1, 0.0), (2, 7.0)):
        images[0, 0][away == steps] = value
    assert impute(images, (away == 0)[None])[0, 0, 1, 1, 1].item() == pytest.approx(3 + 2)


@pytest.mark.parametrize("share", [0.1, 0.6, 0.95])
@pytest.mark.parametrize("size", [(40,), (4, 5, 3), (2, 3, 2, 4)])
def test_slow_twin_along_any_number_of_axes(size, share):
    torch.manual_seed(0)
    images = torch.randn(2, 3, *size, dtype=torch.float64)
    maps = torch.rand(2, *size)
    removed = first_mask(rank(maps), round(share * maps[0].numel()), size)
    torch.testing.assert_close(impute(images, removed), slowly(images, removed), rtol=0, atol=1e-9)


def test_a_channel_of_a_volume_that_is_not_finite_leaves_the_others():
    torch.manual_seed(0)
    images, removed = torch.randn(1, 3, 4, 4, 4), torch.rand(1, 4, 4, 4) < 0.5
    images[0, 1], images[0, 2] = torch.nan, 0
    got = impute(images, removed)[0]
    torch.testing.assert_close(got[:1], impute(images[:, :1], removed)[0])
    assert got[1].isnan().all()
    assert (got[2] == 0).all()
