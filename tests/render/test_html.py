"""The page kit: what every page has, and that what is asked for is there."""

import base64
import hashlib
import io
import re

import pytest
from jinja2 import UndefinedError
from PIL import Image

from sightline.errors import MethodError
from sightline.render import html


def one_page(**more):
    context = {
        "title": "A <title>",
        "intro": "One.",
        "entries": [],
        "legend": {},
        "gradient": None,
        "footer": "",
    }
    filters = {"picture": str, "share": str, "paragraphs": lambda text: [text]}
    return html.page("report.html.jinja", filters=filters, **{**context, **more})


def test_the_policy_names_the_one_script_by_its_digest():
    text = one_page()
    (script,) = re.findall(r"<script>(.*?)</script>", text, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text
    assert "default-src 'none'" in text


def test_texts_are_escaped_and_the_style_is_not():
    text = one_page(style="a > b {}")
    assert "A &lt;title&gt;" in text
    assert "A <title>" not in text
    assert "a > b {}</style>" in text.replace("\n", "")
    assert html.resource("report.css").strip() in text


def test_a_word_the_template_needs_and_nobody_gave_is_an_error():
    with pytest.raises(UndefinedError, match="'title' is undefined"):
        html.page("report.html.jinja", filters={"picture": str, "share": str, "paragraphs": str})


@pytest.mark.parametrize(("drawing", "kind"), [(True, "PNG"), (False, "JPEG")])
def test_a_picture_as_an_address_is_the_picture(drawing, kind):
    picture = Image.linear_gradient("L").convert("RGB")
    address = html.data_url(picture, drawing=drawing)
    assert address.startswith(f"data:image/{kind.lower()};base64,")
    found = Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))
    assert (found.format, found.size) == (kind, picture.size)
    assert found.tobytes() == picture.tobytes() or not drawing


def test_a_gradient_goes_from_the_map_s_lowest_colour_to_its_highest():
    stops = html.gradient("inferno").split(", ")
    assert (stops[0], stops[-1]) == ("rgb(0 0 4)", "rgb(252 255 164)")
    assert len(stops) == 18
    with pytest.raises(MethodError):
        html.gradient("jet")


def test_a_file_of_another_package():
    assert "{" in html.resource("results.css", "sightline.evaluation.report")
