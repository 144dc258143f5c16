"""The command that matches the plan: only flags and variables that the release knows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ascend_compat.answer.judge import Judgement
from ascend_compat.core.plan import Layout
from ascend_compat.core.report import LaunchPart
from ascend_compat.core.target import LONGEST

#: Environment that upstream's own multi-card guides set; kept only when something in the trees or CANN reads it.
#: Source: vllm-ascend 0.18.0rc1, docs/source/tutorials; HCCL_* are read by CANN's HCCL, not by Python.
BASE_ENV = {"PYTORCH_NPU_ALLOC_CONF": "expandable_segments:True", "OMP_NUM_THREADS": "1"}
MULTI_NPU_ENV = {"HCCL_OP_EXPANSION_MODE": "AIV"}
MULTI_NODE_ENV = {
    "HCCL_IF_IP": "$LOCAL_IP",
    "GLOO_SOCKET_IFNAME": "$NIC",
    "HCCL_SOCKET_IFNAME": "$NIC",
    "TP_SOCKET_IFNAME": "$NIC",
}
PORT, RPC_PORT = "8000", "13389"


def launch_part(found: Judgement) -> LaunchPart | None:
    """``None`` when no layout is known."""
    attempt = found.plan.studied
    layout = found.plan.minimum or (attempt.layout if attempt else None)
    if layout is None:
        return None
    env = dict(BASE_ENV)
    if layout.npus > 1:
        env |= MULTI_NPU_ENV
    if layout.nodes > 1:
        env |= MULTI_NODE_ENV
    env |= {**dict(found.plan.environment), **(found.launch.environment or {})}
    argv = _argv(found, layout)
    nodes = [[*argv, *_node(layout, index)] for index in range(layout.nodes)] if layout.nodes > 1 else []
    return LaunchPart(env=env, argv=argv, nodes=nodes)


def _argv(found: Judgement, layout: Layout) -> list[str]:
    launch = found.launch
    name = found.facts.spec.rstrip("/").rpartition("/")[2].partition("@")[0]
    wanted: list[tuple[str, str | None]] = [
        ("--served-model-name", name.lower()),
        ("--port", PORT),
        ("--tensor-parallel-size", str(layout.tp)),
        ("--data-parallel-size", str(layout.dp) if layout.dp > 1 else ""),
        ("--pipeline-parallel-size", str(layout.pp) if layout.pp > 1 else ""),
        ("--prefill-context-parallel-size", str(layout.pcp) if layout.pcp > 1 else ""),
        ("--decode-context-parallel-size", str(layout.dcp) if layout.dcp > 1 else ""),
        ("--enable-expert-parallel", None if layout.ep else ""),
        (
            "--quantization",
            launch.quantization or (found.match.startup.method if found.match.startup.auto_detected else ""),
        ),
        ("--dtype", launch.dtype or ""),
        ("--max-model-len", _max_len(found)),
        ("--max-num-seqs", _text(launch.max_num_seqs)),
        ("--max-num-batched-tokens", _text(launch.max_num_batched_tokens)),
        ("--gpu-memory-utilization", _text(launch.gpu_memory_utilization)),
        ("--speculative-config", _json(launch.speculative)),
        ("--additional-config", _json(launch.additional_config)),
        ("--enforce-eager", None if launch.enforce_eager else ""),
        *(launch.flags or {}).items(),
    ]
    known: Mapping[str, Any] = found.pack.get("flags", {})
    argv = ["vllm", "serve", found.facts.spec]
    for flag, value in wanted:
        if value == "" or (known and flag not in known):
            continue
        argv.extend([flag] if value is None else [flag, value])
    return argv


def _node(layout: Layout, index: int) -> list[str]:
    """What each node adds in a data-parallel deployment over several nodes."""
    local = max(layout.dp // layout.nodes, 1)
    flags = [
        "--data-parallel-size-local",
        str(local),
        "--data-parallel-address",
        "$NODE0_IP",
        "--data-parallel-rpc-port",
        RPC_PORT,
    ]
    return [*flags, "--headless", "--data-parallel-start-rank", str(local * index)] if index else flags


def _max_len(found: Judgement) -> str:
    """The length asked for, else the one the plan assumed or found."""
    asked = found.launch.max_model_len
    kv = found.plan.studied.kv if found.plan.studied else None
    if asked is not None and asked != LONGEST:
        return str(asked)
    return str(kv.max_model_len) if kv else ""


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _json(value: Mapping[str, Any] | None) -> str:
    return json.dumps(value, ensure_ascii=False) if value else ""
