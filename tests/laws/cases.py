"""Every method with every variant of it, material for it, and its slow twin: what the laws run
over.
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from helpers.positions import column
from reference.ablation_cam import ablation_cam
from reference.cam import cam
from reference.eigen_cam import eigen_cam, eigen_grad_cam
from reference.elementwise_grad_cam import elementwise_grad_cam
from reference.grad_cam import grad_cam
from reference.grad_cam_plus import grad_cam_plus
from reference.grad_cam_pp import grad_cam_pp
from reference.grad_cam_pp_general import (
    grad_cam_pp_log_softmax,
    grad_cam_pp_sigmoid,
    grad_cam_pp_softmax,
)
from reference.hires_cam import hires_cam
from reference.is_cam import is_cam
from reference.kpca_cam import kpca_cam
from reference.layer_cam import layer_cam
from reference.opti_cam import opti_cam
from reference.score_cam import score_cam
from reference.shapley_cam import shapley_cam
from reference.smooth_grad_cam_pp import smooth_grad_cam_pp
from reference.ss_cam import ss_cam
from reference.xgrad_cam import xgrad_cam
from sightline.methods import METHODS
from sightline.supply import options, supply

TWINS: dict[str, Callable[..., Tensor]] = {
    "cam": cam,
    "grad_cam": grad_cam,
    "grad_cam_pp": grad_cam_pp,
    "grad_cam_pp_softmax": grad_cam_pp_softmax,
    "grad_cam_pp_log_softmax": grad_cam_pp_log_softmax,
    "grad_cam_pp_sigmoid": grad_cam_pp_sigmoid,
    "grad_cam_plus": grad_cam_plus,
    "xgrad_cam": xgrad_cam,
    "layer_cam": layer_cam,
    "hires_cam": hires_cam,
    "score_cam": score_cam,
    "ss_cam": ss_cam,
    "is_cam": is_cam,
    "ablation_cam": ablation_cam,
    "elementwise_grad_cam": elementwise_grad_cam,
    "shapley_cam": shapley_cam,
    "eigen_grad_cam": eigen_grad_cam,
    "eigen_cam": eigen_cam,
    "kpca_cam": kpca_cam,
    "smooth_grad_cam_pp": smooth_grad_cam_pp,
    "opti_cam": opti_cam,
}

CHOICES: dict[str, list[Any]] = {
    "alpha": ["paper", "authors"],
    "guard": [True, False],
    "form": ["paper", "authors"],
    "top": [None, 2],
    "std": [0.0],  # noise knows no flip: tests/methods/cams/test_score_cam.py
    "samples": [2],
    "steps": [3],
    "centred": [False, True],
    "kernel": ["sigmoid", "rbf"],
    "gamma": [0.5],
    "utility": ["rest", "logit"],
}
"""The values each option is tried with."""

OWN_CHOICES: dict[str, dict[str, list[Any]]] = {
    "smooth_grad_cam_pp": {"form": ["meant", "paper"]},
    "opti_cam": {"form": ["paper", "difference"]},
}
"""Where a method's option has other values than those of the same name."""

Material = dict[str, Any]

AXES = {
    "activations": ("b", "c", "s"),
    "gradients": ("b", "c", "s"),
    "class_gradients": ("k", "b", "c", "s"),
    "head": ("b", "c"),
    "probabilities": ("b", "k"),
    "explained": ("b",),
    "scores": ("b",),
    "rescore": ("b", "c", "s"),
    "look": ("b", "s"),
    "look_back": ("b", "s"),
    "noisy_gradients": ("b", "c", "s"),
    "second_order": ("b", "c", "s"),
}
"""What each word's axes are; `s` stands for all that follow. Of a function: the axes of the numbers
it is made from.
"""

FUNCTIONS: dict[str, Callable[[Tensor, Material], Callable[..., Tensor]]] = {
    "rescore": lambda readout, material: Rescored(readout, material["activations"]),
    "look": lambda readout, material: Looked(readout),
    "look_back": lambda readout, material: LookedBack(readout),
    "noisy_gradients": lambda readout, material: Noisy(readout),
    "second_order": lambda readout, material: Expanded(readout, material["activations"]),
}
"""How words that are functions are made: from a model of one line, whose weights the material
holds.
"""


@dataclass(frozen=True)
class Rescored:
    """The score is a smooth function of what the readout finds in the activations."""

    readout: Tensor
    activations: Tensor

    def __call__(self, shares: Tensor) -> Tensor:
        found = self.readout * self.activations * shares
        return _score(found.flatten(2).sum(2))


@dataclass(frozen=True)
class Looked:
    """The score is a smooth function of what the readout finds in the mask."""

    readout: Tensor

    def __call__(
        self,
        maps: Tensor,
        change: Callable[[Tensor], Tensor] | None = None,
        *,
        probability: bool = False,
        at_once: int = 16,
    ) -> Tensor:
        flat = maps.flatten(2)
        low, high = flat.amin(2, keepdim=True), flat.amax(2, keepdim=True)
        masks = ((flat - low) / (high - low).masked_fill(high == low, 1)).reshape(maps.shape)
        masks = masks if change is None else change(masks)
        score = _score((self.readout * masks).flatten(2).sum(2))
        return score.sigmoid() if probability else score


