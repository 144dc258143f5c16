"""Hand-built reports: GLM-4.7-FP8 that gives wrong output on A2, and its ModelSlim W8A8 sister that runs."""

from __future__ import annotations

from typing import Any

from ascend_compat.core.matrix import MatrixDocument
from ascend_compat.core.report import ReportDocument

GIB = 1 << 30
ASCEND = "vllm_ascend/quantization/compressed_tensors_config.py"
METHODS = "vllm_ascend/quantization/methods/w8a8_dynamic.py"


def incompatible(**changes: Any) -> ReportDocument:
    """GLM-4.7-FP8 on 0.18.0rc1 and A2; ``changes`` replace top-level parts."""
    return ReportDocument.model_validate({**_base(), **_fp8(), **changes})


def compatible(**changes: Any) -> ReportDocument:
    """GLM-4.7 as ModelSlim W8A8 on the same target."""
    return ReportDocument.model_validate({**_base(), **_w8a8(), **changes})


def matrix(runs: bool = True) -> MatrixDocument:
    """GLM-4.7-FP8 on two SoCs: three releases that refuse it, one that runs it on A5, one that no longer does."""
    blocked = text("AC301.any", "The loader copies `F8_E4M3` into int8.")
    bare = text("AC307.any", "A2 has no units for it.")
    no = {"verdict": "incompatible", "blockers": ["AC301", "AC303"], "reason": blocked, "minimum": layout(8, 8)}
    slow = {"verdict": "incompatible", "blockers": ["AC307"], "reason": bare, "minimum": layout(8, 8)}
    yes = {"verdict": "compatible", "minimum": layout(4, 4)} if runs else no
    first = {
        "soc": "A5",
        "release": "0.23.0",
        "verdict": "compatible",
        "minimum": layout(4, 4),
        "not_in": ["0.24.0rc1"],
    }
    return MatrixDocument.model_validate(
        {
            "tool_version": "0",
            "model": "GLM-4.7-FP8",
            "socs": ["A2", "A5"],
            "rows": [
                {"releases": ["0.9.1rc1", "0.13.0", "0.18.0"], "cells": [{"soc": "A2", **no}, {"soc": "A5", **no}]},
                {"releases": ["0.23.0"], "cells": [{"soc": "A2", **slow}, {"soc": "A5", **yes}]},
                {"releases": ["0.24.0rc1"], "cells": [{"soc": "A2", **slow}, {"soc": "A5", **no}]},
            ],
            "first": [{"soc": "A2"}, {"soc": "A5", **(first if runs else {})}],
        }
    )


def text(message_id: str, sentence: str, **params: Any) -> dict[str, Any]:
    """A sentence whose id no catalogue knows, so that views fall back to the English text."""
    return {"id": message_id, "params": params, "text": sentence}


def evidence(path: str, line: int | None = None, kind: str = "source", detail: str = "") -> dict[str, Any]:
    """One evidence row."""
    return {"kind": kind, "path": path, "line": line, "detail": detail}


