"""Deletion and insertion: an image that changes into another one, the strongest pixels first."""

from collections.abc import Iterator

import torch

from sightline.errors import ImageError
from sightline.perturb.order import Order
from sightline.types import Images


def deletion(images: Images, substrate: Images, order: Order, n_steps: int) -> Iterator[Images]:
    """The images on their way to the substrate: their pixels give way in the given order (RISE's deletion game).

    `images` and `substrate` `[b, c, *s]`, `order` `[b, n]` from `rank`. In step k the first round(k n / n_steps) pixels
    are the substrate's (a half up; all channels of a pixel together). Step 0 is the images and step n_steps the
    substrate: both are at hand, so only the n_steps - 1 between are yielded, each the receiver's own tensor. One step
    and one working copy are in memory at a time.

    >>> images, substrate = torch.tensor([[[1.0, 2.0, 3.0, 4.0]]]), torch.zeros(1, 1, 4)
    >>> [step.flatten().tolist() for step in deletion(images, substrate, torch.tensor([[3, 1, 2, 0]]), 4)]
    [[1.0, 2.0, 3.0, 0.0], [1.0, 0.0, 3.0, 0.0], [1.0, 0.0, 0.0, 0.0]]
    """
    if n_steps < 1:
        raise ImageError(f"Expected at least one step from the first image to the last; got {n_steps}.")
    if images.shape != substrate.shape or order.shape != (images.shape[0], images[0, 0].numel()):
        raise ImageError(
            f"Expected a substrate like the images {list(images.shape)} and an order of their "
            f"{images[0, 0].numel()} pixels; came {list(substrate.shape)} and {list(order.shape)}."
        )
    return _between(images, substrate, order, n_steps)


def insertion(images: Images, substrate: Images, order: Order, n_steps: int) -> Iterator[Images]:
    """The substrate on its way to the images: their pixels enter it in the given order (RISE's insertion game).

    Deletion with the roles swapped: step 0, the substrate, and the last, the images, are not yielded either.

    >>> images, substrate = torch.tensor([[[1.0, 2.0, 3.0, 4.0]]]), torch.zeros(1, 1, 4)
    >>> [step.flatten().tolist() for step in insertion(images, substrate, torch.tensor([[3, 1, 2, 0]]), 4)]
    [[0.0, 0.0, 0.0, 4.0], [0.0, 2.0, 0.0, 4.0], [0.0, 2.0, 3.0, 4.0]]
    """
    return deletion(substrate, images, order, n_steps)


def _between(start: Images, finish: Images, order: Order, n_steps: int) -> Iterator[Images]:
    now = start.clone(memory_format=torch.contiguous_format)
    pixels, others = now.flatten(2), finish.flatten(2)  # the first a view: what is written there is in `now`
    n, done = order.shape[1], 0
    for k in range(1, n_steps):
        until = (2 * k * n + n_steps) // (2 * n_steps)
        places = order[:, done:until].unsqueeze(1).expand(-1, start.shape[1], -1)
        pixels.scatter_(2, places, others.gather(2, places))
        done = until
        yield now.clone()
