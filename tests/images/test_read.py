"""Where a picture may come from, and what is said when it does not."""

import gc
import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.data import shared
from helpers.pictures import photograph, stored
from sightline.errors import ImageError, SightlineError
from sightline.images import find, read

DATA = stored(Image.fromarray(photograph()), "PNG")


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    path.write_bytes(DATA)
    return path


def is_the_photo(picture: Image.Image) -> bool:
    return np.array_equal(np.asarray(picture), photograph())


@pytest.mark.parametrize(
    "form",
    [
        str,
        Path,
        lambda path: path.read_bytes(),
        lambda path: bytearray(path.read_bytes()),
        lambda path: memoryview(path.read_bytes()),
        lambda path: io.BytesIO(path.read_bytes()),
        lambda path: Image.fromarray(photograph()),
        lambda path: photograph(),
    ],
    ids=["str", "Path", "bytes", "bytearray", "memoryview", "BytesIO", "PIL", "array"],
)
def test_every_form_gives_the_same_pixels(photo: Path, form: Callable[[Path], object]) -> None:
    assert is_the_photo(read(form(photo)))


def test_the_suffix_does_not_matter(photo: Path) -> None:
    renamed = photo.rename(photo.with_suffix(".jpg"))
    assert is_the_photo(read(renamed))


def test_a_path_of_bytes_behind_a_pathlike(photo: Path) -> None:
    class Remote:
        def __fspath__(self) -> bytes:
            return os.fsencode(photo)

    assert is_the_photo(read(Remote()))


def test_a_file_object_is_read_from_its_start_and_stays_open(photo: Path) -> None:
    with photo.open("rb") as file:
        file.seek(100)
        assert is_the_photo(read(file))
        assert not file.closed


def test_a_file_object_that_cannot_go_back(photo: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, DATA)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        assert not pipe.seekable()
        assert is_the_photo(read(pipe))


def test_a_file_in_an_archive() -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr("a.png", DATA)
    with zipfile.ZipFile(archive) as back, back.open("a.png") as file:
        assert is_the_photo(read(file))


def test_a_given_picture_stays_as_it_was_and_the_result_is_another() -> None:
    given = Image.fromarray(photograph())
    given.info["comment"] = "mine"
    before = given.copy()
    got = read(given)
    got.putpixel((0, 0), (1, 2, 3))
    assert given == before
    assert got.info == {}
    array = photograph()
    read(array).putpixel((0, 0), (1, 2, 3))
    assert np.array_equal(array, photograph())


def test_reading_twice_is_reading_once(photo: Path) -> None:
    assert is_the_photo(read(read(read(photo))))


# -- errors: what was expected, what came, what to do --


def test_a_missing_file_gets_names_like_it(photo: Path) -> None:
    message = (
        r"foto\.png: expected a picture file; there is no file 'foto.png' in .*names:"
        r" 'photo.png'\.$"
    )
    with pytest.raises(ImageError, match=message):
        read(photo.parent / "foto.png")


def test_a_file_taken_for_a_folder(photo: Path) -> None:
    with pytest.raises(ImageError, match=r"there is no folder 'photo.png' in"):
        read(photo / "inner.png")


def test_an_address_is_not_fetched() -> None:
    with pytest.raises(
        ImageError, match=r"an address came, and sightline fetches nothing\. Download"
    ):
        read("https://example.org/cat.jpg")


def test_a_folder_in_place_of_a_file(photo: Path) -> None:
    folder = photo.parent
    message = (
        rf"^{folder}: expected a picture file; came a folder\."
        rf" sightline\.images\.find\('{folder}'\) l"
    )
    with pytest.raises(ImageError, match=message):
        read(photo.parent)


@pytest.mark.parametrize("name", ["nul\0byte.png", "x" * 5000])
def test_a_name_the_system_refuses(name: str) -> None:
    message = r"expected a picture file that can be opened; the system says: .*Check the name"
    with pytest.raises(ImageError, match=message):
        read(name)


def test_a_file_we_may_not_open(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, mode: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # a test run by root may open everything
    with pytest.raises(
        ImageError, match=r"photo\.png: .* the system says: Permission denied\. Check"
    ):
        read(photo)


@pytest.mark.parametrize("content", [b"", b"Hello, this is not a picture.", DATA[:500]])
def test_a_bad_file_is_named(photo: Path, content: bytes) -> None:
    photo.write_bytes(content)
    with pytest.raises(ImageError) as error:
        read(photo)
    assert str(error.value).startswith(f"{photo}: expected a ")
    with photo.open("rb") as file, pytest.raises(ImageError) as error:
        read(file)
    assert str(error.value).startswith(f"{photo}: expected a ")


def test_a_text_file_object(photo: Path) -> None:
    with pytest.raises(
        ImageError, match=r"the StringIO: expected a binary file; it gave str\. Open it with"
    ):
        read(io.StringIO("hello"))


def test_a_closed_file_object() -> None:
    file = io.BytesIO(DATA)
    file.close()
    with pytest.raises(
        ImageError, match=r"expected an open binary file; reading it failed \(.+\)\. Give"
    ):
        read(file)


def test_a_closed_pillow_picture(photo: Path) -> None:
    picture = Image.open(photo)
    picture.close()
    with pytest.raises(ImageError, match=r"photo\.png: expected a whole picture"):
        read(picture)


@pytest.mark.parametrize("source", [None, 7, 0.5, object(), [1, 2], {"a": 1}])
def test_something_else_altogether(source: object) -> None:
    with pytest.raises(
        ImageError, match=r"expected a path, bytes, a binary file, .*; came builtins\.\w+\."
    ):
        read(source)


def test_an_error_can_be_caught_as_what_it_is(tmp_path: Path) -> None:
    for kind in (ImageError, SightlineError, ValueError):
        with pytest.raises(kind, match="there is no file"):
            read(tmp_path / "none.png")


# -- files are closed --


def open_files() -> int:
    folder = Path("/proc/self/fd")
    if not folder.exists():
        pytest.skip("only Linux lists a process's open files")
    gc.collect()
    return len(list(folder.iterdir()))


@pytest.mark.slow
@pytest.mark.usefixtures("quick_collections")
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP"])
def test_no_file_stays_open(tmp_path: Path, kind: str) -> None:
    frames = [Image.fromarray(photograph(seed=seed)) for seed in range(2)]
    several = (
        {"save_all": True, "append_images": frames[1:]} if kind in ("GIF", "TIFF", "WEBP") else {}
    )
    data = stored(frames[0], kind, **several)
    path = tmp_path / "photo"
    before = open_files()
    kept: list[object] = []  # a result or an error that is still held keeps no file either
    for share in [1, 0.2, 0.02, 0]:
        path.write_bytes(data[: int(len(data) * share)])
        try:
            kept.append(read(path))
        except ImageError as error:
            kept.append(error)
    assert [type(one) for one in kept] == [Image.Image, ImageError, ImageError, ImageError]
    assert open_files() == before


@pytest.mark.slow
@pytest.mark.usefixtures("quick_collections")
def test_the_count_of_open_files_sees_one(photo: Path) -> None:
    before = open_files()
    with photo.open("rb"):
        assert open_files() == before + 1


def test_real_photographs() -> None:
    files = find(shared("imagenet-samples"))[:20]
    assert len(files) == 20
    for file in files:
        with Image.open(file) as picture:
            expected = np.asarray(picture.convert("RGB"))
        assert np.array_equal(np.asarray(read(file)), expected), file
