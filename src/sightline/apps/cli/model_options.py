"""Which model, whose weights, what its outputs are called and how its pictures are prepared."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sightline.apps.cli.options import Command, named_values

if TYPE_CHECKING:
    from torch import nn

    from sightline.models import Card, Loaded
    from sightline.types import Preprocess

_SMALLEST = 8
"""Pixels on a side below which nothing is asked of a model."""


@dataclass(frozen=True)
class ModelChoice:
    """Which model, and all that is said of it: what loading needs, which takes seconds, comes last.

    `mean`, `std` and `size` replace what its card says of preparing pictures; `size` is one number,
    for the short side and the centre, or `(height, width)` to squeeze pictures to. `shapes_only`:
    its weights do not matter.
    """

    name: str
    weights: Path | None = None
    random: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    classes: Path | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    size: int | tuple[int, int] | None = None
    shapes_only: bool = False

    def __post_init__(self) -> None:
        if self.weights is not None and self.random:
            raise click.UsageError(
                "Expected one source of weights; got --weights and --random. Give one of the two."
            )

    def load(self) -> "Loaded":
        """The model with its card, and on the screen what of that is a guess.

        Random weights where they were asked for.
        """
        from sightline.images import assumption
        from sightline.models import Loaded, describe, is_import_path, load_with, read_names

        names = None if self.classes is None else read_names(self.classes)
        pretrained = False if self.random else None
        model, card = load_with(self.name, self.weights, pretrained, self.options)
        card = replace(self._prepared(card), classes=card.classes if names is None else names)
        if names is not None:
            card = replace(card, source=f"{card.source}; names of the outputs from {self.classes}")
            self._check_names(model, card)
        describe(model, card)
        if self.weights is None and is_import_path(self.name) and not self.shapes_only:
            click.echo(f"{self.name}: no --weights given; it has those it is made with.", err=True)
        if told := assumption(card.preprocess):
            click.echo(f"{self.name}: {told}.", err=True)
        return Loaded(model, card)

    def for_shapes(self) -> "ModelChoice":
        """The same, for whom weights do not matter: only those that are there already."""
        from sightline.models import is_import_path

        there = self.weights is not None or self.name == "lookout" or is_import_path(self.name)
        return replace(self, random=self.random or not there, shapes_only=True)

    def _prepared(self, card: "Card") -> "Card":
        """The card with what was said of preparing pictures in the place of what it says."""
        said: dict[str, Any] = {
            word: value
            for word, value in (("mean", self.mean), ("std", self.std))
            if value is not None
        }
        if isinstance(self.size, tuple):
            said |= {"resize": self.size, "crop": None}
        elif self.size is not None:
            said |= {"resize": self.size, "crop": (self.size, self.size)}
        if not said:
            return card
        before: Preprocess = card.preprocess
        assumed = tuple(word for word in before.assumed if word not in said)
        words = [f"--{w}" for w in ("mean", "std", "size") if getattr(self, w) is not None]
        return replace(
            card,
            preprocess=replace(before, **said, assumed=assumed),
            source=f"{card.source}; as said by {', '.join(words)}",
        )

    def _check_names(self, model: "nn.Module", card: "Card") -> None:
        """Raise `ModelError` unless there is a name for each output, if noise can be answered."""
        from sightline.errors import ModelError, SightlineError, TargetError
        from sightline.explanation.inputs import stand_in
        from sightline.surgery import look
        from sightline.targets import checked_names, logits

        try:
            outputs = look(model, stand_in(model, card.preprocess))
            logits(outputs)
        except (SightlineError, RuntimeError, ValueError, TypeError):
            return  # it takes something else, or answers with something else than classes
        try:
            checked_names(card.classes or (), outputs)
        except TargetError as error:
            raise ModelError(f"'{self.classes}': {error}") from error


class Numbers(click.ParamType):  # type: ignore[type-arg]  # generic in newer versions of click only
    """One number for all channels, or one for each: `0.5` or `0.485,0.456,0.406`."""

    name = "NUMBERS"

    def __init__(self, fits: Callable[[float], bool], wanted: str) -> None:
        self.fits, self.wanted = fits, wanted

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        """The numbers, or an error of use."""
        if isinstance(value, tuple):
            return value
        try:
            numbers = tuple(float(part) for part in str(value).replace(",", " ").split())
        except ValueError:
            numbers = ()
        if len(numbers) not in (1, 3, 4) or not all(self.fits(number) for number in numbers):
            self.fail(
                f"expected {self.wanted}, one or one for each channel, of RGB in [0, 1]; got"
                f" {value!r}.",
                param,
                ctx,
            )
        return numbers


class Size(click.ParamType):  # type: ignore[type-arg]  # generic in newer versions of click only
    """`N`: the short side, of which the centre is taken; `HxW`: squeezed to just that."""

    name = "N|HxW"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | tuple[int, int]:
        """The size, or an error of use."""
        if isinstance(value, int | tuple):
            return value
        found = re.fullmatch(r"\s*(-?\d+)\s*(?:[x×,]\s*(-?\d+))?\s*", str(value))
        if found is None:
            self.fail(f"expected 224 or 224x320 (height x width); got {value!r}.", param, ctx)
        sides = [int(side) for side in found.groups() if side is not None]
        for side in sides:
            if side < _SMALLEST:
                self.fail(f"{side} is not in the range x>={_SMALLEST}.", param, ctx)
        return sides[0] if len(sides) == 1 else (sides[0], sides[1])


def _options(what: str) -> list[Command]:
    """All but the model's name."""
    return [
        click.option(
            "--random",
            is_flag=True,
            help=f"Random weights: to try {what} out without a download.",
        ),
        click.option(
            "--size",
            type=Size(),
            metavar="SIZE",
            default=None,
            help="Of the pictures it is shown. N: short side N, the centre N x N; HxW: squeezed to"
            " that. The card's, if left out.",
        ),
        click.option(
            "--std",
            type=Numbers(lambda number: number > 0, "numbers above 0, 0.229,0.224,0.225 or 0.5"),
            default=None,
            help="What pictures, less the mean, are divided by.",
        ),
        click.option(
            "--mean",
            type=Numbers(
                lambda number: 0 <= number <= 1, "numbers from 0 to 1, 0.485,0.456,0.406 or 0.5"
            ),
            default=None,
            help="What is subtracted from pictures, RGB in [0, 1]. The card's, if left out.",
        ),
        click.option(
            "--classes",
            type=click.Path(path_type=Path),
            default=None,
            help="Names of the model's outputs: a text file with one a line, JSON (a list, or names"
            " by index), or a folder with a sub-folder each.",
        ),
        click.option(
            "--weights",
            "-w",
            type=click.Path(path_type=Path),
            default=None,
            help="A local checkpoint: .safetensors, or .pth read without running code.",
        ),
        click.option(
            "--model-option",
            "model_options",
            multiple=True,
            metavar="NAME=VALUE",
            help="An option of what builds the model: num_classes=7; may be given several times.",
        ),
    ]


