"""A model that tells what its layer returned, whenever it runs: a copy with a hook that stays.

`capture` opens a model for one run and closes it again. An exported model is opened for good, so it
is a copy: its modules and parameters are new, on the memory of the model's own weights. What would
have to be found out at each run (which tensor is the map, which run of the layer counts) is found
out once, since an exporter follows one way only.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from sightline.errors import SurgeryError
from sightline.surgery.harness import guard
from sightline.surgery.harness.copied import copied
from sightline.surgery.harness.feature_map import find_map, slots
from sightline.surgery.harness.hooks import hooked
from sightline.surgery.harness.opened_layer import TracedLayer
from sightline.surgery.harness.resolve import resolve

_CHECKPOINTED = ("grad_checkpointing", "gradient_checkpointing")


class Opened(nn.Module):
    """`opened(images)` gives the model's outputs and the layer's own, of the run of `cut`.

    `as_leaf=True` cuts the graph there, as `capture` does: what the layer returned is a leaf,
    recording goes on behind it.

    >>> from sightline.surgery import capture
    >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    >>> images = torch.rand(2, 3, 8, 8)
    >>> opened = Opened(net, images, capture(net, images, "1").cuts[0])
    >>> outputs, node = opened(images)
    >>> outputs.shape, node.shape
    (torch.Size([2, 4]), torch.Size([2, 4, 6, 6]))
    >>> opened.model[0].weight.data_ptr() == net[0].weight.data_ptr()
    True
    """

    def __init__(
        self, model: nn.Module, images: Tensor, cut: TracedLayer, grid: Any = None
    ) -> None:
        super().__init__()
        self.model, self.grid, self.layer = _eval_copy(model), cut.grid, cut.layer
        self._hook = _Hook(cut)
        _, module = resolve(self.model, cut.layer)
        note_position = _position(cut.layer, tuple(images.shape), grid, self._hook)
        with (
            hooked([(module, note_position)]),
            guard.untouched(self.model),
            torch.no_grad(),
        ):
            self.model(images.clone())
        module.register_forward_hook(self._hook)

    def forward(self, images: Tensor, as_leaf: bool = False) -> tuple[Any, Tensor]:
        """The outputs, and the node `[b, ...]` as the layer lays it out.

        `self.grid.read(node)` is `[b, c, *s]`.
        """
        with guard.LOCK:
            self._hook.start(as_leaf)
            return self.model(images), self._hook.taken()


def _eval_copy(model: nn.Module) -> nn.Module:
    """New modules in eval mode, whose parameters are new ones on the memory of the model's own.

    So what is done to them as parameters (`.half()`, `.to()`, `.requires_grad_()`) leaves the
    model's alone. Buffers are copied: a forward may write to them.
    """
    twin = copied(model, lambda own: nn.Parameter(own.detach(), own.requires_grad)).eval()
    for module in twin.modules():
        for switch in _CHECKPOINTED:
            if module.__dict__.get(switch) is True:
                setattr(module, switch, False)
    return twin


class _Hook:
    """Keeps one tensor of one run of a layer."""

    def __init__(self, cut: TracedLayer) -> None:
        self.layer, self.call, self.index = cut.layer, cut.call, 0
        self.start(False)

    def start(self, as_leaf: bool) -> None:
        self.as_leaf, self.calls = as_leaf, 0
        self.node: Tensor | None = None

    def taken(self) -> Tensor:
        node, self.node = (
            self.node,
            None,
        )  # nothing of a run is kept, least of all an exporter's stand-ins
        if node is None:
            raise SurgeryError(
                f"Expected layer {self.layer!r} to run {self.call + 1} times, as it did when the"
                f" model was opened; it ran {self.calls} times. A model that takes another way for"
                " other pictures cannot be exported."
            )
        return node

    def __call__(self, module: nn.Module, args: Any, output: Any) -> Any:
        index, self.calls = self.calls, self.calls + 1
        if index != self.call:
            return None
        tensor, put = list(slots(output))[self.index]
        if not self.as_leaf:
            self.node = tensor.clone()  # an in-place layer behind must not write over it
            return None
        self.node = tensor.detach().requires_grad_()
        torch.set_grad_enabled(True)
        return put(self.node.clone())


def _position(layer: str, shape: tuple[int, ...], grid: Any, hook: _Hook) -> Callable[..., None]:
    """A hook that finds out which tensor of the layer's output is the map."""

    def note(module: nn.Module, args: Any, output: Any) -> None:
        wanted = find_map(output, shape, layer, grid)[0]
        hook.index = next(
            index for index, (tensor, _) in enumerate(slots(output)) if tensor is wanted
        )

    return note
