"""Maps with boxes to try localisation metrics on, and helpers that turn both."""

import torch
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor

HEIGHT, WIDTH = 9, 11


def drawn(text: str) -> Tensor:
    """A map `[1, h, w]` from digits: tenths. Its maximum is 1 where a digit is an `x`."""
    return torch.tensor(
        [[[1.0 if c == "x" else int(c) / 10 for c in line] for line in text.split()]]
    )


def boxes_of(*boxes: tuple[float, float, float, float]) -> Tensor:
    return torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)


def material(seed: int) -> tuple[Tensor, list[Tensor]]:
    """Continuous maps, stepped ones with ties, one with a floor, a constant and a zero one; boxes
    that overlap, stick out, lie outside, cover no centre, cover all, or are missing."""
    torch.manual_seed(seed)
    maps = torch.rand(12, HEIGHT, WIDTH)
    maps[3:6] = (maps[3:6] * 4).round() / 4
    maps[6] = 0.4 + 0.6 * maps[6]
    maps[7:9] = maps[7:9].sub(0.6).relu()
    maps = maps / maps.amax((1, 2), keepdim=True)
    maps[9], maps[10] = 1, 0
    boxes = [spread(n) for n in (1, 2, 3, 1, 2, 5, 2, 3, 1, 2, 2, 3)]
    boxes[1] = torch.zeros(0, 4)
    boxes[4] = torch.cat([boxes[4], boxes_of((2.6, 2.0, 3.4, 5.0), (40, 1, 50, 5), (4, 4, 4, 6))])
    boxes[8] = boxes_of((-1, -1, 20, 20))
    boxes[11] = boxes_of((-9, 0, 0, 4))
    return maps, boxes


def spread(number: int) -> Tensor:
    corners = torch.rand(number, 2) * torch.tensor([WIDTH, HEIGHT]) - 1
    return torch.cat([corners, corners + 1 + torch.rand(number, 2) * 5], dim=1)


def anywhere(seed: int, size: tuple[int, ...]) -> tuple[Tensor, list[Tensor]]:
    """The same in any number of axes: continuous maps, one with ties, a constant and a zero one."""
    torch.manual_seed(seed)
    maps = torch.rand(6, *size)
    maps[2] = (maps[2] * 3).round() / 3
    maps = maps / maps.flatten(1).amax(1).view(-1, *[1] * len(size))
    maps[3], maps[4] = 1, 0
    most = torch.tensor(size[::-1])
    begins = [torch.rand(number, len(size)) * most - 1 for number in (1, 2, 3, 1, 2, 0)]
    return maps, [torch.cat([own, own + 1 + torch.rand(own.shape) * most / 2], 1) for own in begins]


def flipped(maps: Tensor, boxes: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
    """The mirror image, left and right exchanged."""
    width = maps.shape[-1]
    mirrored = [
        torch.stack([width - b[:, 2], b[:, 1], width - b[:, 0], b[:, 3]], dim=1) for b in boxes
    ]
    return maps.flip(-1), mirrored


levels = arrays("int64", (5, 6), elements=st.integers(0, 6)).map(
    lambda a: torch.from_numpy(a).float()
)
stepped = levels.map(lambda a: (a / a.max().clamp(min=1))[None])
"""Maps `[1, 5, 6]` with many ties; the constant and the zero one among them."""

whole = st.tuples(st.integers(-3, 7), st.integers(-3, 6), st.integers(1, 6), st.integers(1, 6))
boxed = st.lists(
    whole.map(lambda e: (e[0], e[1], e[0] + e[2], e[1] + e[3])), min_size=1, max_size=4
).map(lambda found: [torch.tensor(found, dtype=torch.float32)])
"""One to four boxes on whole pixels, some of them beyond the view."""
