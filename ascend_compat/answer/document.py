"""Results of the stages as parts of the report: conversion only, nothing is decided here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ascend_compat.core import report as doc
from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.core.finding import Evidence, Finding, Message
from ascend_compat.core.memory_parts import EstimatePart
from ascend_compat.core.plan import Attempt, KvPlan, Layout, MemoryPlan, RankMemory
from ascend_compat.core.profile import ModelProfile
from ascend_compat.core.target import Target
from ascend_compat.core.verdict import Severity
from ascend_compat.knowledge.match import config_class
from ascend_compat.knowledge.matched import GroupOutcome, Match
from ascend_compat.report.catalog import render


def text(message: Message) -> doc.Text:
    """A message with its English rendering."""
    return doc.Text(id=message.id, params=dict(message.params), text=render(message.id, message.params, "en"))


def evidence(items: Iterable[Evidence]) -> list[doc.EvidenceRow]:
    """Evidence rows."""
    return [doc.EvidenceRow(kind=e.kind, path=e.path, line=e.line, detail=e.detail) for e in items]


def finding(item: Finding, best: Message | None) -> doc.FindingRow:
    """One finding with its English sentences; a blocker without a remedy of its own gets the best way to a yes."""
    remedy = item.remedy or (best if item.severity is Severity.BLOCKER else None)
    if item.code == "AC401" and best is not None and best.id.startswith("remedy.flag"):
        remedy = best  # another command on the same cards is less to ask for than other cards
    return doc.FindingRow(
        code=item.code,
        severity=item.severity,
        effect=item.effect,
        basis=item.basis,
        subject=item.subject,
        message=render(item.message.id, item.message.params, "en"),
        message_id=item.message.id,
        params=dict(item.message.params),
        remedy=render(remedy.id, remedy.params, "en") if remedy else None,
        remedy_id=remedy.id if remedy else None,
        remedy_params=dict(remedy.params) if remedy else {},
        evidence=evidence(item.evidence),
        path=list(item.path),
        undetermined=item.undetermined,
        conditional=item.conditional,
    )


def model_part(facts: CheckpointFacts, profile: ModelProfile) -> doc.ModelPart:
    """What was analysed."""
    name = facts.spec.rstrip("/").rpartition("/")[2].partition("@")[0]
    return doc.ModelPart(
        spec=facts.spec,
        name=name or facts.spec,
        source=facts.source,
        revision=facts.revision,
        architecture=profile.architecture,
        model_type=profile.model_type,
        tensors=facts.tensor_count,
        elements=facts.elements,
        checkpoint_bytes=facts.checkpoint_bytes,
        parameters=profile.parameters,
        has_weights=facts.has_weights,
        dtypes=facts.dtypes,
        shards=facts.shards,
        table=_table(facts),
    )


def _table(facts: CheckpointFacts) -> doc.TablePart | None:
    note = facts.table
    if note is None:
        return None
    return doc.TablePart(source=note.source, level=note.level, fields=list(note.fields), missing=note.missing)


def target_part(target: Target) -> doc.TargetPart:
    """What it was judged against."""
    return doc.TargetPart(
        vllm_ascend=target.vllm_ascend,
        vllm=target.vllm,
        cann=target.cann,
        torch_npu=target.torch_npu,
        soc=target.soc.name,
        npu_memory_bytes=target.soc.memory_bytes,
        npus_per_node=target.soc.npus_per_node,
        pack_digest=target.pack_digest,
    )


def quantization_part(profile: ModelProfile, match: Match, findings: Iterable[Finding]) -> doc.QuantizationPart:
    """Declared, stored, chosen and allocated, one row per scheme and layer type."""
    declared = profile.quantization
    cls, _ = config_class(match.startup)
    failing = {f.path[-2].partition(".")[0]: f.code for f in findings if f.code == "AC301" and len(f.path) > 1}
    rows: dict[tuple[Any, ...], list[GroupOutcome]] = {}
    for group in match.groups:
        key = (
            group.layer_type,
            group.quant_type,
            group.outcome.scheme,
            group.outcome.method,
            bool(group.outcome.trouble),
        )
        rows.setdefault((*key, _stored(group)), []).append(group)
    return doc.QuantizationPart(
        method=declared.method,
        resolved_method=match.startup.method,
        auto_detected=match.startup.auto_detected,
        format=declared.format,
        config_class=cls,
        groups=[_quant_row(groups, profile, failing, match.dtype) for groups in rows.values()],
        ignore=list(declared.ignore),
        kv_cache=declared.kv_cache,
    )


def _quant_row(
    groups: list[GroupOutcome], profile: ModelProfile, failing: Mapping[str, str], dtype: str
) -> doc.QuantRow:
    first = groups[0]
    weight = next((t for name, t in first.outcome.params.items() if "weight" in name and "scale" not in name), None)
    allocated = weight.dtype if weight else None if first.outcome.scheme or first.outcome.trouble else dtype
    declared = next((g.declared for g in profile.quantization.groups), None) if first.outcome.scheme else None
    trouble = first.outcome.trouble
    outcome = "raises" if trouble and trouble.kind else "undetermined" if trouble else "ok"
    if first.outcome.scheme and f"parameter:{first.outcome.scheme}" in failing:
        outcome = "wrong-output"
    return doc.QuantRow(
        targets=[group.bucket.leaf.path for group in groups],
        layer_type=first.layer_type,
        declared=declared,
        scheme=first.quant_type,
        implementation=first.outcome.scheme or first.outcome.method,
        stored_dtype=_stored(first),
        allocated_dtype=allocated,
        modules=sum(group.modules for group in groups),
        outcome=outcome,
        at=(weight.at if weight else None) or first.outcome.scheme_at or first.outcome.method_at,
    )


def _stored(group: GroupOutcome) -> str | None:
    for name, parts in group.bucket.shards.items():
        if "weight" in name and "scale" not in name and "offset" not in name and "shape" not in name:
            return parts[0].dtype
    return None


def layout_part(layout: Layout | None) -> doc.LayoutPart | None:
    """A layout, ``None`` kept."""
    if layout is None:
        return None
    return doc.LayoutPart(**{name: getattr(layout, name) for name in doc.LayoutPart.model_fields})


def rank_part(rank: RankMemory | None) -> doc.RankPart | None:
    """Bytes on the worst rank, ``None`` kept."""
    if rank is None:
        return None
    return doc.RankPart(
        weights=rank.weights,
        kv_cache=rank.kv_cache,
        activation=rank.activation,
        non_torch=rank.non_torch,
        graph=rank.graph,
        total=rank.total,
        budget=rank.budget,
        device=rank.device,
        load_peak=rank.load_peak,
        unprofiled=rank.unprofiled,
        graph_inside=rank.graph_inside,
        estimates=[
            EstimatePart(**{name: getattr(part, name) for name in EstimatePart.model_fields}) for part in rank.estimates
        ],
    )


def kv_part(kv: KvPlan | None) -> doc.KvPart | None:
    """KV capacity, ``None`` kept."""
    if kv is None:
        return None
    return doc.KvPart(**{name: getattr(kv, name) for name in doc.KvPart.model_fields})


def memory_part(plan: MemoryPlan, alternatives: list[doc.AlternativeRow]) -> doc.MemoryPart:
    """The memory answer."""
    studied = plan.studied
    return doc.MemoryPart(
        layout=layout_part(studied.layout) if studied else None,
        per_rank=rank_part(studied.rank) if studied else None,
        kv=kv_part(studied.kv) if studied else None,
        fits=studied.fits if studied else None,
        minimum=layout_part(plan.minimum),
        recommended=layout_part(plan.recommended),
        tried=[tried_row(attempt) for attempt in plan.tried],
        alternatives=alternatives,
        breakdown=[doc.WeightRow(name=item.name, bytes=item.bytes, spread=item.spread) for item in plan.breakdown],
        evidence=evidence(plan.evidence),
        unknown=[text(message) for message in plan.unknown],
        longest=plan.longest,
        reason=text(studied.first_failure) if studied and studied.first_failure else None,
        fix=text(plan.fix) if plan.fix else None,
    )


def tried_row(attempt: Attempt) -> doc.TriedRow:
    """One layout of the search."""
    layout = layout_part(attempt.layout)
    assert layout is not None
    return doc.TriedRow(
        npus=attempt.layout.npus,
        layout=layout,
        fits=attempt.fits,
        first_failure=text(attempt.first_failure) if attempt.first_failure else None,
        per_rank=rank_part(attempt.rank),
    )


def mtp_part(
    profile: ModelProfile, pack: Mapping[str, Any], draft: tuple[str | None, str | None]
) -> doc.MtpPart | None:
    """MTP as declared, as present, and as the release would draft with it; ``None`` for a model without."""
    mtp = profile.mtp
    if mtp is None:
        return None
    name, place = draft
    return doc.MtpPart(
        declared=mtp.declared,
        present=mtp.present,
        tensors=mtp.tensors,
        layers=list(mtp.layers),
        draft_architecture=name,
        registered=name in pack.get("architectures", {}) if name else None,
        at=pack.get("architectures", {}).get(name or "", {}).get("at", place),
        kind=mtp.kind,
        prefix=mtp.prefix,
        own_embedding=mtp.own_embedding if mtp.present else None,
        own_head=mtp.own_head if mtp.present else None,
    )
