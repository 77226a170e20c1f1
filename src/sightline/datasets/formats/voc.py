"""PASCAL VOC: `JPEGImages/`, `Annotations/*.xml`, and `SegmentationObject/` where it is there.

VOC counts pixels from 1 and includes the last one: a box (1, 1, 2, 2) is four pixels, here (0, 0,
2, 2).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from sightline.datasets.annotation import annotated
from sightline.datasets.data import Data, evenly
from sightline.datasets.masks import PaletteIndex
from sightline.datasets.record import Number, Object, Record
from sightline.errors import DataError
from sightline.images import SUFFIXES

CLASSES = (
    *(
        "aeroplane",
        "bicycle",
        "bird",
        "boat",
        "bottle",
        "bus",
        "car",
        "cat",
        "chair",
        "cow",
        "diningtable",
    ),
    *("dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
"""VOC's own twenty classes; in `SegmentationClass` the first is index 1."""


def voc(path: Path, split: str | None = None, limit: int | None = None) -> Data:
    """A folder in the layout of PASCAL VOC; `split` is a list in `ImageSets/`, such as `val`.

    Every picture and every annotation is a record: a picture without annotation is not annotated,
    an annotation without picture, and one that cannot be understood, has an error. `difficult`
    objects are kept and marked.

    Masks: object `i` of the file has index `i` in `SegmentationObject/NAME.png`; where there is
    only `SegmentationClass/NAME.png`, an object is its class's pixels within its box. 255 belongs
    to no object.

    Raises `DataError` when there is neither picture nor annotation, for pictures that lie there as
    in any other folder, and for a list that is not there.
    """
    pictures = _pictures(path)
    notes = {
        file.stem: file for file in _inside(path / "Annotations") if file.suffix.lower() == ".xml"
    }
    masks = {kind: {file.stem: file for file in _inside(path / kind)} for kind in _MASKS}
    stems = sorted({*pictures, *notes}) if split is None else _listed(path, split)
    if not stems:
        raise DataError(
            f"{path}: expected pictures in JPEGImages/ and XML files in Annotations/; found none of"
            " either. Name the folder that holds the two."
        )
    if not notes and not (path / "JPEGImages").is_dir():
        raise DataError(
            f"{path}: expected PASCAL VOC, with JPEGImages/ and XML files in Annotations/; found"
            f" pictures ({len(pictures)}) and no annotation. Name the folder that holds the two."
        )
    records = []
    for stem in evenly(stems, limit):
        drawn = next(((kind, masks[kind][stem]) for kind in _MASKS if stem in masks[kind]), None)
        records.append(_record(path, stem, notes.get(stem), pictures, drawn))
    used = {one.name for record in records for one in record.objects}
    classes = CLASSES if used <= set(CLASSES) else tuple(sorted(used))
    return Data(
        path.name, "voc", path, records, classes if used else None, notes=_twins(path), split=split
    )


_MASKS = ("SegmentationObject", "SegmentationClass")


@dataclass(frozen=True)
class _Annotation:
    filename: str
    size: tuple[int, int] | None
    objects: tuple[Object, ...]


def _record(
    path: Path,
    stem: str,
    note: Path | None,
    pictures: dict[str, Path],
    drawn: tuple[str, Path] | None,
) -> Record:
    picture = pictures.get(stem)
    if note is None:
        if picture is None:
            return _missing(path, stem, "the list names")
        return Record(stem, picture)
    try:
        found = _read(note, drawn)
    except (ElementTree.ParseError, ValueError, LookupError, OSError) as error:
        reason = (
            f"Expected an annotation in VOC's XML in {note.name}; it cannot be understood"
            f" ({error}). Mend it."
        )
        return Record(stem, picture or path / "JPEGImages" / f"{stem}.jpg", error=reason)
    if picture is None:
        picture = pictures.get(Path(found.filename).stem)
    if picture is None:
        return _missing(path, stem, f"{note.name} describes")
    return annotated(stem, picture, found.objects, size=found.size)