@dataclass(frozen=True)
class LookedBack:
    """What `Looked` says, with its derivative by the maps."""

    readout: Tensor

    def __call__(self, maps: Tensor, *, at_once: int = 16) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            own = maps.detach().requires_grad_()
            scores = Looked(self.readout.detach())(own[None])[0]
            return scores.detach(), torch.autograd.grad(scores.sum(), own)[0]


@dataclass(frozen=True)
class Noisy:
    """Gradients that differ from sample to sample, in another way at each place."""

    readout: Tensor

    def __call__(self, *, samples: int, std: float, seed: int) -> Iterator[Tensor]:
        for sample in range(samples):
            yield (1 - 0.7 * sample) * self.readout + 0.3 * sample * self.readout.abs()


@dataclass(frozen=True)
class Expanded:
    """The logit is a parabola of what the readout finds in the activations; ReST bends twice as
    much.
    """

    readout: Tensor
    activations: Tensor

    def __call__(self, utility: str) -> tuple[Tensor, Tensor]:
        found = (
            (self.readout * self.activations)
            .flatten(1)
            .sum(1)
            .reshape(-1, *[1] * (self.readout.ndim - 1))
        )
        bend = {"logit": 0.1, "rest": 0.2}[utility]
        return (1 + bend * found) * self.readout, bend * found * self.readout


@dataclass(frozen=True)
class Case:
    """A method with its options chosen."""

    name: str
    options: dict[str, Any]

    def __str__(self) -> str:
        return "-".join([self.name, *[f"{key}={value}" for key, value in self.options.items()]])

    def weights(self, material: Material, **more: Any) -> Tensor:
        return supply(METHODS[self.name], _offers(material), **self.options, **more)

    def slowly(self, material: Material) -> Tensor:
        """The twin's weights, without the positive factor an image that the method's docstring
        leaves out.
        """
        twin = TWINS[self.name]
        weights = supply(twin, _offers(material), **self.options)
        return weights / column(left_out(self.name, material), weights)


def _offers(material: Material) -> dict[str, Callable[[], Any]]:
    """What a method asks for. A function is made of its numbers, unless it is one already."""
    return {
        word: lambda word=word, value=value: (
            FUNCTIONS[word](value, material)
            if word in FUNCTIONS and isinstance(value, Tensor)
            else value
        )
        for word, value in material.items()
    }


def _score(found: Tensor) -> Tensor:
    return 2 * (found / 2).tanh() + found / 4


def left_out(name: str, material: Material) -> Tensor:
    if name == "grad_cam_pp_sigmoid":
        y = material["scores"].double().sigmoid()
        return y * (1 - y)
    if name == "grad_cam_pp_softmax":
        y = material["probabilities"].double().gather(1, material["explained"][:, None])[:, 0]
        return y * (1 - y)
    return torch.ones(len(material["scores"]), dtype=torch.float64)


def _variants(name: str) -> list[Case]:
    choices = CHOICES | OWN_CHOICES.get(name, {})
    chosen = [option for option in options(METHODS[name]) if option in choices]
    return [
        Case(name, dict(zip(chosen, values, strict=True)))
        for values in itertools.product(*[choices[option] for option in chosen])
    ]


CASES = [case for name in METHODS for case in _variants(name)]

GRIDS = [(7,), (4, 5), (3, 2, 4)]
"""A signal, a picture, a clip."""


def made(
    grid: tuple[int, ...], seed: int = 0, signed: bool = False, dtype: torch.dtype = torch.float64
) -> Material:
    """Three images, four channels, five classes; activations as from behind a ReLU, unless
    `signed`.
    """
    source = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=source, dtype=torch.float64).to(dtype)

    images, channels, classes = 3, 4, 5
    activations = draw(images, channels, *grid)
    logits = 2 * draw(images, classes)
    explained = torch.tensor([0, 3, 4])
    class_gradients = draw(classes, images, channels, *grid)
    return {
        "activations": activations if signed else activations.relu(),
        "gradients": class_gradients[explained, torch.arange(images)],
        "class_gradients": class_gradients,
        "head": draw(images, channels),
        "probabilities": logits.softmax(1),
        "explained": explained,
        "scores": logits[torch.arange(images), explained],
        "rescore": draw(images, channels, *grid),
        "look": draw(images, *grid),
        "look_back": draw(images, *grid),
        "noisy_gradients": draw(images, channels, *grid),
        "second_order": draw(images, channels, *grid),
    }


def along(material: Material, axis: str, change: Callable[[Tensor, int], Tensor]) -> Material:
    """`change(tensor, dimension)` on all that has this axis; `s` is the first spatial one."""
    return {
        word: change(value, AXES[word].index(axis)) if axis in AXES[word] else value
        for word, value in material.items()
    }
