"""Deep feature factorisation: a layer's channels as a few concepts, and where they are."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

from sightline.atomic_write import replacing
from sightline.errors import LayerError, MethodError, TargetError, install_advice
from sightline.explanation.inputs import Batch, ready
from sightline.explanation.placed import lies_right, lying_right
from sightline.explanation.save import writable
from sightline.images import as_preprocess, framed, seen
from sightline.maps.upsample import enlarged
from sightline.models import card_of
from sightline.render import overlay, sheet, show
from sightline.surgery import (
    Given,
    TracedLayer,
    Where,
    all_outputs,
    capture,
    choose,
    readings,
    replay,
    supported_model,
)
from sightline.targets import Target, label, logits
from sightline.targets.model_outputs import two_rows
from sightline.tensors import at_least_float32, per_channel, per_image
from sightline.types import Preprocess

MOST_STEPS = 2000


@dataclass(frozen=True, eq=False)
class Factorisation:
    """`k` concepts in the activations of `b` images, the one with the most energy first.

    | field | is |
    |---|---|
    | `coarse` | W, never negative: how much of each concept is at each place, `[b, k, *s]` |
    | `concepts` | H: what each concept is made of, `[k, c]`, never negative, of length 1 |
    | `maps` | `coarse` on the input's grid, `[b, k, h, w]`, each concept over its maximum in all |
    | `explained` | the share of the energy in the concepts, `1 - |A - WH|^2 / |A|^2` |
    | `clipped` | how many activations were negative, and so could have no part in it |
    | `changes` | what each logit loses without the concept, a mean, `[k, classes]`, or None |
    | `classes` | for each concept the class that loses the most; None where there are no logits |
    | `converged` | whether the fit came to rest |
    """

    maps: Tensor
    coarse: Tensor
    concepts: Tensor
    explained: float
    clipped: int
    layer: str
    layer_reason: str
    names: list[str]
    changes: Tensor | None
    classes: list[Target] | None
    converged: bool
    photographs: list[Image.Image] = field(default_factory=list, repr=False)

    def sheet(self) -> Image.Image:
        """A row for each image, a column for each concept, on the photographs or on grey."""
        if not self.photographs:
            raise MethodError(
                f"Expected pictures to draw on; the maps are {list(self.maps.shape)}. Take .maps"
                " and .coarse."
            )
        columns = [f"concept {j + 1}" for j in range(len(self.concepts))]
        if self.classes is not None:
            columns = [
                f"{column}: {target}" for column, target in zip(columns, self.classes, strict=True)
            ]
        rows = [
            [photograph, *(overlay(photograph, one.float().cpu()) for one in maps)]
            for photograph, maps in zip(self.photographs, self.maps, strict=True)
        ]
        return sheet(
            rows,
            columns=["what the model saw", *columns],
            titles=self.names,
            ends=("0 nothing of it", "1 most of it"),
        )

    def show(self) -> None:
        """Show the sheet: in a notebook below the cell, else in the system's picture viewer."""
        show(self.sheet())

    def save(self, folder: str | Path) -> list[Path]:
        """Write the sheet (`concepts.png`) and the tensors (`concepts.safetensors`).

        Returns the files written.
        """
        folder = Path(folder)
        writable(folder)
        tensors = {
            name: value.detach().contiguous().cpu()
            for name in ("maps", "coarse", "concepts", "changes")
            if isinstance(value := getattr(self, name), Tensor)
        }
        written = [folder / "concepts.safetensors"]
        with replacing(written[0]) as beside:
            save_file(tensors, beside)
        if self.photographs:
            written.append(folder / "concepts.png")
            with replacing(written[1]) as beside:
                self.sheet().save(beside)
        return written

    def __repr__(self) -> str:
        return (
            f"Factorisation({len(self.concepts)} concepts of {len(self.names)}"
            f" image{'s' * (len(self.names) != 1)} at {self.layer!r}; {self.explained:.0%} of the"
            f" energy{f', {self.clipped} negative activations clipped' if self.clipped else ''})"
        )


