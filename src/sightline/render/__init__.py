"""Pictures of what a model looked at: overlays, sheets, a page. Plain tensors and pictures in,
pictures out.

RGB throughout; every picture of a tensor is rounded to the nearest of 256 values. Maps may come
from any device, in any float type, with or without a graph.
"""

from typing import TYPE_CHECKING

from sightline.supply import lazily as _lazily

if TYPE_CHECKING:
    from sightline.render.colour_bar import colour_bar as colour_bar
    from sightline.render.colours import COLOURS as COLOURS
    from sightline.render.colours import DIVERGING as DIVERGING
    from sightline.render.colours import colourise as colourise
    from sightline.render.colours import diverging as diverging
    from sightline.render.html_page import Bar as Bar
    from sightline.render.html_page import Entry as Entry
    from sightline.render.html_page import Figure as Figure
    from sightline.render.html_page import report as report
    from sightline.render.outline import outline as outline
    from sightline.render.overlay import overlay as overlay
    from sightline.render.overlay import signed_overlay as signed_overlay
    from sightline.render.pictures import explanation_map as explanation_map
    from sightline.render.pictures import heat as heat
    from sightline.render.pictures import pixels_picture as pixels_picture
    from sightline.render.sheet import sheet as sheet
    from sightline.render.viewer import show as show

_WHERE = {
    "Bar": "sightline.render.html_page",
    "COLOURS": "sightline.render.colours",
    "DIVERGING": "sightline.render.colours",
    "Entry": "sightline.render.html_page",
    "Figure": "sightline.render.html_page",
    "colour_bar": "sightline.render.colour_bar",
    "colourise": "sightline.render.colours",
    "diverging": "sightline.render.colours",
    "explanation_map": "sightline.render.pictures",
    "heat": "sightline.render.pictures",
    "outline": "sightline.render.outline",
    "overlay": "sightline.render.overlay",
    "pixels_picture": "sightline.render.pictures",
    "report": "sightline.render.html_page",
    "sheet": "sightline.render.sheet",
    "show": "sightline.render.viewer",
    "signed_overlay": "sightline.render.overlay",
}

__all__ = [
    "COLOURS",
    "DIVERGING",
    "Bar",
    "Entry",
    "Figure",
    "colour_bar",
    "colourise",
    "diverging",
    "explanation_map",
    "heat",
    "outline",
    "overlay",
    "pixels_picture",
    "report",
    "sheet",
    "show",
    "signed_overlay",
]

_lazily(__name__)
