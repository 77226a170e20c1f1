"""FullGrad, slowly: the parts by hooks on modules, one after another; psi by loops."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reference.image_map import linear


def parts(net: nn.Sequential, x: Tensor, klass: int) -> list[Tensor]:
    """x * dS/dx, then b * dS/db of every module with a bias, `[b, c, *s]` each, in the order in
    which they run.
    """
    steps, values = [], [x.detach().requires_grad_()]
    for module in net:
        if isinstance(module, nn.ReLU):
            values.append(F.relu(values[-1]))
            continue
        values.append(module(values[-1]))
        if (bias := implied(module)) is not None:
            steps.append((values[-1], bias.view(1, -1, *[1] * (values[-1].ndim - 2))))
    score = values[-1][:, klass].sum()
    found = [values[0] * torch.autograd.grad(score, values[0], retain_graph=True)[0]]
    for output, bias in steps:
        found.append(bias * torch.autograd.grad(score, output, retain_graph=True)[0])
    return [one.detach() for one in found]


def implied(module: nn.Module) -> Tensor | None:
    if isinstance(module, nn.modules.batchnorm._BatchNorm):
        return (
            module.bias
            - module.weight * module.running_mean / (module.running_var + module.eps).sqrt()
        )
    return getattr(module, "bias", None)


def full_grad(products: list[Tensor], size: list[int]) -> Tensor:
    """The sum over everything with a grid of psi, `[b, *size]`."""
    images = len(products[0])
    total = np.zeros((images, *size))
    for product in products:
        for b in range(images):
            one = np.abs(product[b].double().numpy())
            if one.max() == one.min():
                continue
            one = (one - one.min()) / (one.max() - one.min())
            for channel in one:
                for place in np.ndindex(*size):
                    total[b][place] += linear(channel, place, size)
    return torch.from_numpy(total)
