"""The operator walk on a small model, and what changes when the trees change as pull requests change them."""

from __future__ import annotations

import json
from pathlib import Path

from walk_trees import ARCHITECTURES, PLAIN, SCAN, kinds, met, section

from ascend_compat.extract.tree import Trees
from ascend_compat.extract.walk.section import extract_operators
from ascend_compat.knowledge.walked import Walked

UTILS, LAYERS, MODELS = "vllm_ascend/utils.py", "vllm/layers.py", "vllm/models.py"
WORKER = "vllm_ascend/patch/worker/__init__.py"


def test_replaced_and_patched_operators_leave_nothing_missing(tmp_path: Path) -> None:
    found = section(tmp_path)
    assert kinds(met(found, config=PLAIN)) == {("replaced", "Norm")}
    assert kinds(met(found, config=SCAN)) == {("replaced", "Norm")}


def test_a_branch_for_another_platform_is_not_walked(tmp_path: Path) -> None:
    assert ("cuda", "torch.ops._C.fast") not in kinds(met(section(tmp_path)))
    turned = section(tmp_path / "turned", (MODELS, "current_platform.is_cuda()", "current_platform.is_out_of_tree()"))
    assert ("cuda", "torch.ops._C.fast") in kinds(met(turned))


def test_an_operator_that_is_renamed_escapes_its_replacement(tmp_path: Path) -> None:
    renamed = section(tmp_path, (LAYERS, "class Norm(", "class FastNorm("), (MODELS, "Norm", "FastNorm"),
                      ("vllm_ascend/norm.py", "import Norm", "import FastNorm as Norm"))  # fmt: skip
    assert ("no-native", "FastNorm") in kinds(met(renamed))


def test_a_subclass_escapes_too(tmp_path: Path) -> None:
    found = section(
        tmp_path, (MODELS, "class Tiny", "class OwnNorm(Norm): pass\nclass Tiny"),
        (MODELS, "self.norm = Norm()", "self.norm = OwnNorm()"),
    )  # fmt: skip
    assert ("no-native", "OwnNorm") in kinds(met(found))


def test_a_native_forward_is_enough(tmp_path: Path) -> None:
    found = section(
        tmp_path, (UTILS, '{"Norm": AscendNorm}', "{}"),
        (LAYERS, "    def forward_cuda(self, x):", "    def forward_native(self, x):\n        return x\n"
                 "    def forward_cuda(self, x):"),
    )  # fmt: skip
    assert kinds(met(found)) == {("native", "Norm")}


def test_a_patch_that_is_removed_brings_the_kernel_back(tmp_path: Path) -> None:
    found = section(tmp_path, (WORKER, "    import vllm_ascend.patch.worker.patch_scan", "    pass"))
    uses = met(found, config=SCAN)
    assert ("triton", "scan_kernel") in kinds(uses)
    assert ("triton", "scan_kernel") not in kinds(met(found, config=PLAIN))
    kernel = next(use for use in uses if use.kind == "triton")
    assert kernel.at == "vllm/kernels.py:7"
    assert [name.rpartition(":")[2] for _, name in kernel.steps] == ["Tiny", "Tiny.forward", "Scan.forward", "scan"]


def test_a_patch_holds_where_its_guard_does(tmp_path: Path) -> None:
    found = section(tmp_path)
    assert ("triton", "scan_kernel") in kinds(met(found, "310P", SCAN))
    turned = section(tmp_path / "turned", (WORKER, "if not is_310p()", "if is_310p()"))
    assert ("triton", "scan_kernel") in kinds(met(turned, "A2", SCAN))
    assert ("triton", "scan_kernel") not in kinds(met(turned, "310P", SCAN))


def test_what_the_configuration_does_not_say_stays_open(tmp_path: Path) -> None:
    found = section(tmp_path, (WORKER, "    import vllm_ascend.patch.worker.patch_scan", "    pass"))
    uses = met(found, config={})
    assert ("triton", "scan_kernel") in kinds(uses, certain=False)
    kernel = next(use for use in uses if use.kind == "triton")
    assert kernel.open == ("(config.layer_type == 'scan')",)
    assert kernel.by_config


