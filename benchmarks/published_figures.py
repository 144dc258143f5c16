"""Figures that start-up logs and release notes state with their configuration, and how to compute each."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ascend_compat.core.plan import MemoryPlan
from ascend_compat.core.units import GIB

#: Judges the figure's row with changes.
Judge = Callable[[Mapping[str, Any]], MemoryPlan]


@dataclass(frozen=True)
class Figure:
    """One logged number: GiB for ``weights``, ``saved`` and ``kv_room``, tokens for ``kv_tokens`` and ``block``.

    ``changes`` make the second layout of a difference. ``note`` explains an error above 3 %.
    """

    title: str
    logged: float
    row: Mapping[str, Any]
    what: str = "weights"
    changes: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""

    def value(self, judge: Judge) -> float:
        """The computed figure; 0.0 when the plan has none."""
        plan = judge({})
        studied = plan.studied
        if studied is None or studied.rank is None:
            return 0.0
        if self.what == "kv_tokens":
            return float(studied.kv.tokens) if studied.kv else 0.0
        if self.what == "block":
            return float(studied.kv.block_size) if studied.kv else 0.0
        if self.what == "kv_room":
            return studied.rank.kv_cache / GIB
        weights = studied.rank.weights
        if self.what == "weights":
            return weights / GIB
        other = judge(self.changes).studied
        return (weights - other.rank.weights) / GIB if other and other.rank else 0.0


def _row(name: str, precision: str, soc: str, tp: int, dp: int = 1, **more: Any) -> dict[str, Any]:
    base = {"max_model_len": 2048, "max_num_batched_tokens": 2048, "max_num_seqs": 16, "pp": 1, "ep": None}
    return {"base_model": name, "precision": precision, "soc": soc, "tp": tp, "dp": dp, **base, **more}


def _extra(**options: Any) -> dict[str, Any]:
    return {"additional_config": json.dumps(options)}


_R1 = "deepseek-ai/DeepSeek-R1"
_PURE = _row(_R1, "w8a8", "A2", 1, 32, ep=True, release="0.23.0")


def _fine(**sizes: int) -> dict[str, Any]:
    return {"extra": _extra(finegrained_tp_config={f"{k}_tensor_parallel_size": v for k, v in sizes.items()})}


FIGURES: tuple[Figure, ...] = (
    Figure("Qwen3-0.6B, 1 card (PR 8289)", 1.14, _row("Qwen/Qwen3-0.6B", "bf16", "A2", 1, release="0.18.0")),
    Figure("Qwen3-14B, 1 card (issue 9372)", 27.5376, _row("Qwen/Qwen3-14B", "bf16", "A2", 1, release="0.18.0")),
    Figure(
        "Qwen3-Embedding-0.6B, 0.10.2rc1 (issue 2963)", 1.1195,
        _row("Qwen/Qwen3-Embedding-0.6B", "bf16", "A2", 1, release="0.10.2rc1"),
    ),
    Figure(
        "Qwen2.5-3B, 0.8.5rc1 (issue 1305)", 5.7623,
        _row("Qwen/Qwen2.5-3B-Instruct", "bf16", "A2", 1, release="0.8.5rc1"),
    ),
    Figure("Qwen3.5-0.8B, 1 card", 1.72, _row("Qwen/Qwen3.5-0.8B", "bf16", "A2", 1, release="0.18.0")),
    Figure(
        "DeepSeek-R1 W8A8 TP4 DP4 EP16, 0.9.1rc2 (issue 2191)", 44.1591,
        _row(_R1, "w8a8", "A2", 4, 4, ep=True, release="0.9.1rc2"),
    ),
    Figure(
        "Qwen3-Next-80B TP4, 0.10.2rc1 (issue 2976)", 37.2362,
        _row("Qwen/Qwen3-Next-80B-A3B-Instruct", "bf16", "A2", 4, release="0.10.2rc1"),
    ),
    Figure(
        "Qwen3-Next-80B TP8, 0.11.0rc0 (issue 3308)", 18.6823,
        _row("Qwen/Qwen3-Next-80B-A3B-Instruct", "bf16", "A2", 8, release="0.11.0rc0"),
    ),
    Figure(
        "Kimi-K2-Thinking W4A16 TP16 EP (X022, 'about 40')", 40,
        _row("moonshotai/Kimi-K2-Thinking", "w4a16", "A3", 16, ep=True, release="0.25.1rc1"),
    ),
    Figure(
        "MiniMax-M2.5 W8A8 TP8 (X023, 'about 27')", 27,
        _row("MiniMaxAI/MiniMax-M2.5", "w8a8", "A2", 8, ep=True, release="0.20.2rc1"),
    ),
    Figure(
        "MiniMax-M2.5 all in BF16, TP8 (X023, 'about 54')", 54,
        _row("MiniMaxAI/MiniMax-M2.5", "bf16", "A2", 8, ep=True, release="0.20.2rc1"),
    ),
    Figure(
        "GLM-5.1 W4A4 MXFP4 TP8 (X007)", 52.3663,
        _row("zai-org/GLM-5.1", "mxfp4", "A5", 8, ep=True, release="0.23.0", mem_per_npu_gib=96),
        note="the log does not say whether MTP was loaded; the row below has it in float",
    ),
    Figure(
        "GLM-5.1 W4A4 MXFP4 TP8 with MTP in float (X007)", 52.3663,
        _row("zai-org/GLM-5.1", "mxfp4", "A5", 8, ep=True, release="0.23.0", mem_per_npu_gib=96,
             speculative={"method": "deepseek_mtp", "num_tokens": 3}),
    ),
    Figure(
        "GLM-5.1 W4A4 MXFP4 TP8, DSA-CP on, added (X008)", 5.3125,
        _row("zai-org/GLM-5.1", "mxfp4", "A5", 8, ep=True, release="0.23.0", mem_per_npu_gib=96,
             extra=_extra(enable_dsa_cp=True, enable_flashcomm1=True)),
        "saved", {"extra": {}},
    ),
    *(
        Figure(
            f"dots3-note, {form}, TP16 EP16, shared experts whole ({source})", logged,
            _row(f"dots3-note, {form}", "bf16", "A3", 16, ep=True, release="0.22.1rc1", max_num_batched_tokens=batch,
                 speculative=draft, extra={"mm-encoder-tp-mode": "data"}),
        )
        for form, source, logged, batch, draft in (
            ("text", "X013", 36.26, 8192, {"method": "mtp", "num_tokens": 3}),
            ("image", "X014", 48.8, 1024, None),
            ("audio", "X015", 37.88, 4096, {"method": "mtp", "num_tokens": 3}),
        )
    ),
    Figure("DeepSeek-R1 DP32 EP32, oproj over 8, saved (X038)", 5.8, _PURE, "saved", _fine(oproj=8)),
    Figure("DeepSeek-R1 DP32 EP32, lmhead over 8, saved (X038)", 1.51, _PURE, "saved", _fine(lmhead=8)),
    Figure("DeepSeek-R1 DP32 EP32, embedding over 8, saved (X038)", 1.51, _PURE, "saved", _fine(embedding=8)),
    Figure(
        "DeepSeek-R1 DP32 EP32, dense MLP over 8, saved (X038)", 0.9, _PURE, "saved", _fine(mlp=8),
        note="the page rounds to one digit in GB: 3 layers x 3 x 18432 x 7168 x 7/8 = 1.04 GB",
    ),
    Figure(
        "Qwen3-0.6B, KV room at 0.3 of 60.957 GiB (X017)", 17.05,
        _row("Qwen/Qwen3-0.6B", "bf16", "A2", 1, max_num_seqs=1, gpu_memory_utilization=0.3, enforce_eager=True,
             release="0.18.0rc1"),  # logged with the change to the increase, which 0.17.0rc1 does not have
        "kv_room",
    ),
    *(
        Figure(
            f"dots3-note, audio, KV room at {share} (X015: {tokens:,} tokens, 8,956 in 4 GiB)", tokens / 8956 * 4,
            _row("dots3-note, audio", "bf16", "A3", 16, ep=True, release="0.22.1rc1", max_model_len=4096,
                 max_num_batched_tokens=4096, max_num_seqs=4, gpu_memory_utilization=share,
                 speculative={"method": "mtp", "num_tokens": 3},
                 extra={**_extra(enable_fused_mc2=1), "mm-encoder-tp-mode": "data"}),
            "kv_room",
        )
        for share, tokens in ((0.92, 21565), (0.95, 25686))
    ),
    Figure(
        "Qwen3.5-0.8B, tokens in 43.65 GiB, length 512", 468480,
        _row("Qwen/Qwen3.5-0.8B", "bf16", "A2", 1, max_model_len=512, enforce_eager=True, release="0.18.0",
             kv_cache_memory_bytes=int(43.65 * GIB)),
        "kv_tokens",
    ),
    Figure(
        "Qwen2.5-3B, tokens in 3385 blocks (issue 1305)", 433280,
        _row("Qwen/Qwen2.5-3B-Instruct", "bf16", "A2", 1, max_model_len=128, release="0.8.5rc1",
             kv_cache_memory_bytes=3385 * 128 * 36864),
        "kv_tokens",
    ),
    Figure(
        "Qwen3.5-35B-A3B TP2, block of the attention (PR 7103)", 2048,
        _row("Qwen/Qwen3.5-35B-A3B", "bf16", "A2", 2, release="0.18.0"), "block",
    ),
    Figure(
        "Qwen3.5-0.8B TP1, block of the attention (issue 13853)", 1024,
        _row("Qwen/Qwen3.5-0.8B", "bf16", "A2", 1, release="0.23.0"), "block",
    ),
)  # fmt: skip
