"""Small networks for tests, and a photograph of a model to compare before and after."""

import re
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

CONVS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
NORMS = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
POOLS = {1: nn.AdaptiveAvgPool1d, 2: nn.AdaptiveAvgPool2d, 3: nn.AdaptiveAvgPool3d}
MAXES = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}
SHAPES = {1: (3, 24), 2: (3, 12, 10), 3: (3, 6, 8, 7)}


def convnet(
    axes: int = 2, *, head: str = "pool", inplace: bool = False, classes: int = 5, seed: int = 0
) -> nn.Sequential:
    """conv-bn-relu-conv-bn-relu, then a pooled linear head or a max-pooled, fully connected ReLU
    head.

    Layer `5` is the last feature map, behind a ReLU.
    """
    torch.manual_seed(seed)
    body = [
        CONVS[axes](3, 6, 3, padding=1), NORMS[axes](6), nn.ReLU(inplace),
        CONVS[axes](6, 8, 3, padding=1), NORMS[axes](8), nn.ReLU(inplace),
    ]  # fmt: skip
    if head == "pool":
        tail: list[nn.Module] = [POOLS[axes](1), nn.Flatten(), nn.Linear(8, classes)]
    else:
        places = int(np.prod([s // 2 for s in SHAPES[axes][1:]]))
        tail = [
            MAXES[axes](2),
            nn.Flatten(),
            nn.Linear(8 * places, 16),
            nn.ReLU(inplace),
            nn.Dropout(),
            nn.Linear(16, classes),
        ]
    net = nn.Sequential(*body, *tail)
    for module in net.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return net.eval()


def batch(axes: int = 2, b: int = 3, seed: int = 1, **kwargs: Any) -> Tensor:
    """Random inputs for `convnet`."""
    return torch.randn(b, *SHAPES[axes], generator=torch.Generator().manual_seed(seed), **kwargs)


def photograph(model: nn.Module) -> dict[str, Any]:
    """Everything of a model and of the process that a call must leave as it was."""
    return {
        "values": {name: tensor.detach().clone() for name, tensor in model.state_dict().items()},
        "identity": {
            name: (id(p), p._version)
            for name, p in [*model.named_parameters(), *model.named_buffers()]
        },
        "training": {name: module.training for name, module in model.named_modules()},
        "requires_grad": {name: p.requires_grad for name, p in model.named_parameters()},
        "grad": {
            name: None if p.grad is None else p.grad.clone() for name, p in model.named_parameters()
        },
        "hooks": {
            name: [list(getattr(module, kind)) for kind in vars(module) if kind.endswith("_hooks")]
            for name, module in model.named_modules()
        },
        "attributes": {name: sorted(vars(module)) for name, module in model.named_modules()},
        "modes": (
            torch.is_grad_enabled(),
            torch.is_inference_mode_enabled(),
            torch._C._len_torch_function_stack(),
        ),
        "random": torch.get_rng_state(),
    }


def assert_same(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Raise where two photographs differ, bit for bit."""
    assert before.keys() == after.keys()
    for part in ("identity", "training", "requires_grad", "hooks", "attributes", "modes"):
        assert before[part] == after[part], part
    for part in ("values", "grad"):
        assert before[part].keys() == after[part].keys(), part
        for name, tensor in before[part].items():
            other = after[part][name]
            assert (tensor is None) == (other is None), f"{part} of {name}"
            if tensor is not None:
                assert torch.equal(tensor, other), f"{part} of {name}"
    assert torch.equal(before["random"], after["random"]), "torch's generator"


class Notes(list):
    """What a model writes down for a test, on itself: no plain list, which would be put back."""


def short(value: Any) -> str:
    """A test's name for a value, the same in every process: no address in it."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))


class Twice(nn.Module):
    """One convolution and its ReLU, `act`, that run twice."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.act, self.fc = nn.Conv2d(3, 3, 3, padding=1), nn.ReLU(), nn.Linear(3, 4)

    def forward(self, x):
        for _ in range(2):
            x = self.act(self.conv(x))
        return self.fc(x.mean((2, 3)))


class Odd(nn.Module):
    """60 tokens behind the 30 of the grid, in `keep`: no grid can be inferred."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.patch, self.keep, self.head = nn.Conv2d(3, 4, 2, 2), nn.Identity(), nn.Linear(4, 5)

    def forward(self, x):
        y = self.patch(x).flatten(2).transpose(1, 2)
        return self.head(self.keep(torch.cat([y, y.new_ones(len(y), 60, 4)], 1)).mean(1))