def test_one_refusal_on_the_only_path_is_met_with_its_message(tmp_path: Path) -> None:
    text = (
        'if not current_platform.is_cuda():\n            raise ValueError("Tiny supports CUDA only")\n        self.norm'
    )
    found = section(tmp_path, (MODELS, "self.norm = Norm()", f"{text} = Norm()"))
    refused = [use for use in met(found) if use.kind == "refused"]
    assert [(use.name, use.note) for use in refused] == [("ValueError", "Tiny supports CUDA only")]


def test_an_absent_package_is_met_and_one_behind_its_own_test_is_not(tmp_path: Path) -> None:
    plain = section(tmp_path, (MODELS, "import torch\n", "import torch\nimport torch\n"),
                    (MODELS, "x = self.norm(x)", "import flashinfer\n        x = flashinfer.norm.run(x)"))  # fmt: skip
    assert ("package", "flashinfer.norm.run") in kinds(met(plain))
    asked = "import importlib.util\n        if importlib.util.find_spec('flashinfer'):\n            import flashinfer\n"
    tested = section(tmp_path / "tested", (MODELS, "x = self.norm(x)",
                     asked + "            x = flashinfer.norm.run(x)\n        x = self.norm(x)"))  # fmt: skip
    assert not [use for use in met(tested) if use.kind == "package"]


def test_same_trees_give_the_same_section(tmp_path: Path) -> None:
    one, two = (json.dumps(section(tmp_path / name), sort_keys=True) for name in ("one", "two"))
    assert one == two


def test_an_architecture_that_is_not_in_the_section_is_named(tmp_path: Path) -> None:
    walked = Walked(section(tmp_path), "A2")
    assert walked.uses("Other", {}) == []
    assert walked.unwalked == ["Other"]


def test_the_original_that_a_patch_calls_is_what_stood_there_before(tmp_path: Path) -> None:
    """A wrapper must not be walked as its own original: nothing behind it would be met."""
    wrapper = (
        "vllm_ascend/patch/worker/patch_scan.py", "vllm.layers.scan = npu_scan",
        "vllm.layers.scan = npu_scan\n"
        "from vllm.models import Tiny\n"
        "_original = Tiny.forward\n"
        "def wrapped(self, x):\n    return _original(self, x)\n"
        "Tiny.forward = wrapped",
    )  # fmt: skip
    fast = (MODELS, "if current_platform.is_cuda():", "if True:")
    everywhere = (WORKER, "if not is_310p():", "if True:")
    assert ("cuda", "torch.ops._C.fast") in kinds(met(section(tmp_path, wrapper, fast, everywhere)))


def test_a_limit_that_functions_count_against_starts_as_written(tmp_path: Path) -> None:
    head = "from vllm.platforms import current_platform\n"
    counted = (
        "vllm/models.py", head,
        head + "_USED = 0\n_MOST = 0\ndef allow(most):\n    global _MOST\n    _MOST = most\n"
        "def offload():\n    global _USED\n    if _USED >= _MOST:\n        return\n    _USED += 1\n"
        "    torch.ops._C.view()\n",
    )  # fmt: skip
    used = ("vllm/models.py", "        x = self.norm(x)\n", "        offload()\n        x = self.norm(x)\n")
    found = met(section(tmp_path, counted, used))
    assert not any(use.kind == "cuda" for use in found)


def test_only_what_is_asked_for_is_walked(tmp_path: Path) -> None:
    whole = section(tmp_path)
    trees = Trees(tmp_path / "ascend", tmp_path / "engine")
    two = {**ARCHITECTURES, "Other": ARCHITECTURES["Tiny"]}
    assert extract_operators(trees, two, only={"Tiny"}) == whole
