"""The end-to-end configuration of a model: what a test job needs to start it and to check it, as YAML."""

from __future__ import annotations

from typing import Any

from ascend_compat.core.report import ReportDocument
from ascend_compat.report import serving
from ascend_compat.report.catalog import DEFAULT_LANGUAGE
from ascend_compat.report.escape import yaml
from ascend_compat.report.view import View, flat


def render_e2e(doc: ReportDocument, lang: str = DEFAULT_LANGUAGE) -> str:
    """YAML with the keys vllm-ascend's own end-to-end configurations use, and the verdict they lack."""
    view = View(doc, lang)
    layout = doc.memory.layout or doc.memory.minimum
    return yaml(
        {
            "test_name": f"{doc.model.name}-{doc.target.soc}",
            "model": doc.model.spec,
            "verdict": doc.verdict.value,
            "target": _target(doc),
            "num_nodes": layout.nodes if layout else None,
            "npu_per_node": layout.npus // layout.nodes if layout and layout.nodes else None,
            "layout": layout.model_dump() if layout else None,
            "features": {row.feature: row.status for row in doc.features},
            "quantization": _quantization(doc),
            "gates": {gate.stage: gate.prediction.value for gate in doc.gates},
            "env_common": dict(doc.launch.env) if doc.launch else {},
            "deployment": _deployment(doc),
            "verification": _verification(view),
            "blockers": [
                {"code": row.code, "says": flat(view.message(row))} for row in view.findings() if row.severity.rank == 2
            ],
            "remedies": [flat(view.text(row.action)) for row in doc.remedies],
        }
    )


def _target(doc: ReportDocument) -> dict[str, Any]:
    target = doc.target
    return {
        "vllm_ascend": target.vllm_ascend,
        "vllm": target.vllm,
        "cann": target.cann,
        "torch_npu": target.torch_npu,
        "soc": target.soc,
        "pack_digest": target.pack_digest,
    }


def _quantization(doc: ReportDocument) -> dict[str, Any]:
    part = doc.quantization
    return {
        "method": part.resolved_method,
        "declared": part.method,
        "format": part.format,
        "auto_detected": part.auto_detected,
        "kv_cache": part.kv_cache,
        "mapping": [
            {
                "layer_type": row.layer_type,
                "scheme": row.scheme,
                "stored": row.stored_dtype,
                "allocated": row.allocated_dtype,
                "outcome": row.outcome,
            }
            for row in part.groups
        ],
    }


def _deployment(doc: ReportDocument) -> list[dict[str, Any]]:
    if doc.launch is None:
        return []
    return [{"server_cmd": serving.command(argv)} for argv in serving.nodes(doc.launch)]


def _verification(view: View) -> list[dict[str, str]]:
    wait = {"name": "health", "command": serving.health(view), "expect": "HTTP 200"}
    return [wait] + [
        {"name": request.name, "command": request.command, "expect": view.word(f"smoke.expect.{request.name}")}
        for request in serving.smoke(view)
    ]
