"""Which run of which layer, and how it is read."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class LayerRun:
    """A run of a layer (`call`; -1: the last that has a map), and how its output is read."""

    name: str
    call: int = -1
    grid: Any = None

    @property
    def key(self) -> tuple[Any, ...]:
        """The same as what is asked of the memory."""
        return self.name, self.call, self.grid
