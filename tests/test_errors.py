"""The tree of errors, as its drawing shows it, and the ends of messages."""

import builtins
import re

import pytest

from sightline import errors
from sightline.errors import SightlineError, near

DRAWN = re.findall(r"[├└]── (\w+) .*\(also an? (\w+)\)", errors.__doc__)
"""Each error in the drawing, and the one of Python's own that it is too."""


def test_the_drawing_holds_every_error():
    own = {name for name in vars(errors) if name.endswith("Error")}
    assert {name for name, _ in DRAWN} | {"SightlineError"} == own
    assert len(DRAWN) == 10


@pytest.mark.parametrize(("name", "python"), DRAWN)
def test_each_is_caught_as_ours_and_as_python_s_with_its_words(name, python):
    kind = getattr(errors, name)
    for caught in (SightlineError, getattr(builtins, python)):
        with pytest.raises(caught, match="Expected this; came that"):
            raise kind("Expected this; came that. Do so.")
    others = {other for _, other in DRAWN} - {python}
    assert not issubclass(kind, tuple(getattr(builtins, other) for other in others))


def test_near_names_are_written_as_they_are_offered_and_the_nearest_comes_first():
    assert near("LAYR4", ["Layer3", "Layer4", "fc"]) == "Near names: 'Layer4', 'Layer3'."
    many = [f"layer{k}" for k in range(9)]
    assert len(re.findall("'", near("layer", many))) == 2 * 5
    assert near("layer", many, most=1).count("'") == 2


def test_what_is_near_nothing_is_told_what_there_is_up_to_twelve():
    names = [f"n{k:02d}" for k in range(13)]
    twelve = ", ".join(repr(name) for name in names[:12])
    assert near("zebra", names[:12]) == f"On offer: {twelve}."
    assert near("zebra", iter(names)) == f"On offer: {twelve}, ...."
