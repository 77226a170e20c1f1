"""A folder of pictures: broken files are reported, the rest is explained, everything is written."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from sightline.atomic_write import replacing, write_atomically
from sightline.errors import ImageError, LayerError, TargetError
from sightline.explanation.batch_size import AdaptiveBatches, largest_batch
from sightline.explanation.explain import explain
from sightline.explanation.inputs import as_taken, like_model, turned
from sightline.explanation.page import entries, page
from sightline.explanation.plan import steps
from sightline.explanation.result import Explanation
from sightline.explanation.save import file_name, unused, writable
from sightline.images import as_preprocess, assumption, find, prepare
from sightline.methods.names import title_of
from sightline.models import card_of
from sightline.render import Entry
from sightline.tensors import first_weight
from sightline.types import Preprocess

_OF_EXPLAIN = (
    "counterfactual",
    "call",
    "grid",
    "axes",
    "preprocess",
    "classes",
    "outputs",
    "place",
)
"""Options that are no method's."""

_MOST_ON_CPU, _MOST_ON_GPU = 8, 64
"""Pictures explained at once: more are no faster."""

MOST_ON_PAGE = 100
"""The page shows this many pictures; all of them are in the folder."""


class Picture(NamedTuple):
    """A file that could be read: which one it is, and the model's input `[1, c, *s]`."""

    number: int
    path: Path
    inputs: Tensor


@dataclass
class Outcome:
    """What became of a folder: files done, files not read, with the reason, and the page."""

    done: list[Path] = field(default_factory=list)
    failed: dict[Path, str] = field(default_factory=dict)
    page: Path | None = None


def explain_folder(
    model: nn.Module,
    source: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    target: Any = None,
    method: str | Sequence[str] = ("grad_cam_pp",),
    layer: Any = None,
    batch_size: int | None = None,
    progress: Callable[[int], None] | None = None,
    title: str = "What the model looked at",
    **options: Any,
) -> Outcome:
    """Explain every picture of a folder (or a glob, or a list of files), and write it into `out`.

    Written: `index.html` (one self-contained page), `pictures/` (a PNG for each map), `maps/` (all
    tensors of an image, safetensors) and `explanations.jsonl` (a line for each map: file, method,
    target, score, confidence, status). A file that cannot be read is reported in the outcome and on
    the page; the others are done. `progress` is called with the number of files finished.
    `batch_size` pictures are explained at once: left out, 8 on a CPU, where more are no faster, and
    on a GPU as many as its free memory holds, up to 64. Where memory runs out it goes on with half
    as many. Options go to `explain`.

    A tensor as `target` has a row for each file.

    Raises `ImageError` where nothing is found, and any error that would strike every picture (an
    unknown method, layer or class, a model that cannot be explained).
    """
    files = pictures(source, out)
    run = _FolderRun(
        model,
        [method] if isinstance(method, str) else list(method),
        layer,
        target,
        _preprocess(model, options.pop("preprocess", None)),
        options,
    )
    names = run.validated(files)
    if Path(out).exists():
        writable(Path(out))
    most = batch_size or (_MOST_ON_CPU if run.device.type == "cpu" else _MOST_ON_GPU)
    batches = AdaptiveBatches(batch_size or partial(run.largest_batch, most=most))
    writer, outcome, shown = _Writer(Path(out)), Outcome(), list[Entry]()
    for group, broken in _readable(files, run.preprocess, most):
        outcome.failed |= broken
        shown += [Entry(path.name, warnings=[reason]) for path, reason in broken.items()]
        for found in batches.through(group, run.explained):
            outcome.done += writer.add(found)
            if len(shown) < MOST_ON_PAGE:
                shown += entries(model, found)
        if progress is not None:
            progress(len(group) + len(broken))
    intro = _intro(outcome, card_of(model).name, names, assumption(run.preprocess))
    outcome.page = writer.page(page(title, intro, shown[:MOST_ON_PAGE], names))
    return outcome


def pictures(source: str | Path | Sequence[str | Path], out: str | Path) -> list[Path]:
    """The files to explain.

    In a folder that holds `out`, the pictures of an earlier run are left aside.
    """
    sources = [source] if isinstance(source, str | Path) else list(source)
    if not sources:
        raise ImageError(
            "Expected a folder or files with pictures; got nothing. Name one: sightline explain"
            " photos/"
        )
    own = Path(out).resolve() / "pictures"
    return [
        path
        for one in sources
        for path in find(one)
        if Path(one).is_file() or own not in path.resolve().parents
    ]