def factorise(
    model: nn.Module,
    images: Any,
    concepts: int = 5,
    layer: Where | None = None,
    *,
    grid: Any = None,
    axes: Any = None,
    place: Literal["proved", "unchecked"] = "proved",
    preprocess: Any = None,
    classes: Sequence[str] | None = None,
) -> Factorisation:
    r"""Find concepts that several images share: parts that a layer sees alike.

    Collins et al. 2018, arXiv:1806.10206:

    $$\min_{W \ge 0,\, H \ge 0} \lVert A - W H \rVert_F^2$$

    A are the activations of all the images together, a row for each place of each image, a column
    for each channel. A row of H is a concept, its column of W says where it is: the same concept in
    every image. The fit is scikit-learn's (coordinate descent, begun by NNDSVDa with a fixed seed),
    in float64, and so the same every time.

    Activations behind a ReLU are never negative. Where they are, as in transformers and ConvNeXt,
    what is negative is taken as 0 and counted in `clipped`, and the energy it had counts as not
    explained.

    Which class a concept speaks for is measured: the model goes on from the layer with the concept
    taken out of the activations, once for each concept, and the class whose logit loses most is
    named. Behind a pooled linear head that is the head applied to the concept.

    `images`, `layer`, `grid`, `axes`, `place`, `preprocess`, `classes` are as in `explain`. Needs
    scikit-learn, the extra `concepts`. Raises `MethodError` without it, and for more concepts than
    the activations have channels or places; `LayerError` for a layer whose places do not lie on the
    picture.

    >>> import torch
    >>> net = nn.Sequential(
    ...     nn.Conv2d(3, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 2)
    ... )
    >>> found = factorise(net, torch.rand(2, 3, 8, 8), concepts=3)
    >>> found.maps.shape, found.coarse.shape, found.concepts.shape
    (torch.Size([2, 3, 8, 8]), torch.Size([2, 3, 6, 6]), torch.Size([3, 6]))
    """
    fit = _nmf()
    if isinstance(layer, list | tuple):
        raise LayerError(f"Expected one layer to factorise; got {len(layer)}. Call once a layer.")
    model = supported_model(model)
    card = card_of(model)
    look = card.preprocess if preprocess is None else as_preprocess(preprocess)
    batch = ready(images, model, look, axes)
    reason, call, stated = "named by the caller", -1, grid is not None
    given = Given.of_supported(model, batch.inputs)
    if layer is None:
        choice = choose(model, given)
        if place == "proved" and not stated:
            choice = lies_right(given, choice, -1, all_outputs, None)
        layer, reason, call = choice.name, choice.reason, choice.call
        grid = choice.grid if grid is None else grid
    elif grid is None:
        (grid,) = readings(given, [layer]).values() or (None,)
    if place == "proved":
        call, grid = lying_right(given, layer, call, grid, stated=stated)
    (cut,) = (trace := capture(model, given, layer, call=call, grid=grid)).cuts
    with torch.no_grad():
        own = at_least_float32(cut.activations.detach())
        rows = own.movedim(1, -1).flatten(0, -2).double().cpu()
        _check(concepts, rows, cut.layer)
        where, what, converged = _ordered(*fit(rows.clamp(min=0), concepts))
        energy = float(rows.square().sum())
        explained = 1 - float((rows - where @ what).square().sum()) / energy
        coarse = where.view(len(own), *own.shape[2:], concepts).movedim(-1, 1).to(own)
        maps = enlarged(coarse.flatten(0, 1), batch.size, cut.shares).unflatten(0, coarse.shape[:2])
        peak = maps.transpose(0, 1).flatten(1).amax(1).clamp(min=torch.finfo(maps.dtype).tiny)
        changes = _changes(model, batch, cut, grid, own, coarse, what.to(own), trace.outputs)
    names = classes if classes is not None else card.classes
    return Factorisation(
        maps=maps / per_image(peak, maps.ndim - 1),
        coarse=coarse,
        concepts=what.to(own),
        explained=explained,
        clipped=int((rows < 0).sum()),
        layer=cut.layer,
        layer_reason=reason,
        names=batch.names,
        changes=changes,
        classes=(
            None
            if changes is None
            else [Target(k, label(k, names)) for k in changes.argmax(1).tolist()]
        ),
        converged=converged,
        photographs=_photographs(batch, look),
    )