def layout(npus: int, tp: int, dp: int = 1, nodes: int = 1, ep: bool = True) -> dict[str, Any]:
    """One layout row."""
    return {"npus": npus, "nodes": nodes, "tp": tp, "dp": dp, "pp": npus // (tp * dp), "ep": ep}


def rank(weights: float, kv: float, activation: float = 0.91, non_torch: float = 0.93) -> dict[str, int]:
    """One rank, given in GiB."""
    parts = {"weights": weights, "kv_cache": kv, "activation": activation, "non_torch": non_torch, "graph": 0.6}
    counts = {name: int(value * GIB) for name, value in parts.items()}
    total = counts["weights"] + counts["activation"] + counts["non_torch"]
    return {**counts, "total": total, "budget": int(54.87 * GIB), "device": int(60.97 * GIB)}


def finding(code: str, message: str, rows: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
    """One finding row; the defaults are a blocker read in source."""
    row = {
        "code": code,
        "severity": "blocker",
        "effect": "wrong-output",
        "basis": "source",
        "subject": "model.layers.*.mlp.experts",
        "message": message,
        "message_id": f"{code}.sample",
        "evidence": rows,
    }
    return {**row, **changes}


def _base() -> dict[str, Any]:
    return {
        "tool_version": "0.1.0",
        "target": {
            "vllm_ascend": "0.18.0rc1",
            "vllm": "0.18.0",
            "cann": "8.5.1",
            "torch_npu": "2.9.0",
            "soc": "A2",
            "npu_memory_bytes": int(60.97 * GIB),
            "npus_per_node": 8,
            "pack_digest": "sha256:3f0c9a517d2b44e0a1c6b8e2f7d90c53",
        },
        "architecture": _architecture(),
        "mtp": {
            "declared": 1,
            "present": True,
            "tensors": 970,
            "layers": [92],
            "draft_architecture": "Glm4MoeMTPModel",
            "registered": True,
            "at": "vllm/model_executor/models/registry.py:566",
        },
        "operators": _operators(),
        "limits": [text("X.limit", "Activation memory is an upper bound; no NPU was used.")],
    }


def _architecture() -> dict[str, Any]:
    attention = {"kind": "gqa", "layers": 92, "heads": 96, "kv_heads": 8, "head_dim": 128, "qk_norm": True}
    moe = {"routed": 160, "shared": 1, "top_k": 8, "intermediate_size": 1536, "layers": 89, "dense_layers": 3}
    return {
        "family": "glm4_moe",
        "hidden_size": 5120,
        "layers": 92,
        "vocab_size": 151552,
        "intermediate_size": 12288,
        "max_positions": 202752,
        "tied_embeddings": False,
        "attention": [attention],
        "moe": moe,
        "modalities": ["text"],
        "rope": {"theta": "1000000", "partial_rotary_factor": "0.5"},
        "norm": ["RMSNorm", "QK norm"],
        "activation": "silu",
        "attention_bias": True,
        "registered": "Glm4MoeForCausalLM",
        "registered_at": "vllm/model_executor/models/registry.py:117",
    }


def _operators() -> list[dict[str, Any]]:
    utils = "vllm_ascend/utils.py"
    rows = [
        ("attention", "Attention", "replaced", "AscendAttentionBackend", ("vllm_ascend/platform.py", 612)),
        ("moe", "FusedMoE", "replaced", "AscendFusedMoE", (utils, 652)),
        ("norm", "RMSNorm", "replaced", "AscendRMSNorm", (utils, 640)),
        ("norm", "QK norm", "native", None, ("vllm/model_executor/models/glm4_moe.py", 298)),
        ("rope", "RotaryEmbedding", "replaced", "AscendRotaryEmbedding", (utils, 637)),
        ("activation", "SiluAndMul", "replaced", "AscendSiluAndMul", (utils, 636)),
        ("linear", "ColumnParallelLinear", "replaced", "AscendColumnParallelLinear", (utils, 641)),
    ]
    return [
        {"category": category, "operator": name, "status": status, "implementation": by, "evidence": [evidence(*place)]}
        for category, name, status, by, place in rows
    ]


def _model(name: str, dtypes: dict[str, int], tensors: int) -> dict[str, Any]:
    return {
        "spec": f"/models/{name}",
        "name": name,
        "source": "local",
        "revision": None,
        "architecture": "Glm4MoeForCausalLM",
        "model_type": "glm4_moe",
        "tensors": tensors,
        "elements": 358_400_000_000,
        "checkpoint_bytes": sum(dtypes.values()),
        "parameters": 358_337_791_296,
        "has_weights": True,
        "dtypes": dtypes,
        "shards": 92,
    }


def _features(**status: str) -> list[dict[str, Any]]:
    known = {
        "acl-graph": "supported",
        "expert-parallel": "supported",
        "mtp": "supported",
        "tool-calling": "supported",
        "reasoning-parser": "supported",
        "multimodal": "not-applicable",
    }
    return [
        {"feature": name, "status": value, "reason": text(f"X.{name}", f"{name}: read in the release")}
        for name, value in {**known, **status}.items()
    ]


def _launch(name: str, nodes: list[list[str]] | None = None) -> dict[str, Any]:
    argv = ["vllm", "serve", f"/models/{name}", "--served-model-name", "glm-4.7", "--tensor-parallel-size", "8"]
    argv += ["--enable-expert-parallel", "--max-model-len", "133000", "--max-num-seqs", "16", "--port", "8000"]
    argv += ["--compilation-config", '{"cudagraph_mode": "FULL_DECODE_ONLY"}']
    argv += ["--enable-auto-tool-choice", "--tool-call-parser", "glm47"]
    env = {
        "HCCL_OP_EXPANSION_MODE": "AIV",
        "PYTORCH_NPU_ALLOC_CONF": "expandable_segments:True",
        "HCCL_BUFFSIZE": "512",
    }
    return {"env": env, "argv": argv, "nodes": nodes or []}


def _tried(fits_at: int, weights: dict[int, float]) -> list[dict[str, Any]]:
    rows = []
    for npus, load in weights.items():
        tp = min(npus, 8)
        failure = text("X.weights", f"weights need {load} GiB on a rank, the budget is 54.87 GiB")
        if npus == 5:
            failure = text("X.heads", "96 attention heads are not divisible by 5")
        rows.append(
            {
                "npus": npus,
                "layout": layout(npus, tp, max(1, npus // 8), max(1, npus // 8)),
                "fits": npus >= fits_at,
                "first_failure": None if npus >= fits_at else failure,
                "per_rank": None if npus == 5 else rank(load, 54.87 - load - 1.84),
            }
        )
    return rows


def _memory(minimum: dict[str, Any], studied: dict[str, int], tried: list[dict[str, Any]]) -> dict[str, Any]:
    kv = {
        "bytes_per_token": 47104,
        "block_size": 128,
        "page_bytes": 65536,
        "pages": 2023,
        "pages_per_request": 1040,
        "requests": 1,
        "tokens": 133000,
        "max_model_len": 133000,
    }
    experts = {"name": "routed experts", "bytes": int(38.2 * GIB), "spread": "EP8"}
    attention = {"name": "attention", "bytes": int(1.45 * GIB), "spread": "TP8"}
    return {
        "layout": minimum,
        "per_rank": studied,
        "kv": kv,
        "fits": True,
        "minimum": minimum,
        "recommended": layout(16, 8, 2, 2),
        "tried": tried,
        "alternatives": [
            {"precision": "BF16", "soc": "A2", "npu_memory_bytes": int(60.97 * GIB), "minimum": layout(16, 8, 2, 2)},
            {"precision": "W8A8", "soc": "A3", "npu_memory_bytes": int(61.27 * GIB), "minimum": None},
        ],
        "breakdown": [experts, attention],
        "evidence": [evidence("vllm_ascend/worker/worker.py", 265)],
    }


def _fp8() -> dict[str, Any]:
    chain = [
        evidence(ASCEND, 355, detail="_detect_quant_type returns W8A8_DYNAMIC"),
        evidence(METHODS, 147, detail="torch.int8"),
        evidence("model-00003-of-00092.safetensors", None, "header", "F8_E4M3"),
        evidence("config.json", None, "config", "quantization_config.config_groups.group_0"),
    ]
    silent = finding(
        "AC301",
        "The checkpoint stores F8_E4M3, scheme W8A8_DYNAMIC allocates int8: values are cast without an error.",
        chain,
        remedy="Use the ModelSlim W8A8 checkpoint with --quantization ascend.",
        path=["quant:compressed-tensors", "class:AscendCompressedTensorsConfig", "scheme:W8A8_DYNAMIC", "dtype:int8"],
    )
    note = finding(
        "AC501",
        "The MTP layer has no quantized weights of its own.",
        [evidence("model-00092-of-00092.safetensors", None, "header")],
        severity="warning",
        effect="degraded",
        basis="inferred",
        subject="model.layers.92.eh_proj",
    )
    row = {
        "declared": "float 8 bit channel / token dynamic",
        "scheme": "W8A8_DYNAMIC",
        "stored_dtype": "F8_E4M3",
        "allocated_dtype": "int8",
        "outcome": "wrong-output",
    }
    linear = {"targets": ["Linear"], "layer_type": "linear", "implementation": "AscendW8A8DynamicLinearMethod"}
    moe = {"targets": ["Linear"], "layer_type": "moe", "implementation": "AscendW8A8DynamicFusedMoEMethod"}
    return {
        "model": _model("GLM-4.7-FP8", {"F8_E4M3": 353_894_400_000, "BF16": 4_900_000_000, "F32": 90_000}, 88_542),
        "verdict": "incompatible",
        "summary": text("X.summary", "The server starts and answers, but the answers are garbage."),
        "findings": [note, silent],
        "quantization": {
            "method": "compressed-tensors",
            "resolved_method": "compressed-tensors",
            "auto_detected": True,
            "format": "float-quantized",
            "config_class": "AscendCompressedTensorsConfig",
            "groups": [
                {**row, **linear, "modules": 650, "at": f"{METHODS}:61"},
                {**row, **moe, "modules": 42_720, "at": f"{METHODS}:147"},
            ],
            "ignore": ["lm_head", "re:.*mlp.gate$", "model.layers.92.eh_proj"],
            "kv_cache": None,
        },
        "features": _features(mtp="undetermined"),
        "memory": _memory(layout(8, 8), rank(41.67, 11.36), _tried(8, {1: 333.4, 2: 166.7, 4: 83.4, 5: 0, 8: 41.67})),
        "gates": [
            {
                "stage": "dummy-weights",
                "prediction": "pass",
                "reason": text("X.dummy", "int8 is allocated and filled."),
            },
            {
                "stage": "real-weights",
                "prediction": "wrong-output",
                "reason": text("X.real", "F8_E4M3 is cast to int8."),
            },
        ],
        "launch": _launch("GLM-4.7-FP8"),
        "remedies": [
            {
                "rank": 1,
                "action": text("X.w8a8", "Take the ModelSlim W8A8 checkpoint and serve it with --quantization ascend."),
                "precision": "W8A8",
                "release": "0.18.0rc1",
                "soc": "A2",
                "npus": 8,
                "verified": True,
            },
            {
                "rank": 2,
                "action": text("X.bf16", "Take the BF16 checkpoint."),
                "precision": "BF16",
                "release": "0.18.0rc1",
                "soc": "A2",
                "npus": 16,
                "verified": True,
            },
        ],
    }


def _w8a8() -> dict[str, Any]:
    node = [*_launch("GLM-4.7-W8A8")["argv"], "--data-parallel-size", "2", "--data-parallel-address", "$NODE0_IP"]
    row = {
        "targets": ["model.layers.*.mlp.experts"],
        "layer_type": "moe",
        "declared": "W8A8_DYNAMIC",
        "scheme": "W8A8_DYNAMIC",
        "implementation": "AscendW8A8DynamicFusedMoEMethod",
        "stored_dtype": "I8",
        "allocated_dtype": "int8",
        "modules": 42_720,
        "outcome": "ok",
        "at": f"{METHODS}:147",
    }
    return {
        "model": _model("GLM-4.7-W8A8", {"I8": 353_894_400_000, "BF16": 4_900_000_000}, 88_542),
        "verdict": "compatible",
        "summary": text("X.summary", "The checkpoint loads as stored and every operator has an implementation."),
        "findings": [],
        "quantization": {
            "method": "modelslim",
            "resolved_method": "ascend",
            "auto_detected": True,
            "format": None,
            "config_class": "AscendModelSlimConfig",
            "groups": [row],
            "ignore": [],
            "kv_cache": None,
        },
        "features": _features(),
        "memory": _memory(layout(8, 8), rank(41.67, 11.36), _tried(8, {1: 333.4, 2: 166.7, 4: 83.4, 8: 41.67})),
        "gates": [
            {"stage": "dummy-weights", "prediction": "pass", "reason": text("X.dummy", "Every layer is registered.")},
            {"stage": "real-weights", "prediction": "pass", "reason": text("X.real", "Stored as allocated.")},
        ],
        "launch": _launch("GLM-4.7-W8A8", [node, [*node, "--headless"]]),
        "remedies": [],
    }


ATTACK = (
    "a|b`c\n# d <script>alert(1)</script> \x1b[31m::error::x %0A ]]> '$(id)' \u202e"
    " [x](javascript:y) ![i](http://e) @you"
)


def hostile() -> ReportDocument:
    """The incompatible report with an attack in every free text."""
    doc = _fp8()
    bad = [evidence(ATTACK, 3, detail=ATTACK)]
    row = finding("AC101", ATTACK, bad, subject=ATTACK, path=[ATTACK, ATTACK], remedy=ATTACK)
    model = {**doc["model"], "name": ATTACK, "spec": ATTACK, "architecture": ATTACK, "model_type": ATTACK}
    group = {**doc["quantization"]["groups"][0], "declared": ATTACK, "targets": [ATTACK], "at": ATTACK}
    operator = {"category": ATTACK, "operator": ATTACK, "status": ATTACK, "implementation": ATTACK, "evidence": bad}
    launch = {"env": {"A": ATTACK}, "argv": ["vllm", "serve", ATTACK, "--port", "8000"], "nodes": []}
    return incompatible(
        model=model,
        summary=text("X.summary", ATTACK),
        findings=[row],
        quantization={**doc["quantization"], "groups": [group], "ignore": [ATTACK], "method": ATTACK},
        operators=[operator],
        launch=launch,
        features=[{"feature": ATTACK, "status": ATTACK, "reason": text("X.f", ATTACK)}],
    )


def bare() -> ReportDocument:
    """What is left when there is a configuration only: no weights, no registry entry, no plan."""
    doc = _fp8()
    nothing = dict.fromkeys(("hidden_size", "layers", "vocab_size", "intermediate_size", "max_positions"))
    unknown = {"layers": "config.json has no num_hidden_layers"}
    architecture = {
        **_architecture(), **nothing, "family": None, "attention": [], "moe": None, "rope": {}, "norm": [],
        "activation": None, "attention_bias": None, "registered": None, "registered_at": None, "unknown": unknown,
    }  # fmt: skip
    memory = {
        **dict.fromkeys(("layout", "per_rank", "kv", "fits", "minimum", "recommended")),
        "tried": [],
        "unknown": [text("X.size", "Sizes are unknown without weights.")],
    }
    missing = finding(
        "AC203",
        "The architecture is not named.",
        [evidence("config.json", None, "config")],
        effect="fails-at-startup",
        undetermined=True,
        subject="architectures",
    )
    gate = {"stage": "real-weights", "prediction": "undetermined", "reason": text("X.g", "No weights.")}
    return incompatible(
        verdict="undetermined",
        model={
            **doc["model"], "architecture": None, "model_type": None, "tensors": 0, "elements": 0,
            "checkpoint_bytes": 0, "parameters": None, "has_weights": False, "dtypes": {}, "shards": 0,
        },
        target={**_base()["target"], "vllm": None, "cann": None, "torch_npu": None},
        findings=[missing],
        architecture=architecture,
        quantization={
            **dict.fromkeys(("method", "resolved_method", "format", "config_class", "kv_cache")),
            "auto_detected": False, "groups": [], "ignore": [],
        },
        mtp=None,
        operators=[],
        features=[],
        memory=memory,
        gates=[gate],
        launch=None,
        remedies=[],
        limits=[],
    )  # fmt: skip
