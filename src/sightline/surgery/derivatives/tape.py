"""What a model does behind a layer, as a list of operators that can be run with other numbers.

The model runs once more, opened at the layer, while every operator is recorded below autograd:
whatever the model is made of, at that depth it is a list of some two hundred operators. Kept is
what leads from the layer to the scores. What autograd would not differentiate (`detach`, `no_grad`,
whole numbers) is a constant on the tape, too.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from sightline.surgery.derivatives.decompositions import DECOMPOSED
from sightline.surgery.derivatives.nests import found_in, mapped
from sightline.surgery.harness.fallback import Foreseen
from sightline.tensors import at_least_float32


class Untaped(Foreseen):
    """No list of operators can be made, or it does not give what autograd gives."""


@dataclass(frozen=True)
class Slot:
    """A place in an operator's arguments that an earlier operator fills."""

    number: int


@dataclass(frozen=True)
class Step:
    """One operator: `args` and `kwargs` hold constants and slots, its outputs fill `gives`."""

    op: Any
    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    takes: tuple[int, ...]
    gives: tuple[int, ...]


Player = Callable[[Step, tuple[Any, ...], dict[str, Any]], Any]
"""Does what a step says, with values in the place of its slots."""


@dataclass(frozen=True)
class Tape:
    """From the activations (slot 0), in the layer's own layout, to the scores (slot `end`)."""

    steps: tuple[Step, ...]
    end: int
    start: Tensor
    scores: Tensor
    _last: dict[int, int] = field(repr=False)

    @staticmethod
    def of(steps: Sequence[Step], end: int, start: Tensor, scores: Tensor) -> "Tape":
        """The steps that matter, in their order."""
        wanted, kept = {end}, []
        for step in reversed(steps):
            if not wanted.isdisjoint(step.gives):
                wanted.update(step.takes)
                kept.append(step)
        kept.reverse()
        last = {slot: index for index, step in enumerate(kept) for slot in step.takes}
        return Tape(tuple(kept), end, start, scores, last)

    def play(
        self,
        start: Any,
        player: Player,
        steps: slice = slice(None),
        slot: int = 0,
        end: int | None = None,
    ) -> Any:
        """Run some of the steps, all by default, from `slot` on to `end`.

        What is no longer needed is let go.
        """
        values: dict[int, Any] = {slot: start}
        first = steps.indices(len(self.steps))[0]
        end = self.end if end is None else end
        for index, step in enumerate(self.steps[steps], first):
            found = player(step, filled(step.args, values), filled(step.kwargs, values))
            for number, value in zip(
                step.gives, found if isinstance(found, tuple | list) else [found], strict=False
            ):
                values[number] = value
            for number in step.takes:
                if self._last[number] == index and number != end:
                    values.pop(number, None)
        return values[end]

    def crossing(self) -> list[tuple[int, ...]]:
        """Which slots are still needed behind each step: what follows depends on these alone."""
        alive: set[int] = {0}
        found = []
        for index, step in enumerate(self.steps):
            alive |= set(step.gives)
            alive = {slot for slot in alive if self._last.get(slot, -1) > index or slot == self.end}
            found.append(tuple(sorted(alive)))
        return found


def run_op(step: Step, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The player that computes with plain tensors, as the model did."""
    return step.op(*args, **kwargs)


def filled(value: Any, values: dict[int, Any]) -> Any:
    """Arguments with what is in the slots."""
    return mapped(value, lambda slot: values[slot.number], Slot)


class Recorder(TorchDispatchMode):
    """While this is entered, every operator is recorded, and all it took and gave stays alive."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch gives this one no types
        self._calls: list[tuple[Any, Any, Any, set[int], Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        in_graph = {id(one) for one in found_in((args, kwargs), Tensor) if one.requires_grad}
        out = func(*args, **kwargs)
        if torch.is_grad_enabled():
            self._calls.append((func, args, kwargs, in_graph, out))
        return out

    def tape(self, node: Tensor, scores: Tensor) -> Tape:
        """What leads from `node` to `scores`. The recording is given up, and its memory with it.

        Raises `Untaped` where something wrote into a part of a tensor.
        """
        calls, self._calls = self._calls, []
        slots: dict[Any, int | None] = {_address(node): 0}
        steps: list[Step] = []
        count = 1

        for func, args, kwargs, in_graph, out in calls:

            def slot_or_constant(one: Tensor, in_graph: set[int] = in_graph) -> Any:
                address = _address(one)
                if id(one) not in in_graph or address not in slots:
                    return at_least_float32(one.detach())
                number = slots[address]
                if number is None:
                    raise Untaped("a tensor is read after a part of it was written over")
                return Slot(number)

            own = mapped(args, slot_or_constant, Tensor), mapped(kwargs, slot_or_constant, Tensor)
            own[1].update({"dtype": torch.float32} if kwargs.get("dtype") in _HALVES else {})
            takes = tuple(dict.fromkeys(slot.number for slot in found_in(own, Slot)))
            if not takes or func is torch.ops.aten.detach.default:
                continue
            if func is torch.ops.aten.as_strided.default:
                raise Untaped("a tensor is read by its order in memory")
            op = _without_writing(func)
            if op is not func:  # views of what was written over are no longer what they were
                storage = _address(args[0])[0]
                slots.update({address: None for address in slots if address[0] == storage})
            gives = []
            for one in out if isinstance(out, tuple | list) else [out]:
                gives.append(count)
                if isinstance(one, Tensor) and one.is_floating_point():
                    slots[_address(one)] = count
                count += 1
            name = func._schema.name.removeprefix("aten::").rstrip("_")
            steps.append(Step(DECOMPOSED.get(name, op), name, *own, takes, tuple(gives)))
        end = slots.get(_address(scores))
        if end is None or not scores.requires_grad:
            raise Untaped("the scores do not come from the layer by operators that were recorded")
        return Tape.of(
            steps, end, at_least_float32(node.detach()), at_least_float32(scores.detach())
        )


_HALVES = (torch.float16, torch.bfloat16)
"""A tape is played in float32 at least: second and third derivatives need the digits."""


def _address(tensor: Tensor) -> tuple[Any, ...]:
    """Where the numbers lie and how they are read.

    The same numbers, whichever Python object holds them: autograd makes new ones as it likes.
    """
    try:
        where = tensor.untyped_storage().data_ptr()
    except RuntimeError as error:  # sparse, quantised
        raise Untaped("a tensor without a memory of its own") from error
    return where, tensor.storage_offset(), tuple(tensor.shape), tensor.stride(), tensor.dtype


def _without_writing(func: Any) -> Any:
    """The operator that returns what this one writes into its first argument."""
    if not func._schema.is_mutable:
        return func
    name = func._schema.name.removeprefix("aten::")
    packet = getattr(torch.ops.aten, name[:-1], None) if name.endswith("_") else None
    if packet is None or func._overloadname not in packet.overloads() or name == "copy_":
        if not any(
            argument.alias_info is not None and argument.alias_info.is_write
            for argument in func._schema.arguments[:1]
        ):
            return func  # running statistics, in eval mode not written
        raise Untaped(f"{func} writes into a tensor")
    return getattr(packet, func._overloadname)
