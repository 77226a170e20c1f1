"""Random weights that let signals through, drawn in a moment: a network's own drawing takes up to a
minute.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn


def lively(model: nn.Module) -> nn.Module:
    """Every parameter drawn anew, those of heads and layer scales that start with zeros, too; in
    eval mode.
    """
    block = torch.randn(1 << 18, generator=torch.Generator().manual_seed(0))
    for name, tensor in model.named_parameters():
        if tensor.ndim > 1:
            drawn = block.repeat(-(-tensor.numel() // len(block)))[: tensor.numel()].view(
                tensor.shape
            )
            tensor.data.copy_(drawn).mul_(math.sqrt(2 / max(1, tensor[0].numel())))
        else:
            tensor.data.fill_(0.0 if "bias" in name else 1.0)
    return model.eval()


class NoDrawing:
    """While this is entered, nn.init draws nothing: `lively` does, faster."""

    NAMES = (
        "kaiming_normal_",
        "kaiming_uniform_",
        "xavier_uniform_",
        "trunc_normal_",
        "normal_",
        "uniform_",
    )

    def __enter__(self) -> None:
        self.kept = {name: getattr(nn.init, name) for name in self.NAMES}
        for name in self.NAMES:
            setattr(nn.init, name, lambda tensor, *args, **kwargs: tensor)

    def __exit__(self, *exc: object) -> None:
        for name, function in self.kept.items():
            setattr(nn.init, name, function)


Photograph = dict[str, tuple[Tensor, bool] | tuple[bool, int]]


def photographed(model: nn.Module) -> Photograph:
    """Every parameter and buffer with whether it wants a gradient; every module's mode and how many
    hooks it has.
    """
    seen: Photograph = {
        name: (tensor.detach().clone(), tensor.requires_grad)
        for name, tensor in [*model.named_parameters(), *model.named_buffers()]
    }
    for name, module in model.named_modules():
        seen[f"module {name}"] = (
            module.training,
            len(module._forward_hooks) + len(module._forward_pre_hooks),
        )
    return seen


def assert_untouched(model: nn.Module, before: Photograph) -> None:
    """Raise where anything is not bit for bit what it was, or a gradient was left behind."""
    after = photographed(model)
    assert after.keys() == before.keys()
    for name, (value, mark) in before.items():
        same = (
            torch.equal(after[name][0], value)
            if isinstance(value, Tensor)
            else after[name][0] == value
        )
        assert same, name
        assert after[name][1] == mark, name
    assert not any(parameter.grad is not None for parameter in model.parameters())


def noise(*shape: int, **kwargs: Any) -> Tensor:
    """A picture of noise."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1), **kwargs)
