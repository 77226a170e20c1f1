"""Images seen through masks: the one place where a map and a picture are multiplied (eq. 25)."""

from collections.abc import Sequence

from torch import Tensor


def seen_through(
    images: Tensor, masks: Tensor, fill: Tensor | None = None, channel_axis: int = 1
) -> Tensor:
    r"""The images where the masks reach, the fill elsewhere (eq. 25).

    $$E = L \circ I + (1 - L) \circ \mathrm{fill}$$

    `images` `[b, c, *s]` (or `[b, *, c, *]`, with the channels at `channel_axis`), `masks`
    `[..., b, *s]` in [0, 1] on the same grid, the same for every channel; `fill` is anything that
    broadcasts with the images, None for zero, where nothing is added. Returns `[..., b, c, *s]` in
    the images' dtype.

    >>> import torch
    >>> image, masks = torch.tensor([[[2.0, 4.0]]]), torch.tensor([[[1.0, 0.5]], [[0.0, 0.0]]])
    >>> seen_through(image, masks).flatten(1), seen_through(image, masks, image + 1).flatten(1)
    (tensor([[2., 2.],
            [0., 0.]]), tensor([[2.0000, 4.5000],
            [3.0000, 5.0000]]))
    """
    share = masks.unsqueeze(channel_axis - images.ndim)  # counted from the end: masks may be many
    seen = images * share.to(images.dtype)
    return seen if fill is None else seen + fill * (1 - share).to(images.dtype)


def channel_axis(images: Tensor, size: Sequence[int]) -> int | None:
    """The axis that masks of this size leave out: 1, or a later one; None where none fits.

    Clips may have the time before the channels.

    >>> import torch
    >>> clip = torch.zeros(2, 8, 3, 32, 32)
    >>> channel_axis(clip, [8, 32, 32]), channel_axis(clip, [3, 32, 32]), channel_axis(clip, [7])
    (2, 1, None)
    """
    for axis in range(1, images.ndim):
        if images.shape[1:axis] + images.shape[axis + 1 :] == tuple(size):
            return axis
    return None
