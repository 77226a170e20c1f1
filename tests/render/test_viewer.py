"""A picture before a person's eyes: a viewer where there is a display, else a warning."""

import sys

import pytest
from PIL import Image

from sightline.render import show

PICTURE = Image.new("RGB", (2, 2))


@pytest.fixture
def started(monkeypatch):
    """The pictures for which a viewer was started."""
    found = []
    monkeypatch.setattr(Image.Image, "show", lambda picture: found.append(picture))
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setitem(sys.modules, "IPython", None)  # no notebook
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    return found


@pytest.mark.parametrize("name", ["DISPLAY", "WAYLAND_DISPLAY"])
def test_a_viewer_where_there_is_a_display(started, monkeypatch, name):
    monkeypatch.setenv(name, ":0")
    show(PICTURE)
    assert started == [PICTURE]


def test_a_warning_that_names_the_way_out_where_there_is_none(started):
    with pytest.warns(UserWarning, match=r"no display .*e.save\('out/'\)"):
        show(PICTURE)
    assert started == []


def test_below_the_cell_of_a_notebook(started, monkeypatch):
    shown = []
    notebook = type(sys)("IPython")
    notebook.get_ipython = object
    notebook.display = type(sys)("IPython.display")
    notebook.display.display = shown.append
    monkeypatch.setitem(sys.modules, "IPython", notebook)
    monkeypatch.setitem(sys.modules, "IPython.display", notebook.display)
    show(PICTURE)
    assert (shown, started) == ([PICTURE], [])
