"""What is printed: the page, Markdown, LaTeX, CSV, drawings."""

import base64
import hashlib
import io
import re

from PIL import Image

from helpers.parsed_page import Page
from sightline.evaluation.report.tables import findings, score_tables


def test_the_page_says_the_numbers(text, summary):
    said = Page(text).text
    for table in score_tables(summary):
        for label, cells in table.lines:
            assert label in said
            for cell in cells:
                assert cell.text in said
                assert cell.interval in said
    for sentence in [*findings(summary), *(one.sentence for one in summary.cautions)]:
        assert " ".join(sentence.split()) in said
    assert summary.run["protocol_digest"] in said
    assert "soft map over its maximum" in said
    assert "last feature map (layer4)" in said
    assert "ImageError: Expected a picture; came 3 bytes <&>." in said
    assert "Overlap of the thresholded map with the union of the class's boxes" in said
    assert "torch 2.9" in said


def test_the_page_loads_nothing(text):
    whole = Page(text)
    for tag, attributes in whole.elements:
        for name in ("src", "href", "xlink:href", "srcset", "action", "data", "poster"):
            address = attributes.get(name) or "#"
            assert address.startswith(("#", "data:")), (tag, address)
        assert not any(name.startswith("on") for name in attributes), "no script in attributes"
    assert "http://" not in text
    assert "https://" not in text
    assert "@import" not in text
    assert set(re.findall(r"url\(.", text)) <= {"url(#"}


def test_the_page_forbids_what_it_does_not_need(text):
    whole = Page(text)
    policy = next(
        a["content"]
        for tag, a in whole.elements
        if a.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none'")
    (script,) = whole.scripts
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy


def test_names_on_the_page_are_single(text):
    names = [attributes["id"] for _, attributes in Page(text).elements if "id" in attributes]
    assert len(names) == len(set(names))
    targets = {a["href"][1:] for tag, a in Page(text).elements if tag == "a"}
    targets |= {a["xlink:href"][1:] for tag, a in Page(text).elements if tag == "use"}
    assert targets <= set(names)


def test_markup_in_names_is_shown(text):
    assert "A title &lt;b&gt;" in text
    assert "came 3 bytes &lt;&amp;&gt;." in text
    assert "espresso &amp; cream" in text


def test_pictures_in_the_page_are_pictures(text):
    sources = [a["src"] for tag, a in Page(text).elements if tag == "img" and "src" in a]
    assert len(sources) == 3 * 3 * 5
    picture = Image.open(io.BytesIO(base64.b64decode(sources[0].partition(",")[2])))
    assert picture.size == (160, 160)
