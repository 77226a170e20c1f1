"""How many pictures go together: as many as the free memory holds, fewer where it runs out."""

import logging
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

import torch

from sightline.errors import ImageError

logger = logging.getLogger(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")

_SHARE = 0.8
"""Of the free memory: what an allocator cannot use because it lies in pieces is not free."""


class AdaptiveBatches:
    """Runs over many items, `size` at a time. Where memory runs out it halves the size for good.

    `size` may be a function of the first item, called when that is there.

    >>> def run(some):
    ...     if len(some) > 2:
    ...         raise torch.OutOfMemoryError
    ...     return sum(some)
    >>> batches = AdaptiveBatches(8)
    >>> list(batches.through([1, 2, 3, 4, 5], run)), batches.size
    ([3, 7, 5], 2)
    """

    def __init__(self, size: int | Callable[[Any], int]) -> None:
        self._measured = size if callable(size) else None
        self.size = 1 if callable(size) else size

    def through(
        self, items: Sequence[Item], run: Callable[[Sequence[Item]], Result]
    ) -> Iterator[Result]:
        """What `run` makes of the items, some at a time.

        Raises `ImageError` where not even one fits.
        """
        if items and self._measured is not None:
            self.size, self._measured = self._measured(items[0]), None
        start = 0
        while start < len(items):
            some = items[start : start + self.size]
            try:
                result = run(some)
            except RuntimeError as error:
                if not _ran_out(error):
                    raise
                if len(some) == 1:
                    raise ImageError(
                        "Expected memory for one picture at a time; it ran out"
                        f" ({_first_line(error)}). Take smaller pictures, a layer nearer to the"
                        " outputs, bfloat16, or another device."
                    ) from error
                self.size = max(1, len(some) // 2)
                logger.debug("out of memory with %d: on with %d at a time", len(some), self.size)
                continue  # outside of the handler, whose error still holds what filled the memory
            yield result
            start += len(some)


def largest_batch(job: Callable[[int], Any], device: torch.device, most: int) -> int:
    """How many pictures `job(n)` can take at once on this device: a power of two, or `most`.

    Tried with one and with two: what the second needs more is what each needs, of 0.8 of the free
    memory. Off a GPU it is `most`. Whatever was estimated too low is met by `AdaptiveBatches`.
    """
    memory = free(device)
    if memory is None or most <= 1:
        return max(1, most)
    number = fits(memory, needed(partial(job, 1), device), needed(partial(job, 2), device))
    return most if number >= most else 1 << (number.bit_length() - 1)


def fits(memory: int, one: int, two: int) -> int:
    """How many go into so many free bytes, where one needs `one` and two need `two`; at least 1.

    >>> fits(1000, one=300, two=400), fits(1000, one=900, two=1800), fits(100, one=900, two=900)
    (6, 1, 1)
    """
    more = max(two - one, one // 16, 1)  # a workspace may hide what a picture needs
    return 1 + max(0, int(_SHARE * memory) - one) // more


def free(device: torch.device) -> int | None:
    """Bytes that can still be had on a GPU; None elsewhere, where the operating system decides."""
    if device.type != "cuda":
        return None
    kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(torch.cuda.mem_get_info(device)[0]) + kept


def needed(job: Callable[[], Any], device: torch.device) -> int:
    """The most bytes on a GPU that were live at once while the job ran, beyond those before."""
    torch.cuda.synchronize(device)
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    job()
    torch.cuda.synchronize(device)
    return int(torch.cuda.max_memory_allocated(device)) - before


def _ran_out(error: RuntimeError) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
