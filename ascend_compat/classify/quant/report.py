"""What every check of the audit asks: which weights are covered, which lie in the decoder, how a finding is made."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from ascend_compat.classify.findings import contradiction
from ascend_compat.classify.quant.cover import Cover, Rule
from ascend_compat.classify.quant.formats import Quantization
from ascend_compat.classify.quant.stored import QUANTIZED_DTYPES, Weight, is_weight
from ascend_compat.classify.tensors import DRAFT
from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.core.finding import Evidence, EvidenceKind, Finding, Param
from ascend_compat.core.profile import MtpProfile
from ascend_compat.core.verdict import Effect, Severity

Params = dict[str, Param]


@dataclass(frozen=True)
class Case:
    """A checkpoint, its declaration, and the name of its decoder stack."""

    facts: CheckpointFacts
    found: Quantization
    mtp: MtpProfile | None
    stack: str | None

    @property
    def family(self) -> str:
        """The format that is followed, under one name; empty where nothing is declared."""
        known = self.found.declarations
        return (known[0].family or "") if known else ""

    @property
    def cover(self) -> Cover | None:
        """The declaration applied to the tensors, ``None`` where there is none."""
        return self.found.found

    @property
    def sparse(self) -> bool:
        """Whether weights are compressed by sparsity too, which splits them into tensors of other names and shapes."""
        known = self.found.declarations
        config = known[0].body.get("sparsity_config") if known else None
        return isinstance(config, Mapping) and config.get("format") not in (None, "dense")

    @property
    def incomplete(self) -> bool:
        """Whether damage hides tensors: what is missing from the table may then be in the checkpoint."""
        found = self.facts.problems
        return any(item.severity is Severity.BLOCKER or item.undetermined or item.code == "AC101" for item in found)

    @property
    def refused(self) -> bool:
        """Whether some pattern of the declaration was not run: what is covered is then not known."""
        cover = self.cover
        return cover is not None and bool(cover.ignore.refused or any(rule.names.refused for rule in cover.rules))

    @cached_property
    def any_quantized(self) -> bool:
        """Whether any linear weight is stored quantized."""
        return any(is_weight(tensor) and tensor.dtype in QUANTIZED_DTYPES for tensor in self.facts.tensors)

    @cached_property
    def _draft_layers(self) -> frozenset[int]:
        beyond = self.mtp is not None and self.mtp.prefix == f"{self.stack}.*"
        return frozenset(self.mtp.layers) if self.mtp and beyond else frozenset()

    def covered(self) -> Iterator[tuple[Rule, Weight]]:
        """Weights that the declaration covers, with the rule."""
        for rule, share in zip(self.cover.rules, self.cover.covered, strict=True) if self.cover else ():
            yield from ((rule, weight) for weight in share)

    def quantized(self) -> Iterator[tuple[Rule, Weight]]:
        """Covered weights that are stored quantized."""
        return ((rule, weight) for rule, weight in self.covered() if weight.tensor.dtype in QUANTIZED_DTYPES)

    def in_decoder(self, weight: Weight) -> Weight | None:
        """The weight in layers of the main model alone, ``None`` when it has none there."""
        return self._within(weight, tuple(n for n in weight.layers if n not in self._draft_layers))

    def in_draft(self, weight: Weight) -> Weight | None:
        """The weight in layers of MTP heads alone, ``None`` when it has none there."""
        if re.search(DRAFT, weight.tensor.template):
            return weight
        return self._within(weight, tuple(n for n in weight.layers if n in self._draft_layers))

    def _within(self, weight: Weight, layers: tuple[int, ...]) -> Weight | None:
        inside = self.stack is not None and weight.tensor.template.startswith(f"{self.stack}.*.")
        return Weight(weight.tensor, layers) if inside and layers else None


def finding(case: Case, code: str, severity: Severity, effect: Effect, weight: Weight, /, **params: Param) -> Finding:
    """A finding on a weight's template, with the header and the declaration as evidence."""
    none = (Evidence(EvidenceKind.CONFIG, "config.json", None, "no quantization_config"),)
    declared = case.found.profile.evidence or none
    return contradiction(code, severity, effect, weight.tensor, declared, count=weight.count, **params)
