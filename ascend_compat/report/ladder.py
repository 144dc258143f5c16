"""The fallback ladder: which troubleshooting steps apply to this report, in the order to try them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ascend_compat.core.report import ReportDocument
from ascend_compat.core.verdict import Effect, Prediction, Severity
from ascend_compat.report import serving
from ascend_compat.report.view import Sentence, View


@dataclass(frozen=True, slots=True)
class Step:
    """One rung: a heading, what to do, and a command where there is one."""

    title: str
    actions: tuple[Sentence, ...]
    command: str = ""


@dataclass(frozen=True, slots=True)
class _Rung:
    """``name`` has the labels ``ladder.<name>`` and one ``ladder.<name>.<action>`` per action."""

    name: str
    applies: Callable[[ReportDocument], bool]
    actions: tuple[str, ...]
    command: str = ""


def steps(view: View) -> list[Step]:
    """The rungs that apply, each with the values of this report in its sentences."""
    values = _values(view)
    return [
        Step(
            view.word(f"ladder.{rung.name}"),
            tuple(view.say(f"ladder.{rung.name}.{action}", **values) for action in rung.actions),
            rung.command,
        )
        for rung in _RUNGS
        if rung.applies(view.doc)
    ]


def _always(doc: ReportDocument) -> bool:
    return True


def _wrong_output(doc: ReportDocument) -> bool:
    return any(row.effect is Effect.WRONG_OUTPUT for row in doc.findings) or any(
        gate.prediction is Prediction.WRONG_OUTPUT for gate in doc.gates
    )


def _damaged(doc: ReportDocument) -> bool:
    return any(row.code.startswith("AC1") for row in doc.findings)


def _startup(doc: ReportDocument) -> bool:
    return any(row.effect is Effect.FAILS_AT_STARTUP and row.severity is Severity.BLOCKER for row in doc.findings)


def _quantized(doc: ReportDocument) -> bool:
    return doc.quantization.method is not None or doc.quantization.resolved_method is not None


def _several_nodes(doc: ReportDocument) -> bool:
    return bool(doc.memory.layout and doc.memory.layout.nodes > 1) or bool(doc.launch and len(doc.launch.nodes) > 1)


def _several_npus(doc: ReportDocument) -> bool:
    return doc.memory.layout is not None and doc.memory.layout.npus > 1


def _undetermined(doc: ReportDocument) -> bool:
    return any(row.undetermined for row in doc.findings) or bool(doc.architecture.unknown or doc.memory.unknown)


_RUNGS = (
    _Rung("reproduce", _always, ("again", "log"), "export ASCEND_LAUNCH_BLOCKING=1\nexport VLLM_LOGGING_LEVEL=DEBUG"),
    _Rung("integrity", _damaged, ("download",)),
    _Rung("startup", _startup, ("finding",)),
    _Rung("output", _wrong_output, ("stop", "gate")),
    _Rung("graph", _always, ("eager", "then"), "vllm serve ... --enforce-eager"),
    _Rung("memory", _always, ("length", "seqs", "tokens", "utilization", "allocator", "cards")),
    _Rung("quantization", _quantized, ("method", "audit", "modelslim")),
    _Rung("moe", lambda doc: doc.architecture.moe is not None, ("parallel", "divide", "mode")),
    _Rung("mtp", lambda doc: bool(doc.mtp and doc.mtp.present), ("off", "on")),
    _Rung("multimodal", lambda doc: len(doc.architecture.modalities) > 1, ("text",)),
    _Rung("hccl", _several_npus, ("visible", "buffer"), "npu-smi info"),
    _Rung("nodes", _several_nodes, ("network", "order", "interface"), "hccn_tool -i 0 -ip -g\nhccn_tool -i 0 -link -g"),
    _Rung("undetermined", _undetermined, ("facts",)),
)


def _values(view: View) -> dict[str, str]:
    """What the sentences of the ladder may name; ``-`` for what this report does not know."""
    doc = view.doc
    moe, kv, launch = doc.architecture.moe, doc.memory.kv, doc.launch
    default = view.word("default")
    return {
        "max_model_len": serving.option(launch, "--max-model-len") or (str(kv.max_model_len) if kv else default),
        "max_num_seqs": serving.option(launch, "--max-num-seqs") or default,
        "max_num_batched_tokens": serving.option(launch, "--max-num-batched-tokens") or default,
        "minimum": view.cards(doc.memory.minimum),
        "recommended": view.cards(doc.memory.recommended),
        "method": doc.quantization.resolved_method or doc.quantization.method or "-",
        "experts": str(moe.routed) if moe else "-",
        "draft": (doc.mtp.draft_architecture if doc.mtp else None) or "-",
    }
