"""Which patches run with a pair of trees, and on which SoCs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from extract.trees import DEVICES, make_trees, real_trees

from ascend_compat.extract.patches import extract_patches

WORKER = "vllm_ascend/patch/worker"
PATCH = "from vllm.net import Model\ndef f(): ...\nModel.forward = f\n"


def _patches(root: Path, package: str, patch: str = PATCH) -> list[dict[str, Any]]:
    trees = make_trees(
        root,
        {
            "vllm/net.py": "class Model:\n    def forward(self): ...\n",
            "vllm_ascend/utils.py": DEVICES,
            f"{WORKER}/__init__.py": package,
            f"{WORKER}/one.py": patch,
            f"{WORKER}/two.py": patch,
        },
    )
    (root / "ascend" / "Dockerfile").write_text("ARG VLLM_TAG=v1.0.0\n", encoding="utf-8")
    return extract_patches(trees)


def test_both_branches_of_an_import_have_their_own_socs(tmp_path: Path) -> None:
    package = (
        "if not is_310p():\n    import vllm_ascend.patch.worker.one\nelse:\n    import vllm_ascend.patch.worker.two\n"
    )
    found = {entry["at"].partition(":")[0]: entry.get("soc") for entry in _patches(tmp_path, package)}
    assert found == {f"{WORKER}/one.py": ["A2", "A3", "A5"], f"{WORKER}/two.py": ["310P"]}


@pytest.mark.parametrize(("test", "count"), [("vllm_version_is('1.0.0')", 1), ("not vllm_version_is('1.0.0')", 0)])
def test_a_patch_for_another_vllm_is_not_there(tmp_path: Path, test: str, count: int) -> None:
    assert len(_patches(tmp_path, f"if {test}:\n    import vllm_ascend.patch.worker.one\n")) == count


def test_a_flag_of_the_package_counts_for_what_it_imports(tmp_path: Path) -> None:
    flag = "if vllm_version_is('1.0.0'):\n    V2 = False\nelse:\n    V2 = True\n"
    package = flag + "if V2:\n    import vllm_ascend.patch.worker.one\n"
    assert _patches(tmp_path, package) == []


def test_conditions_that_exclude_each_other_leave_nothing(tmp_path: Path) -> None:
    package = "if not is_310p():\n    import vllm_ascend.patch.worker.one\n"
    patch = "from vllm.net import Model\nif is_310p():\n    Model.forward = None\nelse:\n    Model.backward = None\n"
    (entry,) = _patches(tmp_path, package, patch)
    assert (entry["target"], entry["soc"]) == ("vllm.net.Model.backward", ["A2", "A3", "A5"])


def test_an_undecided_condition_keeps_the_patch(tmp_path: Path) -> None:
    (entry,) = _patches(tmp_path, "if HAS_TRITON:\n    import vllm_ascend.patch.worker.one\n")
    assert entry["guard"] == "HAS_TRITON" and "soc" not in entry


@pytest.mark.parametrize(("release", "vllm"), [("0.18.0rc1", "0.18.0"), ("0.23.0", "0.23.0")])
def test_real_releases(release: str, vllm: str) -> None:
    found = extract_patches(real_trees(release, vllm))
    assert len(found) > 80
    assert not any(f"not vllm_version_is('{vllm}')" in entry.get("guard", "") for entry in found)
    mamba = {entry["at"].rpartition("/")[2].partition(":")[0]: entry.get("soc") for entry in found}
    assert mamba["patch_mamba_config_310.py"] == ["310P"]
    assert mamba["patch_mamba_config.py"] == ["A2", "A3", "A5"]
