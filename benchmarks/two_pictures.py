"""The networks of the zoo with two pictures of noise: small, in float64, with ten classes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import timm
import torch
import torchvision
import transformers
from networks import FIRST, NAMES
from torch import Tensor, nn

from helpers.random_weights import NoDrawing, lively
from zoo.test_torchvision import size_of
from zoo.timm_table import SMALLEST
from zoo.transformers_table import CASES, Case

CLASSES = 10
"""So that what looks at every class is no matter of hours."""


@dataclass(frozen=True)
class Pair:
    """A network that is yet to be built, with what it is asked about two pictures.

    `target` is None where it is asked for classes.
    """

    name: str
    make: Callable[[], nn.Module]
    pictures: Callable[[], Any]
    target: Callable[[Any], Tensor] | None = None

    def build(self) -> tuple[nn.Module, Any]:
        """The network, its weights drawn, and both pictures."""
        torch.manual_seed(0)
        with NoDrawing():
            return lively(self.make()), self.pictures()


def pairs() -> Iterator[Pair]:
    """timm's families, torchvision's classifiers, the small transformers."""
    for family, (name, size, _, options) in SMALLEST.items():
        make = partial(timm.create_model, name, num_classes=CLASSES, **options)
        yield Pair(f"timm {family}", make, partial(noise, 3, size, size))
    for name in (*FIRST, *(name for name in NAMES if name not in FIRST)):
        extra = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
        extra |= {"image_size": size_of(name)} if name.startswith("vit_") else {}
        make = partial(
            torchvision.models.get_model, name, weights=None, num_classes=CLASSES, **extra
        )
        yield Pair(f"torchvision {name}", make, partial(noise, 3, size_of(name), size_of(name)))
    for name, case in CASES.items():
        make = partial(_transformer, case)
        yield Pair(f"transformers {name}", make, partial(_inputs, case), case.target)


def noise(*shape: int) -> Tensor:
    """Two pictures, which a channel-wise sum tells apart."""
    generator = torch.Generator().manual_seed(3)
    return torch.randn(2, *shape, generator=generator, dtype=torch.double)


def _transformer(case: Case) -> nn.Module:
    made: nn.Module = getattr(transformers, case.kind)(case.config())
    return made


def _inputs(case: Case) -> dict[str, Tensor]:
    """All inputs; what comes with the picture comes with both."""
    size = case.size if len(case.size) == 2 else (case.size[0], 3, *case.size[1:])
    picture = noise(*(size if len(case.size) == 3 else (3, *size)))
    others = {
        key: torch.cat([value, value]).double()
        if value.is_floating_point()
        else value.repeat(2, *[1] * (value.ndim - 1))
        for key, value in case.others.items()
    }
    return {case.key: picture, **others}
