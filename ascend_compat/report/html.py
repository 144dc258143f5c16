"""report.html: one page without external assets, from a jinja2 template with autoescape."""

from __future__ import annotations

from typing import Any

from ascend_compat.core.report import FindingRow, ReportDocument
from ascend_compat.report import serving
from ascend_compat.report.catalog import DEFAULT_LANGUAGE
from ascend_compat.report.escape import html as escape_html
from ascend_compat.report.escape import visible
from ascend_compat.report.ladder import steps
from ascend_compat.report.rows import answer, memory, model, support
from ascend_compat.report.view import Sentence, View, place

_HTML_LANG = {"en": "en", "zh": "zh-CN"}


def render_html(doc: ReportDocument, lang: str = DEFAULT_LANGUAGE) -> str:
    """The report as one HTML page; it needs no network and runs no script."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("ascend_compat.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["seen"] = lambda text: visible(str(text), keep="\n\t")
    environment.filters["breakable"] = lambda text: Markup(escape_html(text).replace("/", "/<wbr>"))
    view = View(doc, lang)
    return environment.get_template("report.html.j2").render(
        lang=_HTML_LANG.get(lang, lang), view=view, doc=doc, word=view.word, **_parts(view)
    )


def _parts(view: View) -> dict[str, Any]:
    """What the template places: tables, sentences and commands under the names of the sections."""
    rank = view.doc.memory.per_rank
    return {
        "headline": answer.headline(view),
        "verdict": view.verdict,
        "summary": view.text(view.doc.summary),
        "intro": view.say("intro"),
        "brief": [answer.brief(view), answer.provenance(view)],
        "remedies": answer.remedies(view),
        "no_remedy": view.say("way.not_needed" if view.runs else "way.unknown"),
        "findings": [_finding(view, row) for row in view.findings()],
        "bar": memory.bar(view, rank) if rank else [],
        "memory": _memory(view),
        "model": [("specification", model.specification(view)), ("environment", model.environment(view))],
        "operators": [model.architecture(view), support.operator_gate(view), support.operators(view)],
        "operator_conclusion": support.operator_conclusion(view),
        "claims": support.claims(view),
        "claims_note": view.say("claims.some" if view.doc.claims else "claims.none"),
        "quantization": support.quantization(view),
        "quantization_facts": support.quantization_facts(view),
        "validation": [support.gates(view), support.features(view)],
        "commands": _commands(view),
        "steps": steps(view),
        "limits": [
            *(map(view.text, view.doc.limits) if view.doc.limits else [view.say("limits.static")]),
            *model.unknown(view),
        ],
        "changes": [(row.code, row.subject, row.evidence[0].place) for row in answer.code_changes(view)],
        "no_change": view.say("changes.none" if view.runs else "changes.not_code"),
    }


def _finding(view: View, row: FindingRow) -> dict[str, Any]:
    state = [name for name, on in (("undetermined", row.undetermined), ("conditional", row.conditional)) if on]
    return {
        "code": row.code,
        "level": row.severity.value,
        "marks": [
            view.choice("severity", row.severity.value),
            view.choice("effect", row.effect.value),
            view.choice("basis", row.basis.value),
        ],
        "states": [view.word(f"state.{name}") for name in state],
        "subject": row.subject,
        "message": view.message(row),
        "remedy": view.remedy(row),
        "evidence": [place(evidence) for evidence in row.evidence],
        "path": row.path,
    }


def _memory(view: View) -> list[tuple[str, Any]]:
    tables = [
        ("tried", memory.tried(view)),
        ("rank", memory.rank(view)),
        ("estimates", memory.estimates(view)),
        ("breakdown", memory.breakdown(view)),
        ("kv", memory.capacity(view)),
        ("alternatives", memory.alternatives(view)),
    ]
    return [(name, table) for name, table in tables if table.rows]


def _commands(view: View) -> dict[str, Any]:
    launch = view.doc.launch
    label: Sentence = view.say("launch.none")
    if launch is not None:
        conditional = view.doc.verdict.value == "conditional"
        label = view.say("launch.ready" if view.runs else "launch.conditional" if conditional else "launch.as_asked")
    return {
        "label": label,
        "variables": serving.variables(view),
        "exports": serving.exports(launch) if launch else "",
        "nodes": [serving.command(argv) for argv in serving.nodes(launch)] if launch else [],
        "smoke": [(view.word(f"smoke.{request.name}"), request.command) for request in serving.smoke(view)],
    }
