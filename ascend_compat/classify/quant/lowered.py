"""What a lowering gives: rules, the ignored modules, the KV cache, and which fields to cite."""

from __future__ import annotations

from dataclasses import dataclass

from ascend_compat.classify.quant.cover import Rule
from ascend_compat.classify.quant.names import NameList


@dataclass(frozen=True, slots=True)
class Lowered:
    """A declaration in one vocabulary, before it meets the tensors.

    ``format`` is the format's own name for its layout, ``fields`` the declared fields the rules were read from.
    """

    rules: tuple[Rule, ...]
    ignore: NameList
    format: str | None = None
    kv_cache: str | None = None
    fields: tuple[str, ...] = ()

    @property
    def refused(self) -> tuple[str, ...]:
        """Patterns that were not run: what they name is not known."""
        return tuple(entry for names in (self.ignore, *(rule.names for rule in self.rules)) for entry in names.refused)
