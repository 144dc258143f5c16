"""Which class takes an operator's place on which SoC."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from extract.trees import DEVICES, make_trees, real_trees

from ascend_compat.extract.custom_ops import extract_custom_ops
from ascend_compat.extract.tree import Trees

OPS = "class New: pass\nclass Old: pass\nclass Other: pass\n"


def _trees(root: Path, body: str, release: str = "1.0.0") -> Trees:
    utils = DEVICES + (
        "from vllm_ascend.versions import vllm_version_is\n"
        "REGISTERED_ASCEND_OPS = {}\n"
        "def register_ascend_customop(config=None):\n"
        "    from vllm_ascend.ops import New, Old, Other as Renamed\n"
        "    global REGISTERED_ASCEND_OPS\n"
    )
    trees = make_trees(
        root,
        {
            "vllm_ascend/utils.py": utils + "".join(f"    {line}\n" for line in body.strip().splitlines()),
            "vllm_ascend/ops.py": OPS,
            "vllm_ascend/versions.py": "def vllm_version_is(wanted): ...\n",
        },
    )
    (root / "ascend" / "Dockerfile").write_text(f"ARG VLLM_TAG=v{release}\n", encoding="utf-8")
    return trees


def _class_on(entries: list[dict[str, Any]], soc: str) -> str | None:
    return next((e["class"] for e in entries if soc in e.get("soc", [soc])), None)


def test_an_import_alias_inside_the_function_is_followed(tmp_path: Path) -> None:
    found = extract_custom_ops(_trees(tmp_path, 'REGISTERED_ASCEND_OPS = {"Norm": Renamed}'))
    assert [entry["class"] for entry in found["Norm"]] == ["vllm_ascend.ops:Other"]
    assert found["Norm"][0]["at"].startswith("vllm_ascend/utils.py:")


@pytest.mark.parametrize(
    "test", ["is_310p()", "not not is_310p()", "get_ascend_device_type() == AscendDeviceType._310P",
             "get_ascend_device_type() in (AscendDeviceType._310P,)"]
)  # fmt: skip
def test_an_update_for_the_old_chip_counts_only_there(tmp_path: Path, test: str) -> None:
    body = f'REGISTERED_ASCEND_OPS = {{"Norm": New}}\nif {test}:\n    REGISTERED_ASCEND_OPS.update({{"Norm": Old}})'
    found = extract_custom_ops(_trees(tmp_path, body))
    assert _class_on(found["Norm"], "310P") == "vllm_ascend.ops:Old"
    assert _class_on(found["Norm"], "A2") == _class_on(found["Norm"], "A5") == "vllm_ascend.ops:New"


def test_an_inner_condition_keeps_the_outer_one(tmp_path: Path) -> None:
    body = (
        'REGISTERED_ASCEND_OPS = {"Norm": New}\n'
        "if is_310p():\n"
        '    if vllm_version_is("1.0.0"):\n'
        '        REGISTERED_ASCEND_OPS["Norm"] = Old'
    )
    found = extract_custom_ops(_trees(tmp_path, body))
    assert _class_on(found["Norm"], "A2") == "vllm_ascend.ops:New"
    assert _class_on(found["Norm"], "310P") == "vllm_ascend.ops:Old"


def test_a_branch_for_another_vllm_is_left_out(tmp_path: Path) -> None:
    body = 'REGISTERED_ASCEND_OPS = {}\nif vllm_version_is("1.0.0"):\n    REGISTERED_ASCEND_OPS["Norm"] = New'
    assert "Norm" in extract_custom_ops(_trees(tmp_path / "same", body))
    assert extract_custom_ops(_trees(tmp_path / "other", body, release="2.0.0")) == {}


def test_an_operator_that_is_dropped_again_has_no_entry_there(tmp_path: Path) -> None:
    body = 'REGISTERED_ASCEND_OPS = {"Norm": New}\nif is_310p():\n    REGISTERED_ASCEND_OPS.pop("Norm", None)'
    found = extract_custom_ops(_trees(tmp_path, body))
    assert _class_on(found["Norm"], "310P") is None
    assert _class_on(found["Norm"], "A3") == "vllm_ascend.ops:New"


def test_the_else_branch_is_the_opposite(tmp_path: Path) -> None:
    body = (
        'if not is_310p():\n    REGISTERED_ASCEND_OPS = {"Norm": New}\nelse:\n    REGISTERED_ASCEND_OPS = {"Norm": Old}'
    )
    found = extract_custom_ops(_trees(tmp_path, body))
    assert _class_on(found["Norm"], "310P") == "vllm_ascend.ops:Old"
    assert _class_on(found["Norm"], "A2") == "vllm_ascend.ops:New"


def test_a_condition_on_the_configuration_is_kept_as_text(tmp_path: Path) -> None:
    body = 'REGISTERED_ASCEND_OPS = {}\nif config.fancy:\n    REGISTERED_ASCEND_OPS["Norm"] = New'
    (entry,) = extract_custom_ops(_trees(tmp_path, body))["Norm"]
    assert entry["guard"] == "config.fancy" and "soc" not in entry


def test_a_tree_without_the_table_says_so(tmp_path: Path) -> None:
    trees = make_trees(tmp_path, {"vllm_ascend/utils.py": DEVICES})
    assert extract_custom_ops(trees) == {}
    assert any("register_ascend_customop" in line for line in trees.unfollowed)


@pytest.mark.parametrize(("release", "vllm", "count"), [("0.18.0rc1", "0.18.0", 24), ("0.23.0", "0.23.0", 28)])
def test_real_releases(release: str, vllm: str, count: int) -> None:
    found = extract_custom_ops(real_trees(release, vllm))
    assert len(found) == count
    assert _class_on(found["FusedMoE"], "310P") != _class_on(found["FusedMoE"], "A2")
    assert "_310p" not in str(_class_on(found["FusedMoE"], "A2"))