def _missing(path: Path, stem: str, whose: str) -> Record:
    folder = path / "JPEGImages"
    reason = f"Expected the picture {stem} that {whose}; it is not in {folder}. Copy it there."
    return Record(stem, folder / f"{stem}.jpg", error=reason)


def _read(note: Path, drawn: tuple[str, Path] | None) -> _Annotation:
    """One XML file. Raises `ValueError` naming what is missing in it."""
    root = ElementTree.parse(note).getroot()
    if root.tag != "annotation":
        raise ValueError(f"it begins with <{root.tag}>, not with <annotation>")
    objects = []
    for number, one in enumerate(root.iter("object"), start=1):
        name = (one.findtext("name") or "").strip()
        if not name:
            raise ValueError(f"object {number} has no name")
        corners = [
            _number(one, f"bndbox/{side}", number) for side in ("xmin", "ymin", "xmax", "ymax")
        ]
        box = (corners[0] - 1, corners[1] - 1, corners[2], corners[3])
        difficult = (one.findtext("difficult") or "0").strip() == "1"
        objects.append(Object(name, box, _mask(drawn, number, name, box), difficult))
    width, height = (int(float(root.findtext(f"size/{side}") or 0)) for side in ("width", "height"))
    size = (
        (width, height) if width > 0 and height > 0 else None
    )  # some programs write 0 for "not known"
    return _Annotation((root.findtext("filename") or "").strip(), size, tuple(objects))


def _number(one: ElementTree.Element, where: str, number: int) -> Number:
    text = one.findtext(where)
    if text is None:
        raise ValueError(f"object {number} has no {where}")
    value = float(text)
    return int(value) if value.is_integer() else value


def _mask(
    drawn: tuple[str, Path] | None,
    number: int,
    name: str,
    box: tuple[Number, Number, Number, Number],
) -> PaletteIndex | None:
    if drawn is None:
        return None
    kind, file = drawn
    if kind == "SegmentationObject":
        return PaletteIndex(file, number)
    return PaletteIndex(file, CLASSES.index(name) + 1, box) if name in CLASSES else None


def _pictures(path: Path) -> dict[str, Path]:
    return {file.stem: file for file in _files(path)}


def _twins(path: Path) -> tuple[str, ...]:
    """A sentence where pictures share a name, and an annotation can mean only one of them."""
    files, kept = _files(path), _pictures(path)
    left = [file.name for file in files if kept[file.stem] != file]
    if not left:
        return ()
    return (
        (
            f"{len(left)} pictures share their name with another and are left aside:"
            f" {', '.join(left[:5])}."
        ),
    )


def _files(path: Path) -> list[Path]:
    folder = next(
        (path / name for name in ("JPEGImages", "images", "Images") if (path / name).is_dir()), path
    )
    return [file for file in _inside(folder) if file.suffix.lower() in SUFFIXES]


def _inside(folder: Path) -> Sequence[Path]:
    return (
        [file for file in folder.iterdir() if not file.name.startswith(".")]
        if folder.is_dir()
        else []
    )


def _listed(path: Path, split: str) -> list[str]:
    """The names in `ImageSets/Main/val.txt` (or `Segmentation/`): the first word of each line."""
    for folder in ("Main", "Segmentation", "Layout", "."):
        file = path / "ImageSets" / folder / f"{split}.txt"
        if file.is_file():
            return list(
                dict.fromkeys(
                    line.split()[0] for line in file.read_text().splitlines() if line.strip()
                )
            )
    sets = sorted({file.stem for file in (path / "ImageSets").rglob("*.txt")})
    there = (
        f"There are: {', '.join(sets[:12])}." if sets else "There are no lists: leave split out."
    )
    raise DataError(
        f"{path}: expected the list ImageSets/Main/{split}.txt for split {split!r}; it is not"
        f" there. {there}"
    )
