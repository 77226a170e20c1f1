"""Which layer: a name, a module or a function becomes `(name, module)`."""

from collections.abc import Callable
from typing import Any

from torch import nn

from sightline.errors import LayerError, near

Where = str | nn.Module | Callable[[nn.Module], nn.Module]


def resolve(model: nn.Module, layer: Where) -> tuple[str, nn.Module]:
    """The layer's name in the model and the module itself.

    >>> resolve(nn.Sequential(nn.ReLU(), nn.Tanh()), "1")
    ('1', Tanh())
    """
    if isinstance(layer, str):
        return layer, _named(model, layer)
    if not isinstance(layer, nn.Module):
        if not callable(layer):
            raise LayerError(
                "Expected a layer as name, module or function of the model; got"
                f" {type(layer).__name__}. sightline.layers(model, images) lists the names."
            )
        layer = layer(model)
    for name, module in model.named_modules():
        if module is layer:
            return name, module
    raise LayerError(
        f"Expected a layer of this {type(model).__name__}; the {type(layer).__name__} given is not"
        " part of it. Take it from the same object: model.layer4, not a copy's."
    )


def _named(model: nn.Module, name: str) -> nn.Module:
    for spelling in (name, name.removeprefix("module."), name.removeprefix("_orig_mod.")):
        module: Any = model
        for part in spelling.split(".") if spelling else []:
            module = getattr(module, "_modules", {}).get(part)
        if isinstance(module, nn.Module):
            return module
    names = [known for known, _ in model.named_modules() if known]
    raise LayerError(f"{type(model).__name__} has no layer {name!r}. {near(name, names)}")
