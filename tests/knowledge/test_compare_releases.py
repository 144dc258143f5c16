"""Changes between real releases that were read in their trees, seen by ``compare`` in the committed packs."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ascend_compat.core.change import Comparison
from ascend_compat.knowledge.compare import compare
from ascend_compat.knowledge.load import Rules

RULES = Path(__file__).resolve().parents[2] / "rules"
DEVICES = {"A2": "A2", "A3": "A3", "A5": "A5", "310P": "_310P"}
#: From, to, kind of change, what it must name. Read in the trees of the releases.
SEEN = [
    ("0.11.0", "0.13.0", "launch.flags.removed", {"--task", "--rope-scaling", "--cuda-graph-sizes"}),
    ("0.11.0", "0.13.0", "launch.additional.removed", {"ascend_scheduler_config", "chunked_prefill_for_mla"}),
    ("0.11.0", "0.13.0", "launch.additional.removed", {"torchair_graph_config"}),
    ("0.11.0", "0.13.0", "checkpoints.scheme.removed", {"W8A8 moe", "W8A8 attention", "C8 attention"}),
    ("0.11.0", "0.13.0", "checkpoints.scheme.added", {"W8A8_MIX linear", "W8A8_MIX moe", "W8A16 linear", "W4A16 moe"}),
    ("0.11.0", "0.13.0", "checkpoints.method.added", {"compressed-tensors"}),
    ("0.13.0", "0.18.0", "launch.flags.removed", {"--disable-log-requests", "--swap-space"}),
    ("0.13.0", "0.18.0", "launch.additional.moved", {"dynamic_eplb", "expert_map_path", "eplb_policy_type"}),
    ("0.13.0", "0.18.0", "checkpoints.scheme.added", {"W4A4_DYNAMIC linear", "W8A8_MXFP8 moe", "FAKQuant attention"}),
    ("0.13.0", "0.18.0", "checkpoints.handler.lost", {"compressed-tensors"}),
    ("0.18.0", "0.19.1rc1", "launch.flags.removed", {"--disable-frontend-multiprocessing"}),
    ("0.18.0", "0.19.1rc1", "checkpoints.scheme.added", {"W4A4_MXFP4 linear", "W4A4_MXFP4 moe"}),
    ("0.19.1rc1", "0.20.2rc1", "checkpoints.scheme.dtypes", {"W4A16 moe"}),
    ("0.19.1rc1", "0.20.2rc1", "checkpoints.scheme.added", {"W4A4_MXFP4_FLATQUANT linear"}),
    ("0.20.2rc1", "0.21.0rc1", "launch.environment.plugin.removed", {"VLLM_ASCEND_ENABLE_CONTEXT_PARALLEL"}),
    ("0.20.2rc1", "0.21.0rc1", "checkpoints.method.added", {"fp8", "deepseek_v4_fp8"}),
    ("0.20.2rc1", "0.21.0rc1", "checkpoints.scheme.added", {"W4A8_MXFP linear", "FP8 ds_linear"}),
    ("0.20.2rc1", "0.21.0rc1", "checkpoints.scheme.added", {"W8A8FP8_DYNAMIC linear", "W8A8FP8_DYNAMIC moe"}),
    ("0.22.1rc1", "0.23.0", "checkpoints.scheme.added", {"W4A16_MXFP4 moe"}),
    ("0.18.0rc1", "0.23.0", "checkpoints.scheme.added", {"W8A8FP8_DYNAMIC linear", "W4A16_MXFP4 moe"}),
    ("0.18.0rc1", "0.23.0", "launch.flags.removed", {"--disable-frontend-multiprocessing"}),
    ("0.18.0rc1", "0.23.0", "versions.changed", {"cann", "torch", "torch_npu", "vllm"}),
    ("0.23.0", "0.24.0rc1", "decisions.changed", {"detect_quantization_method"}),
    ("0.24.0rc1", "0.25.1rc1", "launch.environment.plugin.removed", {"VLLM_ASCEND_FLASHCOMM2_PARALLEL_SIZE"}),
    ("0.25.1rc1", "0.27.1rc1", "launch.flags.removed", {"--max-num-partial-prefills"}),
    ("0.25.1rc1", "0.27.1rc1", "checkpoints.scheme.removed", {"W4A8_DYNAMIC linear", "W8A8_MIX moe"}),
]


@cache
def pack(release: str) -> dict[str, Any]:
    return Rules(RULES).pack(release)


@cache
def between(old: str, new: str) -> Comparison:
    return compare(pack(old), pack(new), DEVICES, Rules(RULES).externals)


@pytest.mark.parametrize(("old", "new", "kind", "named"), SEEN)
def test_what_was_read_in_the_trees_is_told(old: str, new: str, kind: str, named: set[str]) -> None:
    items = [item for group in between(old, new).groups if group.kind == kind for item in group.items]
    assert named <= {name for item in items for name in item.subject.split(" / ")}


def test_a_scheme_of_the_old_release_says_what_it_allocates() -> None:
    groups = {group.kind: group.items for group in between("0.18.0rc1", "0.23.0").groups}
    fp8 = next(item for item in groups["checkpoints.scheme.added"] if item.subject == "W8A8FP8_DYNAMIC linear")
    assert fp8.note is not None
    assert "float8_e4m3fn: weight" in str(fp8.note.params["dtypes"])
    assert fp8.places[0].at.startswith("vllm_ascend/quantization/methods/w8a8fp8_dynamic.py:")


def test_every_item_names_a_line() -> None:
    for group in between("0.18.0rc1", "0.23.0").groups:
        for item in group.items:
            assert item.places, f"{group.kind}: {item.subject}"
            assert all(place.at for place in item.places)


def test_a_scheme_that_only_one_soc_registers_is_named_after_it() -> None:
    old, new = pack("0.18.0rc1"), pack("0.18.0")
    if not all("vllm_ascend._310p.quantization.methods" in found["code"] for found in (old, new)):
        pytest.skip("these packs were built without the package that fills the registry of the 310P")
    items = [item for group in between("0.18.0rc1", "0.18.0").groups for item in group.items]
    assert "W8A8_DYNAMIC linear (310P)" in {item.subject for item in items}
