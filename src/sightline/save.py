"""Explanations on disk: pictures to look at, tensors to go on with, and how they were made."""

import re
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file


def save_explanation(explanation: Any, folder: Path, taken: set[str] | None = None) -> list[Path]:
    """Write an explanation into a folder; see `Explanation.save`.

    `taken` collects the names used, so that several explanations saved by one run never share a file; a file
    from an earlier run is replaced.
    """
    taken = set() if taken is None else taken
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for i, j, _, target, _ in explanation.each():
        parts = [file_name(explanation.names[i]), explanation.method]
        if explanation.several:
            parts.append(file_name(target.name))
        path = folder / f"{unused('_'.join(parts), taken)}.png"
        explanation.picture(i, j).save(path)
        written.append(path)
    tensors = {
        name: value.detach().contiguous().cpu()
        for name in ("maps", "coarse", "scores", "probabilities", "pixels")
        if isinstance(value := getattr(explanation, name), torch.Tensor)
    }
    stem = unused(f"explanation_{explanation.method}", taken)
    save_file(tensors, folder / f"{stem}.safetensors")
    (folder / f"{stem}.json").write_text(explanation.as_json(), encoding="utf-8")
    return [*written, folder / f"{stem}.safetensors", folder / f"{stem}.json"]


def file_name(text: str) -> str:
    """A text as part of a file name.

    >>> file_name("tabby, tabby cat"), file_name("photo.01.jpg")
    ('tabby-tabby-cat', 'photo.01')
    """
    stem = re.sub(r"\.(jpe?g|png|webp|bmp|gif|tiff?|ppm)$", "", text, flags=re.IGNORECASE)
    return re.sub(r"[^\w.]+", "-", stem).strip("-.") or "image"


def unused(stem: str, taken: set[str]) -> str:
    """The stem, or the first of `stem-2`, `stem-3`, ... that is not taken; it is taken from now on.

    >>> used = set()
    >>> unused("cat", used), unused("cat", used), unused("Cat", used)
    ('cat', 'cat-2', 'Cat-3')
    """
    name, number = stem, 2
    while name.lower() in taken:  # some file systems do not tell case
        name, number = f"{stem}-{number}", number + 1
    taken.add(name.lower())
    return name
