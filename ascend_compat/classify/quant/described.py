"""ModelSlim's description against the tensors: entries without a tensor, declared caches without a scale, its name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from ascend_compat.checkpoint.aggregate import Aggregate
from ascend_compat.classify.quant.companions import tally
from ascend_compat.classify.quant.declared import MODELSLIM
from ascend_compat.classify.quant.report import Case
from ascend_compat.classify.tensors import header_evidence
from ascend_compat.core.facts import CheckpointFacts, TensorGroup
from ascend_compat.core.finding import Evidence, EvidenceKind, Finding, Message, Param
from ascend_compat.core.verdict import Basis, Effect, Severity

#: Other names under which ModelSlim, and people, keep the description.
_OTHER_NAME = re.compile(r".*quant_model_description.*\.json")
#: Settings that quantize the cache, and the parameter names of which at least one has to be stored then.
#: Source: vllm-ascend 0.18.0, quantization/methods/kv_c8.py.
_CACHES = {"kv_cache_type": ("kv_cache_scale", "kv_cache_offset"), "kv_quant_type": ("kv_cache_scale", "kv_proj_scale"),
           "fa_quant_type": ("scale",)}  # fmt: skip


def misnamed(facts: CheckpointFacts) -> Iterator[Finding]:
    """AC333: a description under a name that no release looks for, and none under the one they do."""
    others = [file for file in facts.files if "/" not in file and _OTHER_NAME.fullmatch(file) and file != MODELSLIM]
    if facts.quant_description is None and MODELSLIM not in facts.files and others:
        evidence = (Evidence(EvidenceKind.CONFIG, others[0], None, "file name"),)
        params: dict[str, Param] = {"file": others[0], "expected": MODELSLIM, "count": len(others)}
        message, remedy = Message("AC333", params), Message("AC333.remedy", params)
        effect = Effect.FAILS_AT_STARTUP
        yield Finding("AC333", Severity.WARNING, effect, Basis.SOURCE, others[0], message, evidence, remedy)


def description_findings(case: Case) -> Iterator[Finding]:
    """AC336 and AC337; nothing where shards are missing or damaged."""
    if case.family == "modelslim" and not case.incomplete and case.facts.quant_description:
        yield from _absent(case)
        yield from _caches(case)


def _absent(case: Case) -> Iterator[Finding]:
    """AC336: weights the description names and no shard holds, by template."""
    present: dict[str, Counter[int | None]] = {}
    for group in case.facts.tensors:
        present.setdefault(group.template, Counter()).update(tally(group, group.layers))
    names = Aggregate()
    names.add(
        (name, "", (), 0)
        for name, kind in (case.facts.quant_description or {}).items()
        if isinstance(name, str) and isinstance(kind, str) and name.endswith(".weight")
    )
    described: dict[str, Counter[int | None]] = {}
    for group in names.groups():
        described.setdefault(group.template, Counter()).update(tally(group, group.layers))
    if case.facts.config.get("tie_word_embeddings") is True:
        described.pop("lm_head.weight", None)
    for template, needed in sorted(described.items()):
        stored = present.get(template, Counter()) + present.get(f"{template}_packed", Counter())
        absent = sum((needed - stored).values())
        if absent:
            evidence = Evidence(EvidenceKind.CONFIG, MODELSLIM, None, f"{template}: {sum(needed.values())} entries")
            params: dict[str, Param] = {"template": template, "count": absent, "total": sum(needed.values())}
            yield Finding(
                "AC336", Severity.WARNING, Effect.WRONG_OUTPUT, Basis.SOURCE, template, Message("AC336", params),
                (evidence, *(header_evidence(group) for group in _first(case, template))),
            )  # fmt: skip


def _first(case: Case, template: str) -> tuple[TensorGroup, ...]:
    return tuple(group for group in case.facts.tensors if group.template == template)[:1]


def _caches(case: Case) -> Iterator[Finding]:
    """AC337: a cache that is declared quantized and none of whose scales is stored."""
    described = case.facts.quant_description or {}
    for key, parameters in _CACHES.items():
        kind = described.get(key)
        if not isinstance(kind, str) or kind in ("", "FLOAT"):
            continue
        scales = (
            g
            for g in case.facts.tensors
            if g.parameter in parameters and (key != "fa_quant_type" or ".fa_" in g.template)
        )
        if next(scales, None) is None:
            evidence = (Evidence(EvidenceKind.CONFIG, MODELSLIM, None, f"{key} = {kind!r}"),)
            params: dict[str, Param] = {"key": key, "kind": kind, "parameter": parameters[0]}
            yield Finding(
                "AC337", Severity.WARNING, Effect.WRONG_OUTPUT, Basis.SOURCE, key, Message("AC337", params), evidence
            )
