"""The words: what flows along the path, with its axes.

`b` images, `c` channels or classes, `*s` any number of spatial axes: `l` of a signal, `h w` of an
image, `t h w` of a clip or a volume. The shapes are checked in the test run only; they cost nothing
in use.
"""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from jaxtyping import Float
from torch import Tensor

Images = Float[Tensor, "b c *s"]
"""What a model takes: `[b, 3, h, w]` for photographs."""

Outputs = Float[Tensor, "b c"]
"""What a classifier returns: one row of logits an image."""

Activations = Float[Tensor, "b c *s"]
"""A layer's feature maps, on the layer's own grid."""

Gradients = Float[Tensor, "b c *s"]
"""Derivatives of the score with respect to the activations."""

ClassGradients = Float[Tensor, "k b c *#s"]
"""The same for each of `k` classes; `[k, b, c, 1, ...]` where it is the same at all positions."""

Weights = Float[Tensor, "b c *#s"]
"""What a method returns: `[b, c, 1, ...]`, one weight a channel, or `[b, c, *s]`, one a place."""

Scores = Float[Tensor, " b"]
"""The number explained, one an image: a logit, as a rule."""

Map = Float[Tensor, "b *s"]
"""The explanation on the layer's grid, signed: evidence for (> 0) and against (< 0)."""

ImageMap = Float[Tensor, "b *s"]
"""The explanation on the input's grid, in [0, 1], its maximum 1 unless it is zero everywhere."""

Boxes = list[Tensor]
"""For each image of a batch its boxes `[n, 4]`: left, top, right, bottom in pixels, right and
bottom exclusive.

Of a signal they are `[n, 2]`, start and end; of a volume `[n, 6]`: left, top, front, right, bottom,
back. That is where a box begins along each axis, the last axis first, and then where it ends.
"""


@dataclass(frozen=True)
class Preprocess:
    """How a picture becomes a model's input: resize, centre crop, then `(RGB - mean) / std`.

    RGB is in [0, 1]. `resize` is the length of the short side in pixels, or `(height, width)` to
    which the picture is squeezed (None: keep); `crop` is `(height, width)` (None: keep). `assumed`
    names the fields that nobody said and nothing told: they are a guess. With `channels=1` pictures
    are made grey, with 4 the fourth channel that they have is kept.

    >>> Preprocess(resize=256, crop=(224, 224)).mean
    (0.485, 0.456, 0.406)
    """

    resize: int | tuple[int, int] | None = 256
    crop: tuple[int, int] | None = (224, 224)
    interpolation: Literal["nearest", "bilinear", "bicubic", "lanczos"] = "bilinear"
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    channels: int = field(default=3, repr=False)
    assumed: tuple[str, ...] = field(default=(), repr=False, compare=False)

    @property
    def size(self) -> tuple[int, int] | None:
        """The height and width that every picture gets; None where that depends on the picture.

        >>> Preprocess(resize=(40, 30), crop=None).size, Preprocess(crop=None).size
        ((40, 30), None)
        """
        return self.crop or (self.resize if isinstance(self.resize, tuple) else None)

    def as_dict(self) -> dict[str, Any]:
        """What is done, as plain lists, numbers and words; what of it is a guess is left out.

        >>> Preprocess(resize=None, crop=(32, 32)).as_dict()["crop"]
        [32, 32]
        """
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in vars(self).items()
            if name != "assumed" and (name, value) != ("channels", 3)
        }

    def taken_by(self, channels: int) -> "Preprocess":
        """The same for a model that takes so many channels, in pictures that are read from files.

        >>> Preprocess().taken_by(1).channels, Preprocess().taken_by(1).mean
        (1, (0.5,))
        """
        return replace(self.for_channels(channels), channels=channels)

    def fits(self, n: int, axes: int = 2) -> bool:
        """Whether mean and std are of inputs of n channels and so many axes of space.

        One number serves every channel. What is usual for photographs says nothing of a signal.

        >>> Preprocess().fits(3), Preprocess().fits(13), Preprocess().fits(3, axes=1)
        (True, False, False)
        """
        usual = (self.mean, self.std) == (Preprocess.mean, Preprocess.std)
        return {len(self.mean), len(self.std)} <= {1, n} and not (usual and axes == 1)

    def for_channels(self, n: int, axes: int = 2) -> "Preprocess":
        """The same for inputs of n channels, with mean 0 and std 1 where its own do not fit.

        A grey picture is `(pixels - 0.5) / 0.5` then.

        >>> (
        ...     Preprocess().for_channels(1).mean,
        ...     Preprocess(mean=(0.13,), std=(0.3,)).for_channels(1).mean,
        ... )
        ((0.5,), (0.13,))
        >>> Preprocess().for_channels(13).mean, Preprocess().for_channels(1, axes=3).std
        ((0.0,), (1.0,))
        """
        if self.fits(n, axes):
            return self
        grey = n == 1 and axes == 2
        return replace(self, mean=(0.5 if grey else 0.0,), std=(0.5 if grey else 1.0,))
