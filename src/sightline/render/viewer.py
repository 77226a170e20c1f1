"""Putting a picture before a person's eyes, wherever Python runs."""

import os
import sys
import warnings

from PIL import Image


def show(picture: Image.Image) -> None:
    """Below a notebook's cell, else in the system's viewer; a warning where there is no display."""
    try:
        # mypy: IPython may be absent; where it is installed its names are not exported
        from IPython import get_ipython  # type: ignore[attr-defined,import-not-found,unused-ignore]
        from IPython.display import display  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        notebook = False
    else:
        notebook = get_ipython() is not None
    if notebook:
        display(picture)
    elif sys.platform.startswith("linux") and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    ):
        warnings.warn(
            "there is no display to show a picture on; e.save('out/') writes it to a file",
            stacklevel=3,
        )
    else:
        picture.show()
