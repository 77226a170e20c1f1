"""What was asked for, by name, becomes what will be run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from sightline import methods
from sightline.errors import MethodError, near
from sightline.methods import blackbox
from sightline.methods import pixel as pixelspace
from sightline.supply import called, defaults, requests
from sightline.supply import options as options_of

Rule = str | Callable[..., Any]
"""A method: its name, or a function from what its parameters ask for to weights."""

_WORDS = {"tally", "note"}
"""Parameters with a default that are no options: they are supplied where somebody listens."""

_RULES = {
    "gradient": None,
    "guided_backprop": "guided",
    "deconvnet": "deconvnet",
    "guided_cam": "guided",
    "full_grad": None,
}


@dataclass(frozen=True)
class Step:
    """One method to run: a weighing of activations (`weigh`), pixels looked back to (`pixels`), or
    their product.

    Or a method that shows the model pictures and opens nothing (`outside`).
    """

    name: str
    weigh: Callable[..., Any] | None = None
    pixels: Callable[..., Any] | None = None
    outside: Callable[..., Any] | None = None
    rule: str | None = None
    options: dict[str, Any] = field(default_factory=dict)


def steps(method: Rule | Sequence[Rule], options: dict[str, Any]) -> list[Step]:
    """The steps for one method or a list. An option must be known to one of them at least; each
    gets its own.

    >>> [step.name for step in steps(["Grad-CAM", "guided grad-cam++"], {})]
    ['grad_cam', 'guided_grad_cam_pp']
    """
    if callable(method):
        return steps([method], options)
    if not isinstance(method, str) and not (
        isinstance(method, list | tuple) and all(isinstance(m, str) or callable(m) for m in method)
    ):
        raise MethodError(
            f"Expected the name of a method or a list of names; got {method!r}."
            " sightline.methods.METHODS lists them."
        )
    if isinstance(method, str) and not options:
        known = _usual(method)
        if known.pixels is None and methods.METHODS.get(known.name) is known.weigh:
            return [known]
    named: list[Rule] = [method] if isinstance(method, str) else list(method)
    if not named:
        raise MethodError(
            "Expected at least one method; got an empty list. sightline.methods.METHODS lists them."
        )
    score = options.get("score")
    rest = {word: value for word, value in options.items() if word != "score"}
    plan = [_step(one, score, rest) for one in named]
    if score is not None and not any(
        _cam_of(step) == methods.find("grad_cam_pp", score)[0] for step in plan
    ):
        raise MethodError(
            "Only grad_cam_pp has forms of the score; asked for:"
            f" {', '.join(step.name for step in plan)} with score={score!r}. Leave the score out,"
            " or ask for grad_cam_pp."
        )
    _told_apart(plan)
    asked = [rule for step in plan if (rule := step.weigh or step.outside)]
    on_offer = sorted({word for rule in asked for word in options_of(rule)} - _WORDS)
    for word in rest:
        if not any(word in step.options for step in plan):
            raise MethodError(
                f"No method asked for ({', '.join(step.name for step in plan)}) has an option"
                f" {word!r}. "
                + (near(word, on_offer) if on_offer else "They have none; leave it out.")
            )
    return plan


def _told_apart(plan: list[Step]) -> None:
    """Results are kept by name: two functions of one name would be one result."""
    named: dict[str, Step] = {}
    for step in plan:
        other = named.setdefault(step.name, step)
        if (other.weigh, other.pixels, other.outside) != (step.weigh, step.pixels, step.outside):
            raise MethodError(
                f"Expected methods that can be told apart; two are called {step.name!r}. Define"
                " each with a name of its own: def mine(gradients): ..."
            )


def _cam_of(step: Step) -> str:
    return step.name.removeprefix("guided_") if step.pixels else step.name


@lru_cache(maxsize=64)
def _usual(name: str) -> Step:
    return _step(name, None, {})


def _step(name: Rule, score: str | None, options: dict[str, Any]) -> Step:
    if not isinstance(name, str):  # the caller's own
        outside = "shown" in requests(name)
        return Step(
            called(name),
            None if outside else name,
            outside=name if outside else None,
            options=_chosen(name, options),
        )
    room, found = _found(name)
    if room is methods:
        return _weighing(found[0], score, options)
    if room is blackbox:
        return Step(found[0], outside=found[1], options=_chosen(found[1], options))
    proper, function, inner = found
    if inner is None:
        return Step(proper, pixels=function, rule=_RULES[proper])
    if _found(inner, name)[0] is not methods:
        raise MethodError(
            f"Expected guided_ before the name of a map of a layer; {inner} is none. Take"
            f" guided_grad_cam_pp, or {inner} by itself."
        )
    weighing = _weighing(inner, score, options)
    return Step(
        f"guided_{weighing.name}", weighing.weigh, function, rule="guided", options=weighing.options
    )


def _chosen(function: Callable[..., Any], options: dict[str, Any]) -> dict[str, Any]:
    """A method's options: those given, and the usual for the others."""
    return {
        word: options.get(word, usual)
        for word, usual in defaults(function).items()
        if word not in _WORDS
    }


def _found(name: str, written: str | None = None) -> tuple[Any, Any]:
    """The room in which a name is known, and what is found there; an unknown name is an error that
    knows all rooms.

    `written` is the whole of what was written, where the name is a part of it.
    """
    rooms: list[Any] = [methods, pixelspace, blackbox]
    for room in rooms:
        try:
            return room, room.find(name)
        except MethodError:
            continue
    known = [*methods.METHODS, *pixelspace.PIXELSPACE, *blackbox.BLACKBOX]
    raise MethodError(
        f"There is no method {(written or name)!r}. {near(name, known)} `sightline methods` lists"
        " all."
    )


def _weighing(name: str, score: str | None, options: dict[str, Any]) -> Step:
    proper, function = methods.find(name)
    if score is not None and proper == "grad_cam_pp":
        proper, function = methods.find(name, score)
    if options.get("alpha") == "exact":
        function = methods.EXACT.get(proper, function)
    return Step(proper, weigh=function, options=_chosen(function, options))
