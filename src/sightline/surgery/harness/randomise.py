"""What is drawn by lot: noise in the place of pictures, and weights shuffled from the head on."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from sightline.surgery.harness.copied import copied
from sightline.surgery.harness.supported import supported_model


def noise(shape: tuple[int, ...], like: Tensor) -> Tensor:
    """Uniform noise in [0, 1), the same every time, in the type and on the device of `like`.

    >>> noise((1, 1, 2), torch.zeros(1, dtype=torch.float64))
    tensor([[[0.4963, 0.7682]]], dtype=torch.float64)
    """
    # Type and device are named, since the caller may have set others as the default.
    generator = torch.Generator("cpu").manual_seed(0)
    return torch.rand(shape, generator=generator, dtype=torch.float32, device="cpu").to(like)


def cascade(model: nn.Module, stages: int, seed: int = 0) -> Iterator[nn.Module]:
    """Copies of the model with more and more layers randomised (Adebayo et al. 2018, section 3).

    It is cumulative: the first has the last layer randomised (in the order of listing: the head),
    the last all of them; those between share out the rest evenly, `stages` in all or as many as
    there are layers. A layer is randomised by shuffling the numbers within each of its parameters:
    their distribution stays what training made it, so that signals keep their size on the way
    through any network, and only what was learnt is lost. Running statistics stay. The model itself
    is not touched; each copy is the same object, changed further.

    >>> net = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8))
    >>> [
    ...     [torch.equal(a, b) for a, b in zip(net.parameters(), one.parameters())][::2]
    ...     for one in cascade(net, 2)
    ... ]
    [[True, False], [False, False]]
    """
    changed = copied(supported_model(model))
    layers = [
        module
        for module in changed.modules()
        if any(True for _ in module.parameters(recurse=False))
    ][::-1]
    noise = torch.Generator("cpu").manual_seed(seed)
    count = min(stages, len(layers))
    done = 0
    for stage in range(count):
        until = 1 if stage == 0 else round(1 + (len(layers) - 1) * stage / (count - 1))
        for layer in layers[done:until]:
            for parameter in layer.parameters(recurse=False):
                with torch.no_grad():
                    order = torch.randperm(parameter.numel(), generator=noise, device="cpu")
                    order = order.to(parameter.device)
                    parameter.copy_(parameter.flatten()[order].view_as(parameter))
        done = until
        yield changed
