"""The page kit: a template, filled, as one HTML file that loads nothing from anywhere.

Style, script and pictures stand in the page. Its security policy names the script by its digest and
forbids everything else, so a page works offline and tells nobody that it was opened. All texts are
escaped: what looks like markup in a file's name is shown, not obeyed.
"""

import base64
import hashlib
import io
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from PIL import Image

from sightline.render.colours import table

HERE = "sightline.render"
"""The package that has the style and the script of every page."""


def page(
    template: str,
    *,
    package: str = HERE,
    filters: Mapping[str, Callable[..., Any]] | None = None,
    style: str = "",
    **context: Any,
) -> str:
    """The template of that name in `package`, filled with `context`.

    A template finds `style` (every page's, and the one given behind it), `script` and `script_hash`
    beside what it is given. Raises where it asks for anything else.
    """
    from jinja2 import Environment, StrictUndefined  # only a page needs it
    from markupsafe import Markup

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= dict(filters or {})
    script = resource("report.js")
    return environment.from_string(resource(template, package)).render(
        **context,
        style=Markup(resource("report.css") + style),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def data_url(picture: Image.Image, *, drawing: bool = False, quality: int = 88) -> str:
    """The picture itself as an address: a drawing without loss (PNG), else a photograph (JPEG).

    >>> data_url(Image.new("RGB", (1, 1)), drawing=True)[:22]
    'data:image/png;base64,'
    """
    buffer = io.BytesIO()
    if drawing:
        picture.save(buffer, "PNG", optimize=True)
    else:  # colours at full resolution: a heat map's edges are edges of colour
        picture.save(buffer, "JPEG", quality=quality, subsampling=0, optimize=True)
    kind = "png" if drawing else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def gradient(colours: str) -> str:
    """The stops of a colour map, from low to high, for `linear-gradient`.

    >>> gradient("grey")
    'rgb(0 0 0), rgb(255 255 255)'
    """
    stops = (table(colours) * 255).round().int()[:: max(1, len(table(colours)) // 17)].tolist()
    return ", ".join(f"rgb({r} {g} {b})" for r, g, b in stops)


@cache
def resource(name: str, package: str = HERE) -> str:
    """The text of a file that lies beside a package's modules."""
    return files(package).joinpath(name).read_text("utf-8")
