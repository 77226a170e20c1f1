"""What was asked for, by name, becomes what will be run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from sightline.errors import MethodError, near
from sightline.methods import METHODS, SCORES, Kind, Method, find, find_method

Rule = str | Callable[..., Any]
"""A method: its name, or a function from what its parameters ask for to weights."""


@dataclass(frozen=True)
class Step:
    """One method to run, with all of its options."""

    method: Method
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What the result is called."""
        return self.method.name

    @property
    def kind(self) -> Kind:
        """Which of the three passes runs it."""
        return self.method.kind

    @property
    def cam(self) -> "Step | None":
        """The map of a layer that it needs: itself, or the one a guided product multiplies."""
        if self.kind == "cam":
            return self
        return None if self.method.cam is None else Step(self.method.cam, self.options)


def steps(method: Rule | Sequence[Rule], options: dict[str, Any]) -> list[Step]:
    """The steps for one method or a list.

    An option must be known to one of them at least; each gets its own.

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
        if METHODS.get(known.name) is known.method.function:  # unless somebody has replaced it
            return [known]
    named: list[Rule] = [method] if isinstance(method, str) else list(method)
    if not named:
        raise MethodError(
            "Expected at least one method; got an empty list. sightline.methods.METHODS lists them."
        )
    score = options.get("score")
    rest = {word: value for word, value in options.items() if word != "score"}
    plan = [_step(one, score, rest) for one in named]
    names = ", ".join(step.name for step in plan)
    if score is not None:
        form = find("grad_cam_pp", score)[0]
        if not any(step.cam and step.cam.name == form for step in plan):
            raise MethodError(
                f"Only grad_cam_pp has forms of the score; asked for: {names} with score={score!r}."
                " Leave the score out, or ask for grad_cam_pp."
            )
    _check_distinct(plan)
    on_offer = sorted({word for step in plan for word in step.method.options})
    for word in rest:
        if not any(word in step.options for step in plan):
            raise MethodError(
                f"No method asked for ({names}) has an option {word!r}. "
                + (near(word, on_offer) if on_offer else "They have none; leave it out.")
            )
    return plan


def check_for_quantities(plan: Sequence[Step]) -> None:
    """Raise `MethodError` for a form of the score that only classes have."""
    for step in plan:
        own = step.cam or step
        if own.name in SCORES.values() and own.name != SCORES["exp"]:
            raise MethodError(
                f"Expected a method for quantities (outputs='value'); {own.name} explains a"
                " probability, which a quantity has not. Leave score= out: grad_cam_pp."
            )


def _check_distinct(plan: list[Step]) -> None:
    """Results are kept by name: two functions of one name would be one result."""
    named: dict[str, Step] = {}
    for step in plan:
        if named.setdefault(step.name, step).method != step.method:
            raise MethodError(
                f"Expected methods that can be told apart; two are called {step.name!r}. Define"
                " each with a name of its own: def mine(gradients): ..."
            )


@lru_cache(maxsize=64)
def _usual(name: str) -> Step:
    return _step(name, None, {})


def _step(rule: Rule, score: str | None, options: dict[str, Any]) -> Step:
    """A method with its options: those given, and the usual for the others."""
    method = find_method(rule, score=score, exact=options.get("alpha") == "exact")
    return Step(method, {word: options.get(word, usual) for word, usual in method.options.items()})
