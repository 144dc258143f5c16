"""Card counts by memory alone: the same model on every device size the rules know, and with 4-bit experts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ascend_compat.answer.document import layout_part, text
from ascend_compat.answer.judge import Judgement, make_target
from ascend_compat.answer.shared import Shared
from ascend_compat.classify.profile import classify
from ascend_compat.core import report as doc
from ascend_compat.core.facts import CheckpointFacts, TensorGroup
from ascend_compat.core.finding import Message
from ascend_compat.core.target import LaunchProfile, Soc
from ascend_compat.core.units import tensor_bytes
from ascend_compat.knowledge.load import Rules
from ascend_compat.knowledge.variants import modelslim_variant
from ascend_compat.memory.soc import load_soc_rules, resolve_soc

_EXPERTS = ".experts."
_W4A8 = "W4A8_DYNAMIC"


def size_rows(base: Judgement, shared: Shared) -> list[doc.AlternativeRow]:
    """One row for every other device and memory size, and one for 4-bit experts on the device asked for.

    Nothing but memory and layout is judged here, so the rows carry no verdict.
    """
    if base.plan.studied is None and not base.plan.tried:
        return []
    free = replace(base.launch, tp=None, dp=None, pp=None, ep=None, pcp=None, dcp=None, calibration=None)
    rows = [_row(base, shared, base.facts, "as-is", soc, free) for soc in _devices(base, shared.rules)]
    small = four_bit_experts(base)
    if small is not None:
        rows.append(_row(base, shared, small, "modelslim-w4a8", base.target.soc, free))
    return rows


def _row(
    base: Judgement, shared: Shared, facts: CheckpointFacts, precision: str, soc: Soc, launch: LaunchProfile
) -> doc.AlternativeRow:
    same = facts is base.facts
    known = shared.loaded(facts, base.profile, base.match) if same else (facts, classify(facts))
    layout = shared.plan(*known, make_target(base.pack, soc), launch, base.pack.get("defaults", {})).minimum
    return doc.AlternativeRow(
        precision=precision,
        soc=soc.name,
        npu_memory_bytes=soc.memory_bytes,
        minimum=layout_part(layout),
        release=base.target.vllm_ascend,
        note=text(Message("memory.only_memory", {})),
    )


def _devices(base: Judgement, rules: Rules) -> Iterator[Soc]:
    """Every device in every memory size it is sold with, the one asked about left out."""
    directory = rules.directory / "curated"
    seen = {(base.target.soc.name, base.target.soc.memory_bytes)}
    for row in load_soc_rules(directory):
        for nominal in row.nominal:
            soc = resolve_soc(row.name, nominal, directory)
            if (soc.name, soc.memory_bytes) not in seen:
                seen.add((soc.name, soc.memory_bytes))
                yield soc


def four_bit_experts(base: Judgement) -> CheckpointFacts | None:
    """The checkpoint as ModelSlim W4A8 would write it: packed 4-bit routed experts, the rest W8A8.

    ``None`` for a model without experts and for one whose weights are packed already.
    """
    if base.profile.moe is None:
        return None
    whole = modelslim_variant(base.facts, base.profile, base.match.tree)
    if whole is None or whole.quant_description is None:
        return None
    description: dict[str, Any] = {
        name: _W4A8 if _EXPERTS in name and kind == "W8A8_DYNAMIC" else kind
        for name, kind in whole.quant_description.items()
    }
    return replace(whole, tensors=tuple(map(_packed, whole.tensors)), quant_description=description)


def _packed(group: TensorGroup) -> TensorGroup:
    """Two 4-bit weights a byte, along the rows."""
    if _EXPERTS not in group.template or group.dtype != "I8" or len(group.shape) != 2 or group.shape[0] % 2:
        return group
    shape = (group.shape[0] // 2, group.shape[1])
    return replace(group, shape=shape, bytes=tensor_bytes(group.dtype, shape) * group.count)
