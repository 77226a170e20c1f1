"""`lookout`, the bundled model: a small residual network of our own that ships inside the package.

Fifty everyday classes, at its best on pictures of 64 to 112 pixels; 1.4 million weights. It is made
to be explained: ReLU everywhere, so that it is piecewise linear and the closed forms of Grad-CAM++
are exact; a last feature map behind a ReLU, on a fine grid (stride 8); a tail of global average
pooling and one linear layer, where CAM is exact too. `training/classifier.py` made the weights; the
card `lookout.json` beside this file says how.
"""

from __future__ import annotations

from importlib import resources

import torch
from safetensors.torch import load
from torch import Tensor, nn


def conv(inputs: int, outputs: int, size: int, stride: int = 1) -> nn.Sequential:
    """A convolution without bias and its batch normalisation.

    The map keeps its size, up to the stride.
    """
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=False),
        nn.BatchNorm2d(outputs),
    )


class Block(nn.Module):
    """Two 3x3 convolutions added to a shortcut: ResNet's basic block, pooled where it strides."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.first = conv(inputs, outputs, 3, stride).append(nn.ReLU())
        self.second = conv(outputs, outputs, 3)
        self.shortcut: nn.Module = nn.Identity()
        if inputs != outputs or stride != 1:
            # Pooling before the 1x1 drops nothing; at odd sizes it rounds up, as the strided 3x3
            # does.
            pool = nn.AvgPool2d(stride, ceil_mode=True, count_include_pad=False)
            self.shortcut = nn.Sequential(pool, *conv(inputs, outputs, 1))
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """`[b, inputs, h, w]` to `[b, outputs, h / stride, w / stride]`, rounded up.

        Nowhere negative.
        """
        out: Tensor = self.relu(self.shortcut(x) + self.second(self.first(x)))
        return out


class Lookout(nn.Module):
    """Images `[b, 3, h, w]` of any size to logits `[b, classes]`.

    The last map, `features`, has stride 8.

    >>> model = Lookout().eval()
    >>> model.features(torch.zeros(1, 3, 64, 80)).shape[-2:]
    torch.Size([8, 10])
    >>> model(torch.zeros(1, 3, 64, 80)).shape
    torch.Size([1, 50])
    """

    def __init__(
        self,
        classes: int = 50,
        widths: tuple[int, ...] = (32, 64, 160),
        depths: tuple[int, ...] = (1, 2, 3),
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [conv(3, widths[0], 3, stride=2), nn.ReLU()]
        inputs = widths[0]
        for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            for block in range(depth):
                layers.append(Block(inputs, width, stride=2 if stage > 0 and block == 0 else 1))
                inputs = width
        self.features = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(inputs, classes)

    def forward(self, images: Tensor) -> Tensor:
        """The logits: what the head says of the average over the last feature map."""
        logits: Tensor = self.head(torch.flatten(self.pool(self.features(images)), 1))
        return logits


def lookout(pretrained: bool = True) -> Lookout:
    """The bundled model in evaluation mode, with its trained weights unless `pretrained` is false.

    The file holds float16, the model float32: half the size, and no measurable difference in
    accuracy.

    >>> model = lookout()
    >>> model.training, model.head.weight.dtype
    (False, torch.float32)
    """
    model = Lookout().eval()
    if pretrained:
        stored = load(resources.files(__package__).joinpath("lookout.safetensors").read_bytes())
        model.load_state_dict(stored, strict=True)  # copies into float32 parameters
    return model
