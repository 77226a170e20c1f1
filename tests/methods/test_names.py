"""What lists say of the methods, without torch, is what the methods say of themselves."""

import pytest

from helpers.docstrings import first_paragraph
from sightline.errors import MethodError
from sightline.methods import METHODS
from sightline.methods.blackbox import BLACKBOX
from sightline.methods.blackbox.names import BLACK_BOX_NAMES
from sightline.methods.names import CAM_NAMES, about_any, summary_of, title_of
from sightline.methods.pixel import PIXELSPACE
from sightline.methods.pixel.contents import RULES
from sightline.methods.pixel.names import PIXEL_NAMES, multiplied_cam

FAMILIES = ((CAM_NAMES, METHODS), (PIXEL_NAMES, PIXELSPACE), (BLACK_BOX_NAMES, BLACKBOX))
EVERY = [(table, name, functions[name]) for table, functions in FAMILIES for name in functions]

each = pytest.mark.parametrize(("table", "name", "function"), EVERY, ids=[one[1] for one in EVERY])


@pytest.mark.parametrize(("table", "functions"), FAMILIES, ids=["cams", "pixel", "blackbox"])
def test_the_table_holds_the_contents_in_their_order(table, functions):
    assert [line.name for line in table.lines] == list(functions)


@each
def test_the_summary_is_the_first_paragraph_of_the_docstring(table, name, function):
    assert table.entries[name].summary == first_paragraph(function)


@each
def test_the_title_in_print_finds_the_method(table, name, function):
    assert title_of(name) == table.entries[name].title
    if name != "guided_cam":  # by itself the product with CAM: Guided CAM
        assert about_any(table.entries[name].title) == table.entries[name]


def test_every_method_in_pixel_space_has_its_backward_rule():
    assert list(RULES) == list(PIXELSPACE)
    assert set(RULES.values()) == {None, "guided", "deconvnet"}


@pytest.mark.parametrize("name", CAM_NAMES.entries)
def test_a_guided_product_is_called_after_its_map(name):
    said = about_any(f"guided_{name}")
    assert said.title == f"Guided {CAM_NAMES.entries[name].title}"
    assert said.name == f"guided_{name}"
    assert multiplied_cam(said.title) is not None
    assert summary_of(f"guided_{name}") == PIXEL_NAMES.entries["guided_cam"].summary


@pytest.mark.parametrize("name", ["zebra", "guided zebra", "", "guided"])
def test_nobody_s_name_is_an_error(name):
    with pytest.raises(MethodError, match="Expected the name of a method"):
        title_of(name)
