"""What a replay finds: the start of a server, and the fate of each module."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ascend_compat.knowledge.evaluate.values import Instance, Tensor

#: What of an exception's message is shown.
LINE = 240


@dataclass(slots=True)
class Trouble:
    """Why the replay stops: the code raises (``kind`` is the exception) or can't be followed (``kind`` is ``None``)."""

    stage: str
    kind: str | None
    message: str
    at: str

    @property
    def said(self) -> str:
        """The message as one line of at most ``LINE`` characters: frames, rules and blank lines are left out."""
        lines = (line.strip() for line in self.message.splitlines())
        text = " ".join(line for line in lines if any(char.isalnum() for char in line))
        return text if len(text) <= LINE else text[:LINE].rpartition(" ")[0] + " ..."


@dataclass(slots=True)
class Startup:
    """The quantization method a server ends up with. ``trouble`` ends the start; ``method`` ``None`` is unquantized.

    ``supported`` are the methods the platform accepts, empty when it does not say.
    """

    method: str | None = None
    auto_detected: bool = False
    config: Instance | None = None
    trouble: Trouble | None = None
    returns: list[tuple[str, str, Any]] = field(default_factory=list)
    supported: tuple[str, ...] = ()


#: The kind of an attention layer, beside ``linear`` and ``moe`` of the scheme registry.
ATTENTION = "attention"


@dataclass(frozen=True, slots=True)
class LayerSpec:
    """One module of the model: ``prefix`` in vLLM's names, its class, sizes in elements on one rank of TP 1."""

    prefix: str
    cls: str
    lineage: tuple[str, ...]
    kind: str
    input_size: int
    output_sizes: tuple[int, ...]
    experts: int = 0


@dataclass(slots=True)
class LayerOutcome:
    """What the release does with one module."""

    method: str | None = None
    method_at: str | None = None
    scheme: str | None = None
    scheme_at: str | None = None
    params: dict[str, Tensor] = field(default_factory=dict)
    trouble: Trouble | None = None
    computed: frozenset[str] = frozenset()
    returns: list[tuple[str, str, Any]] = field(default_factory=list)
