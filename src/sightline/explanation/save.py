"""Explanations on disk: pictures to look at, tensors to go on with, and how they were made."""

import json
import re
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from sightline.atomic_write import replacing, write_atomically


def save_explanation(explanation: Any, folder: Path) -> list[Path]:
    """Write an explanation into a folder; see `Explanation.save`."""
    taken: set[str] = set()
    writable(folder)
    record = explanation.as_json()
    number = _number(folder, explanation.method, record)
    written = []
    for i, j, _, target, _ in explanation.each():
        parts = [file_name(explanation.names[i]), explanation.method]
        if explanation.several:
            parts.append(file_name(target.name))
        path = folder / f"{unused('_'.join(parts) + number, taken)}.png"
        with replacing(path) as beside:
            explanation.picture(i, j).save(beside)
        written.append(path)
    tensors = {
        name: value.detach().contiguous().cpu()
        for name in ("maps", "coarse", "scores", "probabilities", "pixels")
        if isinstance(value := getattr(explanation, name), torch.Tensor)
    }
    stem = f"explanation_{explanation.method}{number}"
    with replacing(folder / f"{stem}.safetensors") as beside:
        save_file(tensors, beside)
    write_atomically(folder / f"{stem}.json", record)
    return [*written, folder / f"{stem}.safetensors", folder / f"{stem}.json"]


def writable(folder: Path) -> None:
    """Make the folder, if it is not there."""
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(
            f"Expected a folder to write into; {folder} is a file. Give another name."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = (
            f"Expected a folder that can be written into; {folder} cannot be made"
            f" ({error.strerror}). Give another."
        )
        raise type(error)(why) from error


def _number(folder: Path, method: str, record: str) -> str:
    """What tells these files from those of others in the folder: nothing, `-2`, `-3`, ..."""
    number, n = "", 1
    while (path := folder / f"explanation_{method}{number}.json").exists():
        if _subject(path.read_text(encoding="utf-8")) == _subject(record):
            break
        n += 1
        number = f"-{n}"
    return number


def _subject(record: str) -> Any:
    """Images, targets, layer and variant of an explanation; None for a file that is no record."""
    try:
        read = json.loads(record)
        return (
            [(row["image"], row["target"], row["name"]) for row in read["maps"]],
            read["layer"]["name"],
            read["variant"],
        )
    except (ValueError, LookupError, TypeError):
        return None


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
