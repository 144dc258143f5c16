"""Published deployments must not be refused, layouts known not to fit must be (data beside the repository)."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from memory_models import RULES, Model, deepseek_v3, glm47, launch, qwen3_moe, rules, target

from ascend_compat.core.plan import Attempt
from ascend_compat.memory.plan import make_plan

_DEFAULT = RULES.parents[2] / "shared"
DATA = Path(os.environ.get("ASCEND_COMPAT_SHARED", str(_DEFAULT))) / "data"

MODELS: dict[str, Any] = {
    "zai-org/GLM-4.7": glm47,
    "Qwen/Qwen3-235B-A22B": qwen3_moe,
    **{
        f"deepseek-ai/{name}": deepseek_v3
        for name in ("DeepSeek-V3", "DeepSeek-V3.1", "DeepSeek-R1", "DeepSeek-R1-0528")
    },
}


def rows(name: str) -> list[dict[str, Any]]:
    path = DATA / name
    if not path.is_file():
        pytest.skip(f"{name} is not beside the repository: published layouts not checked")
    found = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    return [
        r
        for r in found
        if r["base_model"] in MODELS and r["precision"] in ("bf16", "w8a8") and r["soc"] in ("A2", "A3")
    ]


def studied(row: dict[str, Any], **options: Any) -> Attempt:
    model: Model = MODELS[row["base_model"]](row["precision"] == "w8a8")
    release = (row.get("release") or "v0.18.0").lstrip("v")
    release = release if release[0].isdigit() else "0.25.1"
    kept = ("tp", "dp", "pp", "ep", "max_model_len", "max_num_seqs", "max_num_batched_tokens", "gpu_memory_utilization")
    options = {**{name: row.get(name) for name in kept}, **options}
    if row.get("speculative"):
        options["speculative"] = {"method": "mtp", "num_speculative_tokens": row["speculative"].get("num_tokens") or 1}
    attempt = make_plan(
        *model, target(row["soc"], release, release.partition("rc")[0]), launch(**options), rules(), {}
    ).studied
    assert attempt is not None
    return attempt


def test_published_layouts_are_judged_to_fit() -> None:
    chosen = [r for r in rows("deployments.jsonl") if r["role"] == "mixed" and r["trust"] in ("high", "medium")]
    refused = [row["id"] for row in chosen if not studied(row).fits]
    assert chosen
    # The activation term is an upper bound: a row at its edge may be refused for want of KV pages.
    assert len(refused) <= 0.05 * len(chosen), refused


def test_layouts_known_not_to_fit_are_refused() -> None:
    chosen = [row for row in rows("negatives.jsonl") if "EPLB" not in row["model"]]
    assert chosen
    assert [row["id"] for row in chosen if studied(row).fits] == []


def test_no_card_count_above_the_published_minimum() -> None:
    large = rows("minimums.jsonl")
    checked = 0
    for row in large:
        published = row.get("npus") or row.get("min_npus")
        if not published:
            continue
        model: Model = MODELS[row["base_model"]](row["precision"] == "w8a8")
        minimum = make_plan(*model, target(row["soc"]), launch(), rules(), {}).minimum
        assert minimum is not None and minimum.npus <= published, row["id"]
        checked += 1
    assert checked
