"""Networks that are handed their axes in another order than convolutions have them, and twins that
are not.
"""

import torch
from torch import nn


class Turned(nn.Module):
    """A network behind a permutation of the axes."""

    def __init__(self, net, order):
        super().__init__()
        self.net, self.order = net, order

    def forward(self, x):
        return self.net(x.permute(self.order))


def small(axes, channels=3):
    """Two convolutions with a pool between them, in float64."""
    torch.manual_seed(0)
    conv = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[axes - 1]
    pool, mean = (
        (nn.MaxPool1d, nn.AdaptiveAvgPool1d),
        (nn.MaxPool2d, nn.AdaptiveAvgPool2d),
        (nn.MaxPool3d, nn.AdaptiveAvgPool3d),
    )[axes - 1]
    body = nn.Sequential(
        conv(channels, 6, 3, padding=1), nn.ReLU(), pool(2), conv(6, 6, 3, padding=1), nn.ReLU()
    )
    return nn.Sequential(body, mean(1), nn.Flatten(), nn.Linear(6, 3)).double().eval()


ORDERS = {
    "steps, leads": ((9, 12), (0, 2, 1), 12),
    "as many steps as leads": ((12, 12), (0, 2, 1), 12),
    "height, width, colours": ((8, 10, 3), (0, 3, 1, 2), 3),
    "square, colours last": ((8, 8, 3), (0, 3, 1, 2), 3),
    "as many rows as colours": ((4, 8, 4), (0, 3, 1, 2), 4),
    "frames, colours, height, width": ((6, 3, 8, 8), (0, 2, 1, 3, 4), 3),
    "frames, height, width, colours": ((6, 8, 8, 3), (0, 4, 1, 2, 3), 3),
    "slices, one channel": ((6, 8, 10, 1), (0, 4, 1, 2, 3), 1),
}
"""The axes of a picture as it is handed in, the order that convolutions want, how many channels."""


def pair(name):
    """The network for this order, its picture `[2, ...]`; its twin, and that one's picture."""
    size, order, channels = ORDERS[name]
    net = small(len(size) - 1, channels)
    x = torch.rand(2, *size, generator=torch.Generator().manual_seed(0), dtype=torch.double)
    return Turned(net, order).eval(), x, net, x.permute(order).contiguous()
