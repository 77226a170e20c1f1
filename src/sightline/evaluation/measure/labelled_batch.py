"""A batch as the measurements need it: what the model is shown, and what is known to be there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor


def no_boxes() -> Tensor:
    """The boxes `[0, 4]` of what is not there."""
    return torch.zeros(0, 4, dtype=torch.float32, device="cpu")


@dataclass(frozen=True, eq=False)
class LabelledBatch:
    """`b` images ready for the model, and the truth about them where it is known.

    `inputs` are `[b, c, *s]`.

    `items` are the images' numbers in the data set: what is random draws from them, so that a
    number does not depend on the batch an image happened to be in. `labels` are given class
    numbers; `boxes` and `masks` hold for each image the boxes `[n, 4]` and the mask `[h, w]` of
    each class, in pixels of the view. An image that is not `annotated` says nothing about what is
    *not* there.
    """

    inputs: Tensor
    items: Sequence[int]
    labels: Sequence[int | None]
    boxes: Sequence[Mapping[int, Tensor]] = ()
    masks: Sequence[Mapping[int, Tensor]] = ()
    annotated: Sequence[bool] = field(default=())

    def __len__(self) -> int:
        return len(self.inputs)

    def boxes_of(self, image: int, number: int | None) -> Tensor | None:
        """The boxes of a class in an image, `[0, 4]` where it is not.

        None where nobody looked.
        """
        if number is None or not (self.annotated and self.annotated[image]):
            return None
        return self.boxes[image].get(number, no_boxes())

    def mask_of(self, image: int, number: int | None) -> Tensor | None:
        """The mask of a class in an image, None where it is not known."""
        return None if number is None or not self.masks else self.masks[image].get(number)

    def generators(self, seed: int, purpose: str) -> list[torch.Generator]:
        """A generator of random numbers for each image, the same whatever the batch.

        Each purpose has its own.
        """
        salt = sum(ord(letter) << (7 * (k % 4)) for k, letter in enumerate(purpose))
        return [
            torch.Generator("cpu").manual_seed((seed * 1_000_003 + item) * 8191 + salt)
            for item in self.items
        ]
