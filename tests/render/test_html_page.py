import base64
import hashlib
import io
import re
from html.parser import HTMLParser

import pytest
from PIL import Image

from sightline.errors import ImageError, MethodError
from sightline.render import Bar, Entry, Figure, report

VOID = {"meta", "link", "img", "br"}
EVIL = "<script>alert(1)</script>\"'&.png"


class Page(HTMLParser):
    """A page taken apart: its elements with their attributes, its visible text; unbalanced tags
    raise.
    """

    def __init__(self, page):
        super().__init__()
        self.elements, self.words, self.open = [], [], []
        self.scripts = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.scripts.append(data)
        elif self.open and self.open[-1] != "style" and data.strip():
            self.words.append(" ".join(data.split()))

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def figure(colour=(200, 30, 10), size=(40, 20), **more):
    return Figure(Image.new("RGB", size, colour), "Grad-CAM++", **more)


def entry(**more):
    return Entry(
        EVIL,
        ["First.", f"Then {EVIL}."],
        photograph=figure(note="What the model saw"),
        bars=[Bar(EVIL, 0.725, marked=True), Bar("lynx", 0.0002)],
        figures=[
            figure(note=EVIL, bar=Bar("keeps", 0.5, tick=0.725)),
            figure(drawing=True, alt=EVIL),
        ],
        facts={"Layer": EVIL, EVIL: "ok"},
        warnings=[EVIL],
        **more,
    )


def picture_of(address):
    kind, data = address.removeprefix("data:image/").split(";base64,")
    return kind, Image.open(io.BytesIO(base64.b64decode(data)))


@pytest.fixture(scope="module")
def page():
    return report(EVIL, [EVIL], [entry(), entry(), entry()], legend={EVIL: EVIL}, footer=EVIL)


def test_nothing_is_loaded_from_anywhere(page):
    parsed = Page(page)
    addresses = [
        value
        for _, attributes in parsed.elements
        for name, value in attributes.items()
        if name in ("src", "href", "srcset", "action", "data", "poster")
    ]
    assert addresses
    assert all(address.startswith(("data:", "#")) for address in addresses)
    assert not re.search(r"https?://|url\(|@import|//cdn", page)


def test_the_browser_is_forbidden_to_load_anything_and_to_run_any_other_script(page):
    parsed = Page(page)
    (policy,) = [meta["content"] for meta in parsed.all("meta") if "http-equiv" in meta]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    (script,) = parsed.scripts
    assert (
        rules["script-src"]
        == f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
    )


def test_markup_in_a_name_is_shown_and_not_obeyed(page):
    parsed = Page(page)
    assert len(parsed.all("script")) == 1
    assert "alert" not in parsed.scripts[0]
    assert parsed.words.count(EVIL) > 10
    assert EVIL in {image["alt"] for image in parsed.all("img")}
    assert all(
        name in ("style", "class") or "<" not in name
        for _, some in parsed.elements
        for name in some
    )


def test_pictures_are_inside_with_their_colours_in_order(page):
    kinds = set()
    for image in Page(page).all("img"):
        if "src" in image:
            kind, picture = picture_of(image["src"])
            kinds.add(kind)
            assert picture.size == (40, 20) == (int(image["width"]), int(image["height"]))
            assert picture.convert("RGB").getpixel((20, 10)) == pytest.approx((200, 30, 10), abs=2)
    assert kinds == {"jpeg", "png"}


def test_large_pictures_are_reduced_and_the_one_given_is_not_touched():
    large = figure(size=(3000, 1500))
    (image,) = [
        image
        for image in Page(report("t", "i", [Entry("e", figures=[large])])).all("img")
        if "src" in image
    ]
    assert (image["width"], image["height"]) == ("1024", "512")
    assert large.picture.size == (3000, 1500)


def test_transparency_is_white():
    clear = Figure(Image.new("RGBA", (8, 8), (0, 0, 0, 0)), "clear")
    (image,) = [
        image
        for image in Page(report("t", "i", [Entry("e", figures=[clear])])).all("img")
        if "src" in image
    ]
    assert picture_of(image["src"])[1].getpixel((4, 4)) == (255, 255, 255)


def test_it_can_be_read_aloud(page):
    parsed = Page(page)
    assert parsed.all("html")[0]["lang"] == "en"
    assert all("alt" in image for image in parsed.all("img"))
    assert all(image["alt"] for image in parsed.all("img") if "src" in image)
    assert all(button.get("aria-label") for button in parsed.all("button"))
    assert len(parsed.all("figcaption")) == len(parsed.all("figure"))
    assert len(parsed.all("h1")) == len(parsed.all("main")) == 1
    names = {attributes["id"] for _, attributes in parsed.elements if "id" in attributes}
    wanted = [
        attributes["aria-labelledby"]
        for _, attributes in parsed.elements
        if "aria-labelledby" in attributes
    ]
    wanted += [link["href"].removeprefix("#") for link in parsed.all("a")]
    assert wanted
    assert set(wanted) <= names


def test_bars_are_as_long_as_they_say():
    page = report(
        "t", "i", [Entry("e", bars=[Bar("cat", 0.456, tick=0.25), Bar("kept", 1.18, text="118 %")])]
    )
    parsed = Page(page)
    styles = [
        span["style"] for span in parsed.all("span") if span.get("class") in ("length", "tick")
    ]
    assert styles == ["width: 45.6%", "left: 25.0%", "width: 100.0%"]
    assert "45.6 %" in parsed.words
    assert "118 %" in parsed.words


@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf")])
def test_a_bar_has_a_length(value):
    with pytest.raises(ImageError, match="for 'cat'"):
        Bar("cat", value)
    with pytest.raises(ImageError, match="for 'cat'"):
        Bar("cat", 0.5, tick=value)


def test_figures_of_one_question_stand_together():
    figures = [figure(group="dog"), figure(group="dog"), figure(group="cat")]
    parsed = Page(report("t", "i", [Entry("e", figures=figures)]))
    assert [word for word in parsed.words if word in ("dog", "cat")] == ["dog", "cat"]
    assert len([section for section in parsed.all("section") if "class" not in section]) == 2


def test_an_entry_of_words_alone_and_a_page_without_entries():
    parsed = Page(
        report("t", "i", [Entry("broken.jpg", warnings=["could not be read"])], colours=None)
    )
    assert {"broken.jpg", "could not be read"} <= set(parsed.words)
    assert [image for image in parsed.all("img") if "src" in image] == []
    assert "most evidence" not in parsed.words
    assert "i" in Page(report("t", "i", [])).words


def test_the_legend_shows_the_colour_map():
    assert re.search(
        r"linear-gradient\(to right, rgb\(0 0 4\), .*rgb\(252 255 164\)\)", report("t", "i", [])
    )
    assert re.search(
        r"rgb\(68 1 84\), .*rgb\(253 231 37\)", report("t", "i", [], colours="viridis")
    )
    with pytest.raises(MethodError, match="'viridis'"):
        report("t", "i", [], colours="virids")
