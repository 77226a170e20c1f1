"""An explainer made fast for one device: its one pass goes through torch's compiler."""

from typing import Any

import torch
from torch import Tensor, nn

from sightline.errors import SurgeryError
from sightline.explanation.export.explainer import Explainer

_GRAPHS = ("reduce-overhead", "max-autotune")
"""Modes of the compiler that record CUDA graphs, whose outputs are written over by the next run."""


class Compiled(nn.Module):
    """`outputs, maps = compiled(images)`: what the `explainer` returns, from a compiled graph.

    The first call of a batch size may compile, which takes seconds to minutes. The weights are the
    explainer's, and so the model's own.
    """

    def __init__(self, explainer: Explainer, graph: nn.Module, run: Any, *, copies: bool) -> None:
        super().__init__()
        self.graph = graph
        self._explainer = (explainer,)  # in a tuple: its weights are `graph`'s already
        self._run, self._copies = run, copies

    @property
    def explainer(self) -> Explainer:
        """What it was made from: the layer, the method, the model's card."""
        return self._explainer[0]

    def forward(self, images: Tensor, classes: Tensor | None = None) -> tuple[Tensor, ...]:
        """The outputs and the maps, as tensors of their own."""
        self.explainer.check(images, classes)
        with torch.no_grad():
            found = self._run(images) if classes is None else self._run(images, classes)
        return tuple(one.clone() for one in found) if self._copies else tuple(found)


def compiled(
    explainer: nn.Module, *, mode: str | None = None, backend: Any = "inductor"
) -> Compiled:
    """Compile an explainer: outputs and maps of `explain`, up to rounding.

    Often it is sooner than a bare eager forward. `mode` and `backend` are those of `torch.compile`;
    `mode="reduce-overhead"` records CUDA graphs, which pays for small batches on a GPU. The batch
    may have any size; height and width are the explainer's. Where no time is gained, `explain`
    itself costs hardly more than a forward pass (`docs/performance.md` has both).

    Raises `SurgeryError` for a model that `torch.export` cannot trace.

    >>> import sightline
    >>> net = nn.Sequential(
    ...     nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    ... )
    >>> fast = compiled(sightline.exportable(net, images=torch.rand(1, 3, 8, 8)), backend="eager")
    >>> outputs, maps = fast(torch.rand(5, 3, 8, 8))
    >>> outputs.shape, maps.shape
    (torch.Size([5, 2]), torch.Size([5, 8, 8]))
    """
    if not isinstance(explainer, Explainer):
        raise SurgeryError(
            f"Expected an explainer; got {type(explainer).__name__}. Make one:"
            " compiled(sightline.exportable(model))."
        )
    graph: Any = explainer.exported().module()
    # what asked for types was answered while tracing, and is left over: the compiler chokes on it
    graph.graph.eliminate_dead_code()
    graph.recompile()
    run = torch.compile(graph, mode=mode, backend=backend, fullgraph=True)
    return Compiled(explainer, graph, run, copies=mode in _GRAPHS)