def _nmf() -> Any:
    try:
        from sklearn.decomposition import NMF
    except ImportError as error:
        raise MethodError(
            "Expected scikit-learn for the factorisation; it is not installed."
            f" {install_advice('concepts')}"
        ) from error

    def fit(rows: Tensor, concepts: int) -> tuple[Tensor, Tensor, bool]:
        model = NMF(concepts, init="nndsvda", random_state=0, max_iter=MOST_STEPS, tol=1e-5)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it did not come to rest is told in the result
            where = model.fit_transform(rows.numpy())
        return (
            torch.from_numpy(where),
            torch.from_numpy(model.components_),
            model.n_iter_ < MOST_STEPS,
        )

    return fit


def _check(concepts: int, rows: Tensor, layer: str) -> None:
    most = min(rows.shape)
    if not isinstance(concepts, int) or isinstance(concepts, bool) or not 1 <= concepts <= most:
        raise MethodError(
            f"Expected 1 to {most} concepts, not more than the activations of {layer!r} have"
            f" channels or places, {list(reversed(rows.shape))}; got concepts={concepts!r}."
        )
    if not rows.isfinite().all():
        raise MethodError(
            f"Expected finite activations at {layer!r}; some are NaN or infinite. Run in float32."
        )
    if not (rows > 0).any():
        raise MethodError(
            f"Expected some activation at {layer!r} above zero; none is. Take an earlier layer."
        )


def _ordered(where: Tensor, what: Tensor, converged: bool) -> tuple[Tensor, Tensor, bool]:
    """Concepts of length 1, the one with the most energy first; one that is empty stays empty."""
    length = what.norm(dim=1)
    where, what = where * length, what / length.clamp(min=torch.finfo(what.dtype).tiny).unsqueeze(1)
    order = where.square().sum(0).argsort(descending=True, stable=True)
    return where[:, order], what[order], converged


def _changes(
    model: nn.Module,
    batch: Batch,
    cut: TracedLayer,
    grid: Any,
    own: Tensor,
    coarse: Tensor,
    what: Tensor,
    outputs: Any,
) -> Float[Tensor, "k classes"] | None:
    """What each logit loses without each concept, in the mean; None where there are no logits."""
    try:
        whole = _rows(outputs)
    except TargetError:
        return None
    found = []
    for j, concept in enumerate(what):
        part = coarse[:, j : j + 1] * per_channel(concept, own.ndim)
        changed = replay(model, batch.inputs, cut.layer, own - part, call=cut.call, grid=grid)
        without = _rows(changed)
        found.append((whole - without).mean(0))
    return torch.stack(found)


def _rows(outputs: Any) -> Float[Tensor, "b k"]:
    rows = at_least_float32(logits(outputs)).detach()
    return two_rows(rows) if rows.shape[1] == 1 else rows


def _photographs(batch: Batch, preprocess: Preprocess) -> list[Image.Image]:
    """What the model saw, to draw on; none where the maps are not flat."""
    if len(batch.size) != 2:
        return []
    if batch.sources is not None:
        return [framed(source, preprocess) for source in batch.sources]
    inputs = batch.picture.detach()
    if inputs.ndim != 4 or inputs.shape[1] not in (1, 3):
        return [
            Image.new("RGB", (batch.size[1], batch.size[0]), (128, 128, 128)) for _ in batch.names
        ]
    pixels = seen(inputs, preprocess.for_channels(inputs.shape[1])).cpu()
    return [overlay(one.expand(3, -1, -1), torch.zeros_like(one[0]), strength=0) for one in pixels]
