"""Whether what was found at one size of the picture holds at another: by the shape of the grid."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sightline.surgery.harness.given import Given
from sightline.surgery.harness.grids import Grid, Shape
from sightline.surgery.harness.input_frame import Frame

if TYPE_CHECKING:
    from sightline.surgery.harness.opened_layer import LayerRun

_MOST = 2
"""So many times as many places, or so many times fewer, are taken on trust.

What is confirmed lies within three quarters of a place. A model that cuts off a share of its
picture is off by a share of the grid: by twice as many places, where there are twice as many.
"""


@dataclass(frozen=True)
class Seen:
    """A layer's grid over what the layers see of a picture; `kind` and `prefix` are its layout.

    `stretched`: what they see has another size than the picture, so another one may be turned, too.
    """

    frame: Shape
    padded: bool
    kind: str
    prefix: int
    grid: Shape
    stretched: bool = False

    @staticmethod
    def of(given: Given, grid: Grid, size: Shape) -> "Seen":
        """As a run of the model has shown it."""
        frame = given.frame
        shown = tuple(frame.images[2:])
        padded, stretched = frame.shares is not None, shown != given.size
        return Seen(shown, padded, grid.kind, grid.prefix, tuple(size), stretched)

    def is_near(self, frame: Frame) -> bool:
        """Whether a picture that layers see in this `frame` is not much larger, nor much smaller.

        >>> here = Seen((224, 224), False, "channels first", 0, (7, 7))
        >>> here.is_near(Frame((1, 3, 224, 320))), here.is_near(Frame((1, 3, 64, 64)))
        (True, False)
        """
        there = tuple(frame.images[2:])
        return len(there) == len(self.frame) and all(
            n <= _MOST * m and m <= _MOST * n for n, m in zip(there, self.frame, strict=True)
        )

    def scales_to(self, other: "Seen") -> bool:
        """Whether another grid is this one, over a picture of another size: of the same stride.

        >>> here = Seen((224, 224), False, "channels first", 0, (7, 7))
        >>> here.scales_to(Seen((224, 320), False, "channels first", 0, (7, 10)))
        True
        >>> here.scales_to(Seen((448, 448), False, "channels first", 0, (7, 7)))
        False
        """
        one, two = ((s.padded, s.stretched, s.kind, s.prefix) for s in (self, other))
        return (
            one == two
            and len(self.grid) == len(other.grid) == len(other.frame)
            and all(
                abs(there * n / size - m) < 1 and m <= _MOST * n and n <= _MOST * m
                for size, n, there, m in zip(
                    self.frame, self.grid, other.frame, other.grid, strict=True
                )
            )
        )

    @property
    def plain(self) -> dict[str, Any]:
        """As JSON values."""
        return dict(vars(self))

    @staticmethod
    def back(plain: dict[str, Any]) -> "Seen":
        """From JSON values; raises `TypeError` or `KeyError` for what is none."""
        return Seen(**{**plain, "frame": tuple(plain["frame"]), "grid": tuple(plain["grid"])})


def note(given: Given, run: "LayerRun", grid: Grid, size: Shape) -> None:
    """Which grid a run of the layer has shown."""
    given._known[_word("grid", run)] = grid, size


def noted(given: Given, run: "LayerRun") -> Seen | None:
    """The grid that was shown, if one was."""
    found = given._known.get(_word("grid", run))
    return None if found is None else Seen.of(given, *found)


def presume(given: Given, run: "LayerRun", there: Seen) -> None:
    """What was found at another size is taken to hold, until the layer was seen at this one."""
    given._known[_word("presumed", run)] = there, 1


def presume_chosen(given: Given, name: str, there: Seen, least: int) -> None:
    """The same of a layer that was chosen at another size, whichever of its runs is opened.

    Its grid has to have so many places along each side.
    """
    given._known[f"chosen {name}"] = there, least


def distrust(given: Given) -> None:
    """From now on nothing is taken over from other sizes."""
    given._known["distrust"] = True
    for word in [one for one in given._known if one.startswith(("presumed ", "chosen "))]:
        del given._known[word]


def presumed(given: Given) -> bool:
    """Whether anything was taken over that has not been seen to hold."""
    return any(one.startswith(("presumed ", "chosen ")) for one in given._known)


def trusted(given: Given) -> bool:
    """Whether something may be taken over."""
    return "distrust" not in given._known


def holds(given: Given, run: "LayerRun", grid: Grid, size: Shape) -> bool:
    """Whether what was presumed holds, now that the layer has been seen; nothing presumed does."""
    presumed: tuple[Seen, int] | None
    for word in (_word("presumed", run), f"chosen {run.name}"):
        presumed = given._known.get(word)
        if presumed is not None:
            there, least = presumed
            if min(size[-2:]) < least or not there.scales_to(Seen.of(given, grid, size)):
                return False
    return True


def _word(what: str, run: "LayerRun") -> str:
    return f"{what} {run.call} {run.name}"
