"""Networks that begin without a convolution, so that where their channels are has to be said."""

import torch
from torch import nn
from torch.nn import functional as F


class Steps(nn.Module):
    """Signals `[b, steps, leads]`, a linear layer over the leads first; a twin with these turned.

    There are as many hidden channels as steps: proportions tell nothing.
    """

    def __init__(self, leads=5, steps=12, channels_first=False):
        super().__init__()
        torch.manual_seed(0)
        self.leads, self.turn = nn.Linear(leads, steps), channels_first
        self.act, self.mix = nn.ReLU(), nn.Linear(3 * steps, steps)
        self.last, self.head = nn.ReLU(), nn.Linear(steps, 3)

    def forward(self, x):
        y = self.act(self.leads(x.transpose(1, 2) if self.turn else x))
        before, behind = F.pad(y, (0, 0, 1, 0))[:, :-1], F.pad(y, (0, 0, 0, 1))[:, 1:]
        return self.head(self.last(self.mix(torch.cat([before, y, behind], 2))).mean(1))


class Patches(nn.Module):
    """Pictures `[b, h, w, 3]`, cut into patches of 4 by hand; the twin takes `[b, 3, h, w]`."""

    def __init__(self, channels_first=False):
        super().__init__()
        torch.manual_seed(0)
        self.turn, self.embed = channels_first, nn.Linear(48, 16)
        self.block = nn.TransformerEncoderLayer(16, 2, 32, 0.0, batch_first=True, norm_first=True)
        self.norm, self.head = nn.LayerNorm(16), nn.Linear(16, 3)

    def forward(self, x):
        x = x.movedim(1, -1) if self.turn else x
        y = x.unflatten(1, (-1, 4)).unflatten(3, (-1, 4)).permute(0, 1, 3, 2, 4, 5)
        y = self.norm(self.block(self.embed(y.flatten(3)).flatten(1, 2)))
        return self.head(y.mean(1))


class Frames(nn.Module):
    """Clips `[b, t, h, w, c]` of five colours, pooled by hand; the twin `[b, c, t, h, w]`."""

    def __init__(self, channels_first=False):
        super().__init__()
        torch.manual_seed(0)
        self.turn, self.mix, self.act = channels_first, nn.Linear(5, 8), nn.ReLU()
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        x = x.movedim(1, -1) if self.turn else x
        y = x.unflatten(1, (-1, 2)).unflatten(3, (-1, 4)).unflatten(5, (-1, 4)).mean((2, 4, 6))
        return self.head(self.act(self.mix(y)).mean((1, 2, 3)))


SAID = {
    "b steps c": (Steps, (12, 5)),
    "b h w c": (Patches, (16, 24, 3)),
    "b t h w c": (Frames, (4, 16, 16, 5)),
}
"""What is said of the axes, the network that takes them so, and the size of an input."""


def pair(axes):
    """The network and its input; its twin, and the same with the channels behind the batch."""
    kind, size = SAID[axes]
    x = torch.rand(2, *size, generator=torch.Generator().manual_seed(0), dtype=torch.double)
    net, twin = kind().double().eval(), kind(channels_first=True).double().eval()
    return net, x, twin, x.movedim(-1, 1).contiguous()
