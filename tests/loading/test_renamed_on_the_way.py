"""Tensors that a loader renames while it loads are found, and so are dispatched like any other."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from checkpoints import group
from test_published_names import RULES
from tiny import checkpoint, judged, tiny

from ascend_compat.answer.judge import Judgement, judge
from ascend_compat.classify.configured import configured, named_tensors
from ascend_compat.classify.profile import classify
from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.core.target import LaunchProfile
from ascend_compat.core.verdict import Verdict
from ascend_compat.knowledge.gates import verdict_of
from ascend_compat.memory.soc import resolve_soc

ROOT = Path(__file__).parents[2]
#: Linear layers of DeepSeek-V4's own names that its ModelSlim checkpoints store in eight bits.
QUANTIZED = (".w1.", ".w2.", ".w3.", "wq_a.", "wq_b.", "attn.wkv.", "wo_b.")


def test_a_tensor_under_another_name_is_placed_by_the_loader_that_renames_it(tmp_path: Path) -> None:
    renaming = tiny(
        (
            "for name, tensor in weights:\n",
            'for name, tensor in weights:\n            name = name.replace("out", "proj")\n',
        )
    )
    stored = [group(f"model.layers.*.{name}.weight", "I8", (8, 8), (0, 1)) for name in ("out", "left", "right")]
    plain = checkpoint()
    facts = replace(plain, tensors=(*(g for g in plain.tensors if "norm" in g.template), *stored))
    found = judged(tmp_path, renaming, facts)
    assert not found.match.lost
    assert {g.bucket.leaf.path: sorted(g.bucket.shards) for g in found.match.groups}["model.layers.*.proj"] == [
        "weight"
    ]
    unknown = judged(tmp_path / "plain", {**renaming, **tiny()}, facts)
    assert [g.template for g in unknown.match.lost] == ["model.layers.*.out.weight"]


def config() -> dict[str, Any]:
    """DeepSeek-V4-Flash's config.json."""
    shared = Path(os.environ.get("ASCEND_COMPAT_SHARED", ROOT.parent / "shared")) / "data" / "configs"
    path = shared / "deepseek-ai--DeepSeek-V4-Flash_config.json"
    if not path.is_file():
        pytest.skip("the configuration of DeepSeek-V4-Flash is not here (set ASCEND_COMPAT_SHARED)")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def run(release: str, soc: str, values: dict[str, Any], description: dict[str, Any] | None = None) -> Judgement:
    """The judgement of a checkpoint of which only the configuration is known."""
    facts = configured(
        CheckpointFacts("test", "local", None, values, ("config.json",), (), False, quant_description=description)
    )
    device = resolve_soc(soc, None, RULES.directory / "curated")
    return judge(RULES.pack(release), RULES, facts, classify(facts), device, LaunchProfile())


@pytest.mark.parametrize(
    ("release", "soc", "verdict"),
    [
        ("0.20.2rc1", "A3", Verdict.INCOMPATIBLE),
        ("0.23.0", "A5", Verdict.COMPATIBLE),
        ("0.23.0", "A3", Verdict.INCOMPATIBLE),
        ("0.30.0rc2", "A5", Verdict.COMPATIBLE),
    ],
)
def test_deepseek_v4_as_published_needs_the_device_that_computes_it(release: str, soc: str, verdict: Verdict) -> None:
    found = run(release, soc, config())
    assert verdict_of(found.findings) is verdict
    assert "AC310" not in {item.code for item in found.findings}


@pytest.mark.parametrize("release", ["0.20.2rc1", "0.23.0", "0.30.0rc2"])
def test_deepseek_v4_with_a_description_is_loaded_under_its_own_names(release: str) -> None:
    values = {key: value for key, value in config().items() if key != "quantization_config"}
    types = {"version": "1.0.0", "model_quant_type": "W8A8_DYNAMIC"}
    for spec in named_tensors(values):
        quantized = any(part in spec.name for part in QUANTIZED) and not spec.name.startswith("mtp")
        types[spec.name] = "W8A8_DYNAMIC" if quantized and "compressor" not in spec.name else "FLOAT"
    found = run(release, "A3", values, types)
    assert verdict_of(found.findings) is Verdict.COMPATIBLE
    schemes = {group.outcome.scheme for group in found.match.groups if group.quant_type == "W8A8_DYNAMIC"}
    assert len(schemes) == 2
