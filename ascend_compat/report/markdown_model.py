"""Markdown sections about the model: specification, environment, architecture, operators, quantization."""

from __future__ import annotations

from ascend_compat.report.markup import bullets, heading, inline, paragraph, table
from ascend_compat.report.rows import model, support
from ascend_compat.report.view import View


def specification(view: View) -> list[str]:
    """The specification table and what neither configuration nor tensors say."""
    return [table(model.specification(view)), bullets(model.unknown(view))]


def environment(view: View) -> list[str]:
    """The versions the verdict holds for."""
    return [paragraph(view.say("environment.note")), table(model.environment(view))]


def architecture(view: View) -> list[str]:
    """Registry entries, then the operator gate: per category, per operator, in one sentence."""
    name = view.doc.architecture.registered or view.doc.model.architecture
    state = "architecture.yes" if view.doc.architecture.registered else "architecture.no"
    return [
        heading(3, "vLLM"),
        paragraph(view.say(state, name=name, at=view.doc.architecture.registered_at)),
        table(model.architecture(view)),
        heading(3, "vllm-ascend"),
        paragraph(view.say("architecture.ascend", release=view.doc.target.vllm_ascend, count=len(view.doc.operators))),
        heading(3, view.word("section.gate")),
        table(support.operator_gate(view)),
        f"**{inline(support.operator_conclusion(view))}**",
        paragraph(view.say("claims.some" if view.doc.claims else "claims.none")),
        table(support.claims(view)),
        heading(3, view.word("section.operators")) if view.doc.operators else "",
        table(support.operators(view)),
    ]


def quantization(view: View) -> list[str]:
    """What is declared and resolved, then the mapping from stored to allocated."""
    return [
        bullets(support.quantization_facts(view)),
        table(support.quantization(view)),
        paragraph(view.say("quantization.read")) if view.doc.quantization.groups else "",
    ]


def names(view: View) -> list[str]:
    """What the release's loader does with each name, and with the names of MTP heads where a drafter is known."""
    parts: list[str] = []
    for part in (view.doc.names, view.doc.draft_names):
        if part is not None:
            parts += [paragraph(view.text(part.summary)), table(support.names(view, part))]
    return parts or [paragraph(view.say("names.none"))]
