from pathlib import Path

import pytest

from sightline.errors import ImageError
from sightline.images import SUFFIXES, find


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name in [
        "10.jpg",
        "9.jpg",
        "b/2.png",
        "b/10.PNG",
        "b/1.TiFf",
        "a 2/x.webp",
        "a 10/x.bmp",
        "c.gif",
        "d.ppm",
        "e.tif",
        "f.jpeg",
        "notes.txt",
        "strange.avif",
        ".hidden.jpg",
        ".cache/x.jpg",
        "b/.deep/y.png",
        "no_suffix",
    ]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "folder.jpg").mkdir()
    return tmp_path


def names(found: list[Path], root: Path) -> list[str]:
    return [file.relative_to(root).as_posix() for file in found]


def test_a_folder_gives_its_pictures_as_people_count(photos: Path) -> None:
    assert names(find(photos), photos) == [
        "9.jpg",
        "10.jpg",
        "a 2/x.webp",
        "a 10/x.bmp",
        "b/1.TiFf",
        "b/2.png",
        "b/10.PNG",
        "c.gif",
        "d.ppm",
        "e.tif",
        "f.jpeg",
    ]
    assert find(str(photos)) == find(photos)


def test_the_suffixes_are_the_listed_ones() -> None:
    assert sorted(SUFFIXES) == sorted(
        f".{s}" for s in ["jpg", "jpeg", "png", "webp", "bmp", "gif", "tif", "tiff", "ppm"]
    )


def test_a_folder_that_is_hidden_itself_is_searched_when_named(photos: Path) -> None:
    assert names(find(photos / ".cache"), photos) == [".cache/x.jpg"]


def test_one_file_may_end_in_anything(photos: Path) -> None:
    assert find(photos / "no_suffix") == [photos / "no_suffix"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.jpg", ["9.jpg", "10.jpg"]),  # not the folder of that name, not the hidden file
        ("*", ["9.jpg", "10.jpg", "c.gif", "d.ppm", "e.tif", "f.jpeg"]),
        ("**/*.p[np]*", ["b/2.png", "d.ppm"]),
        ("b/?.*", ["b/1.TiFf", "b/2.png"]),
        ("*.avif", ["strange.avif"]),  # a suffix that is spelled out is taken at its word
    ],
)
def test_a_pattern(photos: Path, pattern: str, expected: list[str]) -> None:
    assert names(find(photos / pattern), photos) == expected


def test_a_file_whose_name_looks_like_a_pattern_is_a_file(photos: Path) -> None:
    (photos / "shot[1].jpg").write_bytes(b"")
    assert names(find(photos / "shot[1].jpg"), photos) == ["shot[1].jpg"]


def test_paths_stay_relative_when_they_came_so(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photos)
    assert find("b/*.png") == [Path("b/2.png")]


def test_a_linked_file_counts_and_a_linked_folder_is_not_entered(photos: Path) -> None:
    (photos / "b" / "round").symlink_to(photos)
    (photos / "b" / "3.jpg").symlink_to(photos / "9.jpg")
    (photos / "b" / "4.jpg").symlink_to(photos / "gone.jpg")
    assert names(find(photos / "b"), photos) == ["b/1.TiFf", "b/2.png", "b/3.jpg", "b/10.PNG"]


def test_equal_numbers_still_have_one_order(tmp_path: Path) -> None:
    for name in ["1.png", "01.png", "A.png", "a.png"]:
        (tmp_path / name).write_bytes(b"")
    assert names(find(tmp_path), tmp_path) == ["01.png", "1.png", "A.png", "a.png"]


@pytest.mark.parametrize("where", ["folder.jpg", "nothing*.jpg", "*.xyz"])
def test_nothing_found_is_an_error_that_says_what_is_searched_for(photos: Path, where: str) -> None:
    with pytest.raises(
        ImageError, match=r"found none.* \.png .*name a file of another suffix"
    ) as error:
        find(photos / where)
    assert str(error.value).startswith(str(photos / where))


def test_a_missing_file_gets_names_like_it(photos: Path) -> None:
    with pytest.raises(
        ImageError, match=r"there is no file 'not.txt' in .*Near names: 'notes.txt'"
    ):
        find(photos / "not.txt")


def test_a_missing_folder_is_named_rather_than_the_file(photos: Path) -> None:
    with pytest.raises(ImageError, match=r"there is no folder 'a 1' in .*'a 10'"):
        find(photos / "a 1" / "deeper" / "x.jpg")


def test_a_missing_file_in_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"there is no file 'x.jpg' in .*That folder is empty\."):
        find(tmp_path / "x.jpg")


def test_an_address_is_not_fetched() -> None:
    with pytest.raises(
        ImageError, match=r"example\.org/x\.jpg: expected a file on this machine.*Download"
    ):
        find("https://example.org/x.jpg")


def test_a_tilde_is_the_home_folder(monkeypatch, photos):
    monkeypatch.setenv("HOME", str(photos))
    assert find("~/9.jpg") == [photos / "9.jpg"]
    assert find("~") == find(photos)


def test_a_link_to_nothing_says_where_it_leads(tmp_path):
    (tmp_path / "cat.jpg").symlink_to(tmp_path / "gone.jpg")
    with pytest.raises(
        ImageError, match=r"it is a link to .*gone.jpg, which is not there. Mend the link"
    ):
        find(tmp_path / "cat.jpg")


def test_an_address_is_shown_as_it_was_written():
    with pytest.raises(
        ImageError, match=r"^https://example\.org/x\.jpg: expected a file on this machine"
    ):
        find("https://example.org/x.jpg")
