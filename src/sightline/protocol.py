"""How a measurement is made: every choice that changes a number, in one value to print and hash."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from typing import Any

from sightline.errors import ProtocolError, near

_CHOICES = {
    "explained": ("predicted", "given"),
    "score": ("probability", "logit"),
    "drop": ("relative", "absolute"),
    "space": ("raw", "normalised"),
    "fill": ("zero", "mean", "blur"),
    "mask": ("soft", "soft top", "binary top"),
    "scaling": ("max", "min-max"),
    "scaled": ("enlarged", "coarse"),
    "upsampling": ("linear", "nearest"),
    "deletion_fill": ("black", "mean", "blur"),
    "insertion_fill": ("black", "mean", "blur"),
}

_OUTPUTS = ("softmax", "sigmoid", "probability", "value")


@dataclass(frozen=True)
class Protocol:
    """Every choice behind a number, by the Grad-CAM++ paper; where it is silent, what we took.

    | field | is | paper |
    |---|---|---|
    | `explained` | the class explained: the `predicted` or the `given` one | predicted |
    | `layer` | the layer, by name; None: the last feature map | last |
    | `axes` | how the model's inputs are read, as in `explain`; None: read off the model | |
    | `outputs` | what the model's outputs are, as in `explain`; None: what its card says | |
    | `score` | what Y and O are: a `probability` or a `logit` | probability |
    | `drop` | what Average Drop divides by: Y (`relative`) or nothing (`absolute`) | relative |
    | `space` | what is multiplied: `raw` pixels (0: black) or `normalised` (0: the mean) | silent |
    | `fill` | what hidden places become: `zero`, the `mean` colour, the `blur`red image | silent |
    | `mask` | the map (`soft`), its `top` share (`soft top`), as 0 and 1 (`binary top`) | soft |
    | `top` | the share of pixels kept by the two latter, the strongest first | |
    | `scaling` | maps into [0, 1]: over their maximum (`max`), or `min-max` | max |
    | `scaled` | before enlarging (`coarse`) or after it (`enlarged`) | silent |
    | `upsampling` | `linear` or `nearest` | silent |
    | `steps` | steps of the deletion and insertion curves, equal numbers of pixels each | |
    | `deletion_fill`, `insertion_fill` | what deleted pixels become; what insertion begins with | |
    | `blur` | size and sigma of the Gaussian in pixels | |
    | `thetas` | quantiles of the occlusion (ROC) curve, equally spaced in [0, 1] | number silent |
    | `road_percentages` | of pixels removed, in per cent | |
    | `road_noise` | noise added to what replaces them | |
    | `deltas` | thresholds of Loc, instance recall, coverage on the min-max map | 0, .25, .5 |
    | `box_threshold` | share of the maximum above which a box is drawn (ILSVRC localisation) | |
    | `tolerance` | of the pointing game, in pixels | |
    | `reject_below` | the top-5 pointing game takes a peak not above it for "not there" | silent |
    | `patch`, `stride` | of the occlusion map, in pixels; patches become the mean colour | silent |
    | `noise`, `samples` | for sensitivity: sigma (pixels in [0, 1]) and number of noisy copies | |
    | `seed` | of everything random; each image draws its own numbers | |

    >>> Protocol().digest == Protocol().digest, Protocol().digest == Protocol(fill="mean").digest
    (True, False)
    """

    explained: str = "predicted"
    layer: str | None = None
    axes: str | None = None
    outputs: str | None = None
    score: str = "probability"
    drop: str = "relative"
    space: str = "raw"
    fill: str = "zero"
    mask: str = "soft"
    top: int | float = 0.5
    scaling: str = "max"
    scaled: str = "enlarged"
    upsampling: str = "linear"
    steps: int = 28
    deletion_fill: str = "mean"
    insertion_fill: str = "blur"
    blur: tuple[int, int | float] = (11, 5.0)
    thetas: int = 21
    road_percentages: tuple[int | float, ...] = (10, 20, 30, 40, 50, 60, 70, 80, 90)
    road_noise: int | float = 0.01
    deltas: tuple[int | float, ...] = tuple(round(0.05 * k, 2) for k in range(20))
    box_threshold: int | float = 0.15
    tolerance: int | float = 15.0
    reject_below: int | float = 0.0
    patch: int = 32
    stride: int = 16
    noise: int | float = 0.05
    samples: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise ProtocolError(
                    f"Expected the protocol's {name} to be one of {', '.join(map(repr, choices))}; "
                    f"got {getattr(self, name)!r}. {near(str(getattr(self, name)), choices)}"
                )
        if self.outputs not in (None, *_OUTPUTS):
            raise ProtocolError(
                "Expected the protocol's outputs to be one of"
                f" {', '.join(map(repr, _OUTPUTS))}; got {self.outputs!r}."
                f" {near(str(self.outputs), _OUTPUTS)}"
            )
        for name, least, most in _RANGES:
            value = getattr(self, name)
            for one in value if isinstance(value, tuple) else (value,):
                if (
                    isinstance(one, bool)
                    or not isinstance(one, int | float)
                    or not least <= one <= most
                ):
                    raise ProtocolError(
                        f"Expected the protocol's {name} to be from {least:g} to {most:g}; got"
                        f" {value!r}. The default is"
                        f" {next(f.default for f in fields(self) if f.name == name)!r}."
                    )

    @cached_property
    def digest(self) -> str:
        """Twelve letters for this protocol: numbers with different ones must not be compared."""
        return twelve_letters([json.dumps(self.as_dict(), sort_keys=True).encode()])

    def as_dict(self) -> dict[str, Any]:
        """Plain lists, numbers and strings, ready for JSON.

        >>> Protocol.from_dict(Protocol(top=0.3).as_dict()) == Protocol(top=0.3)
        True
        """
        entries = asdict(self)
        for word in ("axes", "outputs"):
            if entries[word] is None:  # as protocols were written before there was a word for it
                del entries[word]
        return {k: list(v) if isinstance(v, tuple) else v for k, v in entries.items()}

    @staticmethod
    def from_dict(entries: Mapping[str, Any]) -> "Protocol":
        """The protocol written by `as_dict`.

        Raises `ProtocolError` for an entry that is none of its fields.
        """
        return preset(
            "paper", **{k: tuple(v) if isinstance(v, list) else v for k, v in entries.items()}
        )

    def masking(self) -> str:
        """In words, how the image is seen through a map: to be printed with every number.

        >>> Protocol().masking()
        'soft map over its maximum after linear enlarging, times raw pixels, hidden places black'
        """
        zero = "black" if self.space == "raw" else "the mean colour"
        colour = {"mean": "the mean colour", "blur": "blurred"}.get(self.fill, zero)
        kept = "soft map" if self.mask == "soft" else f"{self.mask} {100 * self.top:g} % of the map"
        scaled = "over its maximum" if self.scaling == "max" else "min-max scaled"
        when = "after" if self.scaled == "enlarged" else "before"
        return (
            f"{kept} {scaled} {when} {self.upsampling} enlarging, times {self.space} pixels, hidden"
            " places " + colour
        )


_RANGES = (
    ("top", 0, 1), ("steps", 1, 1e6), ("blur", 0, 1e4), ("thetas", 2, 1e6),
    ("road_percentages", 0, 100),
    ("road_noise", 0, 1e3), ("deltas", 0, 1), ("box_threshold", 0, 1), ("tolerance", 0, 1e6),
    ("reject_below", -1e30, 1e30), ("patch", 1, 1e6), ("stride", 1, 1e6), ("noise", 0, 1e3),
    ("samples", 1, 1e6),
    ("seed", 0, 2**31),
)  # fmt: skip

PRESETS: dict[str, Protocol] = {
    "paper": Protocol(),
    "score_cam": Protocol(
        mask="soft top", scaling="min-max", steps=100, deletion_fill="black", insertion_fill="black"
    ),
    "rise": Protocol(scaling="min-max", steps=224, deletion_fill="mean", insertion_fill="blur"),
    "torch_cam": Protocol(
        space="normalised", scaling="min-max", scaled="coarse", steps=20, insertion_fill="mean"
    ),
    "pytorch_grad_cam": Protocol(
        space="normalised", scaling="min-max", score="logit", drop="absolute"
    ),
}
"""How others measure, for numbers that are to be compared with theirs; docs/metrics.md says what of
each is known.
"""


def preset(name: str, **changes: Any) -> Protocol:
    """A preset by name, with some fields changed.

    >>> preset("score_cam", top=0.3).top
    0.3
    """
    if name not in PRESETS:
        raise ProtocolError(f"There is no protocol {name!r}. {near(name, PRESETS)}")
    usual: dict[str, Any] = {f.name: f.default for f in fields(Protocol)}
    for word, value in changes.items():
        if word not in usual:
            raise ProtocolError(f"A protocol has no {word!r}. {near(word, usual)}")
        if isinstance(usual[word], tuple) and not (isinstance(value, tuple) and value):
            raise ProtocolError(
                f"Expected a list of numbers for the protocol's {word}; got {value!r}. The default"
                f" is {list(usual[word])}; on the command line: --set '{word}=[{usual[word][0]},"
                f" {usual[word][-1]}]'."
            )
        if isinstance(usual[word], int) and not (
            isinstance(value, int) and not isinstance(value, bool)
        ):
            raise ProtocolError(
                f"Expected a whole number for the protocol's {word}; got {value!r}."
            )
    return replace(PRESETS[name], **changes)


def twelve_letters(chunks: Iterable[bytes]) -> str:
    """What names bytes in a run's files: the first twelve hexadecimal digits of their SHA-256.

    The chunks are hashed one after the other; where one ends does not matter.

    >>> twelve_letters([b"a", b"b"]) == twelve_letters([b"ab"]) != twelve_letters([b"ba"])
    True
    """
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()[:12]