@dataclass(frozen=True)
class _FolderRun:
    """How every picture of a folder is explained."""

    model: nn.Module
    method: list[str]
    layer: Any
    target: Any
    preprocess: Preprocess
    options: dict[str, Any]

    def validated(self, files: Sequence[Path]) -> list[str]:
        """The methods' proper names. What would be wrong with every picture is said at once."""
        if isinstance(self.layer, list | tuple):
            raise LayerError(
                f"Expected one layer for a folder; got {len(self.layer)}. Call once a layer, each"
                " with a folder of its own."
            )
        own = {word: value for word, value in self.options.items() if word not in _OF_EXPLAIN}
        names = [step.name for step in steps(self.method, own)]
        if self._one_a_file and len(self.target) != len(files):
            raise TargetError(
                f"Expected a class for each of the {len(files)} files, in their order; got"
                f" {len(self.target)}. One number or name is asked of all."
            )
        return names

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        weight = first_weight(self.model)
        return torch.device("cpu") if weight is None else weight.device

    @property
    def _one_a_file(self) -> bool:
        return isinstance(self.target, Tensor) and self.target.ndim > 0

    def explained(self, some: Sequence[Picture]) -> dict[Any, Explanation]:
        """Explanations of some pictures of one shape, by method."""
        inputs = like_model(self.model, torch.cat([one.inputs for one in some]))
        inputs = turned(inputs, self.options.get("axes"))
        target = self.target[[one.number for one in some]] if self._one_a_file else self.target
        found = explain(
            self.model,
            inputs,
            target,
            self.method,
            self.layer,
            preprocess=self.preprocess,
            **self.options,
        )
        paths = [one.path for one in some]
        names = [path.name for path in paths]
        return {key: replace(one, names=names, sources=paths) for key, one in found.items()}

    def largest_batch(self, one: Picture, *, most: int) -> int:
        """How many pictures like this one go together."""
        return largest_batch(lambda n: self.explained([one] * n), self.device, most)


def _readable(
    files: Sequence[Path], preprocess: Preprocess, size: int
) -> Iterator[tuple[list[Picture], dict[Path, str]]]:
    """Files that can be read, as pictures of one shape, with the reasons for those that cannot.

    So many files are read at a time, whatever becomes of them.
    """
    for start in range(0, len(files), size):
        by_shape: dict[tuple[int, ...], list[Picture]] = {}
        broken: dict[Path, str] = {}
        for number, path in enumerate(files[start : start + size], start):
            try:
                inputs = prepare(path, preprocess).inputs
            except (ImageError, OSError) as error:
                broken[path] = str(error)
                continue
            by_shape.setdefault(tuple(inputs.shape), []).append(Picture(number, path, inputs))
        for group in by_shape.values() or [[]]:
            yield group, broken
            broken = {}  # told once


def _preprocess(model: nn.Module, said: Any) -> Preprocess:
    return as_taken(card_of(model).preprocess if said is None else as_preprocess(said), model)


def _intro(outcome: Outcome, model: str, plan: Sequence[str], assumed: str | None) -> list[str]:
    done, failed = len(outcome.done), len(outcome.failed)
    text = [
        f"{done} picture{'s' if done != 1 else ''}, model {model},"
        f" {', '.join(title_of(name) for name in plan)}."
    ]
    if assumed is not None:
        text.append(f"{assumed[:1].upper()}{assumed[1:]}.")
    if failed:
        text.append(
            f"{failed} file{'s' if failed != 1 else ''} could not be read; each says why below."
        )
    if done > MOST_ON_PAGE:
        text.append(f"The page shows the first {MOST_ON_PAGE}; all are in the folder pictures/.")
    return text


class _Writer:
    """Writes as it goes, so that what is done is never lost; nothing before there is something."""

    def __init__(self, out: Path) -> None:
        self.out, self.taken, self.stems = out, set[str](), set[str]()
        self._lines = out / "explanations.jsonl"
        self._opened = False

    def add(self, found: dict[Any, Explanation]) -> list[Path]:
        """Write explanations of the same pictures; returns the files these are of."""
        self._open()
        paths = next(iter(found.values())).sources or []
        stems = [unused(file_name(path.name), self.stems) for path in paths]
        with self._lines.open("a", encoding="utf-8") as lines:
            for one in found.values():
                for line in self._pictures(one, paths, stems):
                    lines.write(json.dumps(line) + "\n")
        for i, stem in enumerate(stems):
            with replacing(self.out / "maps" / f"{stem}.safetensors") as beside:
                save_file(_tensors(found, i), beside)
        return paths

    def page(self, html: str) -> Path:
        """Write the page."""
        self._open()
        path = self.out / "index.html"
        write_atomically(path, html)
        return path

    def _open(self) -> None:
        if self._opened:
            return
        for folder in (self.out, self.out / "pictures", self.out / "maps"):
            writable(folder)
        self._lines.write_text("", encoding="utf-8")
        self._opened = True

    def _pictures(
        self, one: Explanation, paths: Sequence[Path], stems: Sequence[str]
    ) -> Iterator[dict[str, Any]]:
        """Write a PNG for each map; yields what is said of it."""
        rows = json.loads(one.as_json())["maps"]
        for row, (i, j, _, target, _) in zip(rows, one.each(), strict=True):
            parts = [stems[i], one.method]
            if one.several:
                parts.append(file_name(str(target)))
            picture = f"pictures/{unused('_'.join(parts), self.taken)}.png"
            with replacing(self.out / picture) as beside:
                one.picture(i, j).save(beside)
            about = {"file": str(paths[i]), "picture": picture}
            yield {**about, "method": one.method, "layer": one.layer, **row}


def _tensors(found: dict[Any, Explanation], i: int) -> dict[str, Tensor]:
    """The tensors of one image, by method, each with memory of its own, as the format wants it."""
    return {
        f"{one.method}/{name}": (
            getattr(one, name)[i].detach().cpu().clone(memory_format=torch.contiguous_format)
        )
        for one in found.values()
        for name in ("maps", "coarse", "scores")
    }
