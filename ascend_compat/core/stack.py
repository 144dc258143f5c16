"""Room for deep calls: one block of memory for the frames of everything that is called inside."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from types import FunctionType
from typing import Any

#: Words a frame is declared to need. CPython since 3.11 keeps frames in blocks of 16 KiB that it maps and unmaps one by
#: one, so that a loop of calls across the end of a block costs system calls and page faults each round. A frame that is
#: too large for such a block gets one of the next power of two, 1 MiB, and what is called inside uses the rest of it.
WORDS = 70_000


def roomy(call: Callable[[], Any]) -> Any:
    """The result of ``call()``, made with its frames in one block."""
    return _roomy()(call)


@lru_cache(maxsize=1)
def _roomy() -> FunctionType:
    return FunctionType(_plain.__code__.replace(co_stacksize=WORDS), {})


def _plain(call: Callable[[], Any]) -> Any:
    return call()
