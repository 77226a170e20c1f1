"""Networks in which one activation serves behind each convolution, and twins with one for each."""

import torch
from torch import nn

SHARED, OWN = "one", "each its own"


class _Acts(nn.Module):
    """`self.act` is one object, or another at each use."""

    def __init__(self, acts, uses):
        super().__init__()
        torch.manual_seed(0)
        self.acts = nn.ModuleList(nn.ReLU() for _ in range(uses if acts == OWN else 0))
        self.act = nn.ReLU() if acts == SHARED else None

    def on(self, k, x):
        return self.act(x) if self.act is not None else self.acts[k](x)


class Plain(_Acts):
    """Behind two convolutions, and once more on the vector in the classifier."""

    def __init__(self, acts=SHARED):
        super().__init__(acts, 3)
        self.one, self.two = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 8, 3)
        self.fc, self.head = nn.Linear(8, 8), nn.Linear(8, 3)

    def forward(self, x):
        x = self.on(1, self.two(self.on(0, self.one(x))))
        return self.head(self.on(2, self.fc(x.mean((2, 3)))))


class Bottle(_Acts):
    """The last run is on a map of one place, as in a classifier of convolutions."""

    def __init__(self, acts=SHARED):
        super().__init__(acts, 3)
        self.one, self.two = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 8, 3)
        self.fc, self.head = nn.Conv2d(8, 8, 1), nn.Linear(8, 3)

    def forward(self, x):
        x = self.on(1, self.two(self.on(0, self.one(x))))
        x = self.on(2, self.fc(x.mean((2, 3), keepdim=True)))
        return self.head(x.flatten(1))


class Block(nn.Module):
    """`act(bn(conv(x)))`, with an activation that it was given."""

    def __init__(self, ins, outs, act):
        super().__init__()
        self.conv, self.bn, self.act = nn.Conv2d(ins, outs, 3), nn.BatchNorm2d(outs), act

    def forward(self, x):
        return self.act(self.bn(self.conv(x)))


class Blocks(nn.Module):
    """Blocks that share their activation; each returns what it made."""

    def __init__(self, acts=SHARED):
        super().__init__()
        torch.manual_seed(0)
        one = nn.ReLU()
        self.first, self.second, self.third = (
            Block(ins, outs, one if acts == SHARED else nn.ReLU())
            for ins, outs in ((3, 4), (4, 6), (6, 8))
        )
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.third(self.second(self.first(x))).mean((2, 3)))


class Side(_Acts):
    """The last run is in a branch that the outputs do not read."""

    def __init__(self, acts=SHARED):
        super().__init__(acts, 3)
        self.one, self.two, self.side = (
            nn.Conv2d(3, 6, 3),
            nn.Conv2d(6, 8, 3),
            nn.Conv2d(6, 8, 3),
        )
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        x = self.on(0, self.one(x))
        y = self.on(1, self.two(x))
        self.aside = self.on(2, self.side(x)).mean()
        return self.head(y.mean((2, 3)))
