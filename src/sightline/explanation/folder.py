"""A folder of pictures, whatever is in it: broken files are reported, the rest is done, everything
is written.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from sightline.errors import ImageError, LayerError, TargetError
from sightline.explanation.batch_size import AdaptiveBatches, largest_batch
from sightline.explanation.explain import explain
from sightline.explanation.page import entries, page
from sightline.explanation.plan import steps
from sightline.explanation.result import Explanation
from sightline.explanation.save import file_name, unused, writable
from sightline.images import find, prepare
from sightline.methods.names import title_of
from sightline.models import card_of
from sightline.render import Entry

_OF_EXPLAIN = ("counterfactual", "call", "grid", "preprocess", "classes")
"""Options that are no method's."""

MOST_ON_PAGE = 100
"""The page shows this many pictures; all of them are in the folder."""


class Picture(NamedTuple):
    """A file that could be read: which one it is, and the model's input `[1, c, *s]`."""

    number: int
    path: Path
    inputs: Tensor


@dataclass
class Outcome:
    """What became of a folder: files done, files that could not be read (with the reason), and
    where the page is.
    """

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
    """Explain every picture of a folder (or a glob, or a list of files) and write what was found
    into `out`.

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
    if isinstance(layer, list | tuple):
        raise LayerError(
            f"Expected one layer for a folder; got {len(layer)}. Call once a layer, each with a"
            " folder of its own."
        )
    method = [method] if isinstance(method, str) else list(method)
    plan = [
        step.name
        for step in steps(method, {k: v for k, v in options.items() if k not in _OF_EXPLAIN})
    ]
    if Path(out).exists():
        writable(Path(out))
    writer: _Writer | None = None  # nothing is written before the first pictures are explained
    outcome = Outcome()
    shown: list[Entry] = []
    card = card_of(model)
    preprocess = options.pop("preprocess", None) or card.preprocess
    anchor = next((p for p in model.parameters() if p.is_floating_point()), torch.zeros(1))

    if isinstance(target, Tensor) and target.ndim and len(target) != len(files):
        raise TargetError(
            f"Expected a class for each of the {len(files)} files, in their order; got"
            f" {len(target)}. One number or name is asked of all."
        )

    def explained(some: Sequence[Picture]) -> dict[Any, Explanation]:
        inputs = torch.cat([one.inputs for one in some]).to(anchor)
        own = (
            target[[one.number for one in some]]
            if isinstance(target, Tensor) and target.ndim
            else target
        )
        found = explain(model, inputs, own, method, layer, preprocess=preprocess, **options)
        return {
            name: _named(one, [picture.path for picture in some]) for name, one in found.items()
        }

    most = batch_size or (8 if anchor.device.type == "cpu" else 64)
    room: AdaptiveBatches | None = None if batch_size is None else AdaptiveBatches(batch_size)
    for read, broken in _batches(files, preprocess, most):
        for path, reason in broken.items():
            outcome.failed[path] = reason
            shown.append(Entry(path.name, warnings=[reason]))
        if read and room is None:
            room = AdaptiveBatches(
                largest_batch(partial(_several, explained, read[0]), anchor.device, most)
            )
        for named in room.through(read, explained) if room else ():
            paths = next(iter(named.values())).sources or []
            writer = writer or _Writer(Path(out))
            writer.write(named, paths)
            if len(shown) < MOST_ON_PAGE:
                shown.extend(entries(model, named))
            outcome.done.extend(paths)
        if progress is not None:
            progress(len(read) + len(broken))
    outcome.page = (writer or _Writer(Path(out))).page(
        page(title, _intro(outcome, card.name, plan), shown[:MOST_ON_PAGE], plan)
    )
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


def _batches(
    files: Sequence[Path], preprocess: Any, size: int
) -> Iterator[tuple[list[Picture], dict[Path, str]]]:
    """Files that can be read, as pictures of one shape, with the reasons for those that cannot."""
    for start in range(0, len(files), size):
        good: dict[tuple[int, ...], list[Picture]] = {}
        broken: dict[Path, str] = {}
        for number, path in enumerate(files[start : start + size], start):
            try:
                inputs = prepare(path, preprocess).inputs
                good.setdefault(tuple(inputs.shape), []).append(Picture(number, path, inputs))
            except (ImageError, OSError) as error:
                broken[path] = str(error)
        for read in good.values() or [[]]:
            yield read, broken
            broken = {}


def _several(explained: Callable[[Sequence[Picture]], Any], one: Picture, n: int) -> Any:
    """What one picture would take, were there so many of it."""
    return explained([one] * n)


def _named(one: Explanation, paths: Sequence[Path]) -> Explanation:
    return replace(one, names=[path.name for path in paths], sources=list(paths))


def _intro(outcome: Outcome, model: str, plan: Sequence[str]) -> list[str]:
    done, failed = len(outcome.done), len(outcome.failed)
    text = [
        f"{done} picture{'s' if done != 1 else ''}, model {model},"
        f" {', '.join(title_of(name) for name in plan)}."
    ]
    if failed:
        text.append(
            f"{failed} file{'s' if failed != 1 else ''} could not be read; each says why below."
        )
    if done > MOST_ON_PAGE:
        text.append(f"The page shows the first {MOST_ON_PAGE}; all are in the folder pictures/.")
    return text


class _Writer:
    """Writes as it goes, so that what is done is never lost."""

    def __init__(self, out: Path) -> None:
        self.out, self.taken, self.stems = out, set[str](), set[str]()
        for folder in (out, out / "pictures", out / "maps"):
            writable(folder)
        (out / "explanations.jsonl").write_text("", encoding="utf-8")

    def write(self, found: dict[Any, Explanation], paths: Sequence[Path]) -> None:
        stems = [unused(file_name(path.name), self.stems) for path in paths]
        with (self.out / "explanations.jsonl").open("a", encoding="utf-8") as lines:
            for one in found.values():
                for row, (i, j, *_) in zip(
                    json.loads(one.as_json())["maps"], one.each(), strict=True
                ):
                    parts = [
                        stems[i],
                        one.method,
                        *([file_name(str(one.targets[i][j]))] if one.several else []),
                    ]
                    picture = f"pictures/{unused('_'.join(parts), self.taken)}.png"
                    one.picture(i, j).save(self.out / picture)
                    line = {
                        "file": str(paths[i]),
                        "picture": picture,
                        "method": one.method,
                        "layer": one.layer,
                        **row,
                    }
                    lines.write(json.dumps(line) + "\n")
        for i, stem in enumerate(stems):
            tensors = {
                f"{one.method}/{name}": (
                    getattr(one, name)[i]
                    .detach()
                    .cpu()
                    .clone(memory_format=torch.contiguous_format)
                )
                for one in found.values()
                for name in ("maps", "coarse", "scores")
            }
            save_file(tensors, self.out / "maps" / f"{stem}.safetensors")

    def page(self, html: str) -> Path:
        path = self.out / "index.html"
        path.write_text(html, encoding="utf-8")
        return path
