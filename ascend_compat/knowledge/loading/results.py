"""What a loading run found: the fate of each tensor that stands for others, and of the parameters."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ascend_compat.core.verdict import Word
from ascend_compat.knowledge.evaluate.values import Raised, Undecided
from ascend_compat.knowledge.loading.samples import Sample


class Result(Word):
    """What loading does with a tensor."""

    LOADED = "loaded"
    DROPPED = "dropped"
    RAISES = "raises"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of one tensor, and of all it stands for.

    ``into`` are the parameters it is copied into, ``at`` the line that decides, ``exception`` what is raised there.
    ``assumed`` marks a parameter of a module that the source trees do not show, ``left`` a parameter that exists for
    the tensor and got nothing, ``known`` whether the model has a module for it at all, ``draft`` a tensor of an MTP
    head.
    """

    sample: Sample
    result: Result
    into: tuple[str, ...] = ()
    at: str | None = None
    exception: str | None = None
    message: str = ""
    warned: bool = False
    assumed: bool = False
    left: str | None = None
    known: bool = True
    draft: bool = False

    @property
    def count(self) -> int:
        """Tensors of the checkpoint it stands for, all experts of its layers included."""
        return self.sample.group.per_layer * max(len(self.sample.layers), 1)


@dataclass(frozen=True, slots=True)
class Partial:
    """A parameter that the checkpoint's tensors fill only in part."""

    parameter: str
    shape: tuple[Any, ...]
    share: float
    sample: Sample


@dataclass(slots=True)
class Loading:
    """Every outcome, and what ended the run before its end (``error`` the code's own, ``stop`` the interpreter's).

    ``strict`` is the line that refuses parameters nothing was loaded into, ``None`` where the start does not check.
    """

    architecture: str
    outcomes: list[Outcome] = field(default_factory=list)
    partial: list[Partial] = field(default_factory=list)
    error: Raised | None = None
    stop: Undecided | None = None
    strict: str | None = None
    steps: int = 0

    def of(self, *results: Result) -> list[Outcome]:
        """Outcomes of some kinds."""
        return [item for item in self.outcomes if item.result in results]


def once(items: list[Outcome]) -> list[Outcome]:
    """One outcome per group and pattern of layers: the first and the last expert stand for the same tensors."""
    return list({(id(item.sample.group), item.sample.layers): item for item in items}.values())
