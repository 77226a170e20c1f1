"""Images seen through masks: against the same written out, for every order of the axes."""

import pytest
import torch

from sightline.maps.seen_through import channel_axis, seen_through


def drawn(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("size", [(5,), (4, 5), (3, 4, 5)])
def test_each_channel_is_multiplied_by_its_images_mask(size):
    images, masks = drawn(2, 3, *size), drawn(2, *size, seed=1)
    fill = drawn(2, 3, *size, seed=2)
    found, filled = seen_through(images, masks), seen_through(images, masks, fill)
    for i in range(2):
        for c in range(3):
            assert torch.equal(found[i, c], images[i, c] * masks[i])
            want = images[i, c] * masks[i] + fill[i, c] * (1 - masks[i])
            assert torch.equal(filled[i, c], want)


def test_many_masks_give_as_many_versions():
    images, masks = drawn(2, 3, 4, 5), drawn(7, 2, 4, 5, seed=1)
    versions = seen_through(images, masks)
    assert versions.shape == (7, 2, 3, 4, 5)
    for m in range(7):
        assert torch.equal(versions[m], seen_through(images, masks[m]))


def test_the_channels_may_stand_behind_the_time():
    clips, masks = drawn(2, 8, 3, 4, 5), drawn(2, 8, 4, 5, seed=1)
    found = seen_through(clips, masks, channel_axis=2)
    assert torch.equal(found.movedim(2, 1), seen_through(clips.movedim(2, 1), masks))


def test_where_the_mask_is_one_or_zero_image_and_fill_are_kept_to_the_bit():
    images, fill = drawn(1, 3, 2, 2), torch.tensor(-1.7)
    assert torch.equal(seen_through(images, torch.ones(1, 2, 2), fill), images)
    hidden = seen_through(images, torch.zeros(1, 2, 2), fill)
    assert torch.equal(hidden, fill.double().expand_as(images))


def test_masks_take_the_images_dtype():
    images = drawn(1, 3, 2, 2).half()
    assert seen_through(images, drawn(5, 1, 2, 2), torch.ones_like(images)).dtype == torch.float16


@pytest.mark.parametrize(
    ("shape", "size", "axis"),
    [
        ((2, 3, 12, 10), (12, 10), 1),
        ((2, 8, 3, 32, 32), (8, 32, 32), 2),
        ((2, 3, 8, 32, 32), (8, 32, 32), 1),
        ((2, 12, 10, 3), (12, 10), 3),
        ((2, 3, 24), (24,), 1),
        ((2, 3, 12, 10), (10, 12), None),
        ((2, 3), (5, 5), None),
    ],
)
def test_the_channels_axis_is_what_the_masks_leave_out(shape, size, axis):
    assert channel_axis(torch.zeros(shape), size) == axis
