"""SARIF 2.1.0: findings as results with their evidence as locations."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from ascend_compat.core.finding import EvidenceKind
from ascend_compat.core.report import EvidenceRow, FindingRow, ReportDocument
from ascend_compat.core.verdict import Severity
from ascend_compat.report.catalog import DEFAULT_LANGUAGE
from ascend_compat.report.pages import page, title
from ascend_compat.report.view import View, flat

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {Severity.BLOCKER: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
_BASES = {
    EvidenceKind.SOURCE: "SOURCE",
    EvidenceKind.CONFIG: "CHECKPOINT",
    EvidenceKind.HEADER: "CHECKPOINT",
    EvidenceKind.RULE: "RULES",
}


def render_sarif(doc: ReportDocument, lang: str = DEFAULT_LANGUAGE) -> str:
    """One run whose results are the findings; paths are relative to the bases SOURCE, CHECKPOINT and RULES."""
    view = View(doc, lang)
    run = {
        "tool": {"driver": _driver(doc)},
        "originalUriBaseIds": {base: {"description": {"text": text}} for base, text in _base_texts(doc).items()},
        "results": [_result(view, row) for row in view.findings()],
        "properties": {"verdict": doc.verdict.value, "summary": flat(view.text(doc.summary))},
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, ensure_ascii=False, indent=2) + "\n"


def _driver(doc: ReportDocument) -> dict[str, Any]:
    rules = [_rule(code) for code in _codes(doc)]
    return {"name": "ascend-compat", "version": doc.tool_version, "rules": rules}


def _rule(code: str) -> dict[str, Any]:
    text = page(code)
    if text is None:
        return {"id": code}
    return {"id": code, "shortDescription": {"text": title(text)}, "help": {"text": text, "markdown": text}}


def _result(view: View, row: FindingRow) -> dict[str, Any]:
    remedy = view.remedy(row)
    message = flat(view.message(row)) + (f" {view.word('finding.remedy')} {flat(remedy)}" if remedy else "")
    related = [{"id": index, **_location(item)} for index, item in enumerate(row.evidence[1:], start=1)]
    return {
        "ruleId": row.code,
        "ruleIndex": _codes(view.doc).index(row.code),
        "level": _LEVELS[row.severity],
        "message": {"text": message},
        "locations": [{**_location(row.evidence[0]), "logicalLocations": [{"fullyQualifiedName": row.subject}]}],
        **({"relatedLocations": related} if related else {}),
        "partialFingerprints": {"finding/v1": f"{row.code}/{row.subject}"},
        "properties": {
            "effect": row.effect.value,
            "basis": row.basis.value,
            "undetermined": row.undetermined,
            "conditional": row.conditional,
            "path": row.path,
        },
    }


def _location(row: EvidenceRow) -> dict[str, Any]:
    artifact: dict[str, Any] = {"uri": quote(row.path, safe="/:")}
    if row.kind in _BASES and "://" not in row.path:
        artifact["uriBaseId"] = _BASES[row.kind]
        artifact["uri"] = quote(row.path.lstrip("/"), safe="/")
    region = {"region": {"startLine": row.line}} if row.line is not None and row.line > 0 else {}
    detail = {"message": {"text": row.detail}} if row.detail else {}
    return {"physicalLocation": {"artifactLocation": artifact, **region}, **detail}


def _codes(doc: ReportDocument) -> list[str]:
    return sorted({row.code for row in doc.findings})


def _base_texts(doc: ReportDocument) -> dict[str, str]:
    return {
        "SOURCE": f"source trees of vllm-ascend {doc.target.vllm_ascend} and its vLLM",
        "CHECKPOINT": doc.model.spec,
        "RULES": "rules of ascend-compat",
    }
