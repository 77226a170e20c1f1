"""Deletion and insertion: an image that changes into another one, the strongest pixels first."""

from collections.abc import Iterator

import torch

from sightline.errors import ImageError
from sightline.maps.order import Order
from sightline.types import Images


def deletion_steps(
    images: Images, substrate: Images, order: Order, n_steps: int
) -> Iterator[Images]:
    """The images on their way to the substrate, pixels giving way in order (RISE's deletion).

    `images` and `substrate` `[b, c, *s]`, `order` `[b, n]` from `rank`. Yields n_steps + 1 tensors
    like the images: step k has the first round(k n / n_steps) pixels replaced (a half up; all
    channels of a pixel together), step 0 is the images and the last is the substrate. Each tensor
    is the receiver's own; one working copy is kept meanwhile.

    >>> images, substrate = torch.tensor([[[1.0, 2.0, 3.0, 4.0]]]), torch.zeros(1, 1, 4)
    >>> order = torch.tensor([[3, 1, 2, 0]])
    >>> [step.flatten().tolist() for step in deletion_steps(images, substrate, order, 2)]
    [[1.0, 2.0, 3.0, 4.0], [1.0, 0.0, 3.0, 0.0], [0.0, 0.0, 0.0, 0.0]]
    """
    if n_steps < 1:
        raise ImageError(
            f"Expected at least one step from the first image to the last; got {n_steps}."
        )
    if images.shape != substrate.shape or order.shape != (images.shape[0], images[0, 0].numel()):
        raise ImageError(
            f"Expected a substrate like the images {list(images.shape)} and an order of their "
            f"{images[0, 0].numel()} pixels; came {list(substrate.shape)} and {list(order.shape)}."
        )
    return _steps(images, substrate, order, n_steps)


def insertion_steps(
    images: Images, substrate: Images, order: Order, n_steps: int
) -> Iterator[Images]:
    """The substrate on its way to the images, pixels entering in order (RISE's insertion).

    Deletion with the roles swapped: n_steps + 1 tensors from the substrate to the images.

    >>> images, substrate = torch.tensor([[[1.0, 2.0, 3.0, 4.0]]]), torch.zeros(1, 1, 4)
    >>> order = torch.tensor([[3, 1, 2, 0]])
    >>> [step.flatten().tolist() for step in insertion_steps(images, substrate, order, 2)]
    [[0.0, 0.0, 0.0, 0.0], [0.0, 2.0, 0.0, 4.0], [1.0, 2.0, 3.0, 4.0]]
    """
    return deletion_steps(substrate, images, order, n_steps)


def _steps(start: Images, finish: Images, order: Order, n_steps: int) -> Iterator[Images]:
    now = start.clone(memory_format=torch.contiguous_format)
    pixels, others = (
        now.flatten(2),
        finish.flatten(2),
    )  # the first a view: what is written there is in `now`
    n, done = order.shape[1], 0
    for k in range(n_steps + 1):
        until = (2 * k * n + n_steps) // (2 * n_steps)
        places = order[:, done:until].unsqueeze(1).expand(-1, start.shape[1], -1)
        pixels.scatter_(2, places, others.gather(2, places))
        done = until
        yield now.clone()