_MODEL = (
    "A name (see `sightline models`), hf-hub:OWNER/NAME, or your own: PACKAGE.MODULE:NAME or"
    " FILE.py:NAME, a function, class or module (its code is run)."
)


def _hands_over_a_model(command: Command, what: str, named: Callable[..., str]) -> Command:
    """The command with all of these options, which is given them as one `ModelChoice`."""

    @wraps(command)
    def with_model(
        *,
        weights: Path | None,
        random: bool,
        model_options: tuple[str, ...],
        classes: Path | None,
        mean: tuple[float, ...] | None,
        std: tuple[float, ...] | None,
        size: int | tuple[int, int] | None,
        **others: Any,
    ) -> Any:
        options = named_values(model_options, "--model-option num_classes=7")
        name = named(others)
        chosen = ModelChoice(name, weights, random, options, classes, mean, std, size)
        return command(model=chosen, **others)

    for option in _options(what):
        with_model = option(with_model)
    return with_model


def model_options(command: Command) -> Command:
    """`--model` and all that is said of a model: the command's `model` is a `ModelChoice`."""
    return click.option(
        "--model", default="lookout", show_default=True, help=f"{_MODEL} lookout is bundled."
    )(_hands_over_a_model(command, "a model", lambda given: str(given.pop("model"))))


def model_argument(default: str | None = None) -> Callable[[Command], Command]:
    """The same with the model as the command's first word, or by `--model`."""

    def named(given: dict[str, Any]) -> str:
        word, option = given.pop("name"), given.pop("model")
        if word is not None and option is not None:
            raise click.UsageError(
                f"Expected one model; got {word!r} and --model {option}. Give one of the two."
            )
        name = word or option or default
        if name is None:
            raise click.UsageError("Missing the model: name it first, or with --model.")
        return str(name)

    def decorate(command: Command) -> Command:
        with_model = click.option("--model", default=None, help=_MODEL)(
            _hands_over_a_model(command, "a model", named)
        )
        return click.argument("name", required=False, metavar="[MODEL]")(with_model)

    return decorate
