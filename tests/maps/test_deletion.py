"""Deletion and insertion steps: counts, ends, memory, and the slow twin."""

import pytest
import torch

from reference.deletion_steps import deletion_steps as slowly
from sightline.errors import ImageError
from sightline.maps import deletion_steps, insertion_steps, rank


def material():
    torch.manual_seed(0)
    images, substrate = torch.randn(2, 3, 4, 5), torch.randn(2, 3, 4, 5)
    return images, substrate, rank(torch.rand(2, 4, 5))


@pytest.mark.parametrize("n_steps", [1, 3, 7, 20, 28, 60])
def test_slow_twin(n_steps):
    images, substrate, order = material()
    got, want = (
        list(deletion_steps(images, substrate, order, n_steps)),
        slowly(images, substrate, order, n_steps),
    )
    assert len(got) == n_steps + 1
    assert all(torch.equal(one, other) for one, other in zip(got, want, strict=True))


def test_from_end_to_end():
    images, substrate, order = material()
    *_, last = deletion_steps(images, substrate, order, 7)
    assert torch.equal(next(deletion_steps(images, substrate, order, 7)), images)
    assert torch.equal(last, substrate)


def test_insertion_is_deletion_with_the_roles_swapped():
    images, substrate, order = material()
    swapped = deletion_steps(substrate, images, order, 6)
    assert all(
        torch.equal(a, b)
        for a, b in zip(insertion_steps(images, substrate, order, 6), swapped, strict=True)
    )


def test_a_pixel_is_from_the_one_or_from_the_other():
    images, substrate, order = material()
    both = zip(
        deletion_steps(images, substrate, order, 9),
        insertion_steps(images, substrate, order, 9),
        strict=True,
    )
    for gone, come in both:
        torch.testing.assert_close(gone + come, images + substrate)


def test_rises_steps():
    """224 steps of a 224 x 224 image: 224 pixels each."""
    order = rank(torch.rand(1, 224, 224))
    steps = deletion_steps(torch.ones(1, 1, 224, 224), torch.zeros(1, 1, 224, 224), order, 224)
    assert [int(step.sum()) for step in steps] == [224 * 224 - 224 * k for k in range(225)]


@pytest.mark.parametrize("layout", ["channels last", "turned", "one colour"])
def test_memory_in_any_layout(layout):
    images, substrate, order = material()
    if layout == "channels last":
        images, substrate = (x.to(memory_format=torch.channels_last) for x in (images, substrate))
    elif layout == "turned":
        images, substrate = (
            x.transpose(2, 3).contiguous().transpose(2, 3) for x in (images, substrate)
        )
    else:
        substrate = torch.tensor([0.1, 0.2, 0.3]).view(1, 3, 1, 1).expand_as(images)
    for got, want in (
        (deletion_steps(images, substrate, order, 5), slowly(images, substrate, order, 5)),
        (insertion_steps(images, substrate, order, 5), slowly(substrate.clone(), images, order, 5)),
    ):
        assert all(torch.equal(one, other) for one, other in zip(got, want, strict=True))


def test_each_step_is_its_receivers_own():
    images, substrate, order = material()
    before = images.clone(), substrate.clone()
    want = list(deletion_steps(images, substrate, order, 4))
    for got, step in zip(deletion_steps(images, substrate, order, 4), want, strict=True):
        assert torch.equal(got, step)
        got.zero_()
    assert torch.equal(images, before[0])
    assert torch.equal(substrate, before[1])


def test_no_step_is_refused():
    images, substrate, order = material()
    with pytest.raises(ImageError, match=r"at least one step .* got 0"):
        deletion_steps(images, substrate, order, 0)


def test_another_image_size_is_refused():
    images, substrate, order = material()
    with pytest.raises(
        ImageError, match=r"an order of their 20 pixels; came \[2, 3, 4, 5\] and \[2, 19\]"
    ):
        deletion_steps(images, substrate, order[:, 1:], 4)
