"""One construction of a module, and which classes are opened."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

#: Packages whose classes are models: they are opened; a class from anywhere else is a leaf.
MODELS = ("vllm.model_executor.models", "vllm.models", "vllm_ascend.models")


def is_model(fqn: str) -> bool:
    """Whether a class is opened and not a leaf."""
    return any(fqn.startswith((package + ".", package + ":")) for package in MODELS)


@dataclass(slots=True)
class Made:
    """One construction: a class, or a symbol that stands for one, where, and the classes handed to it."""

    ref: str
    line: int
    many: bool = False
    quant: bool | None = None
    given: dict[str, str] = field(default_factory=dict)
    literal: list[Any] | None = None
    positional: int | None = None
    #: Device types the quantization configuration is handed over on, where that depends on the device.
    socs: list[str] = field(default_factory=list)

    def classes(self) -> list[str]:
        """The names among ``ref`` and ``given``."""
        return [ref for ref in (self.ref, *self.given.values()) if ref and ref[0] not in "$@" and ref != "dynamic"]

    def flags(self, model: bool) -> str:
        """``l`` one of many; ``q`` given the quantization configuration; ``n`` a model built without it."""
        without = "n" if self.quant is False and (model or self.ref[:1] in "$@") else ""
        return ("l" if self.many else "") + ("q" if self.quant and not model else without)
