"""Conditions of a tree, decided where the tree decides them."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
from extract.trees import DEVICES, make_trees

from ascend_compat.extract.guards import Guards, both, flow

HEAD = "from vllm_ascend.utils import AscendDeviceType, get_ascend_device_type, is_310p\n"


def _limits(root: Path, test: str, head: str = HEAD, devices: str = DEVICES) -> dict[str, Any] | None:
    trees = make_trees(root, {"vllm_ascend/utils.py": devices, "vllm_ascend/m.py": head + f"if {test}:\n    X = 1\n"})
    (root / "ascend" / "Dockerfile").write_text("ARG VLLM_TAG=v1.0.0\n", encoding="utf-8")
    module = trees.module("vllm_ascend.m")
    assert module is not None
    conditions = next(c for node, c in flow(module.tree.body) if isinstance(node, ast.Assign) and c)
    return Guards(trees).limits(module, conditions)


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        ("is_310p()", {"soc": ["310P"]}),
        ("not is_310p()", {"soc": ["A2", "A3", "A5"]}),
        ("get_ascend_device_type() != AscendDeviceType.A5", {"soc": ["310P", "A2", "A3"]}),
        ("get_ascend_device_type() in {AscendDeviceType.A2, AscendDeviceType.A3}", {"soc": ["A2", "A3"]}),
        ("is_310p() and not is_310p()", None),
        ("is_310p() or not is_310p()", {}),
        ("TYPE_CHECKING", None),
        ("vllm_version_is('1.0.0')", {}),
        ("vllm_version_is('1.0.1')", None),
        ("HAS_TRITON", {"guard": "HAS_TRITON"}),
        ("HAS_TRITON and is_310p()", {"guard": "HAS_TRITON and is_310p()", "soc": ["310P"]}),
        ("vllm_version_is(wanted)", {"guard": "vllm_version_is(wanted)"}),
        ("1 < level < 3", {"guard": "1 < level < 3"}),
    ],
)
def test_decisions(tmp_path: Path, test: str, expected: dict[str, Any] | None) -> None:
    assert _limits(tmp_path, test) == expected


def test_a_flag_of_the_module_is_the_assignment_whose_condition_holds(tmp_path: Path) -> None:
    head = HEAD + "if vllm_version_is('1.0.0'):\n    NEW = False\nelse:\n    NEW = True\n"
    trees = make_trees(tmp_path, {"vllm_ascend/utils.py": DEVICES, "vllm_ascend/m.py": head})
    (tmp_path / "ascend" / "Dockerfile").write_text("ARG VLLM_TAG=v1.0.0\n", encoding="utf-8")
    module = trees.module("vllm_ascend.m")
    assert module is not None
    assert Guards(trees).text_limits([module], "NEW") is None
    assert Guards(trees).text_limits([module], "not NEW") == {}


def test_a_flag_that_refers_to_itself_stays_open(tmp_path: Path) -> None:
    assert _limits(tmp_path, "FLAG", head="FLAG = not FLAG\n") == {"guard": "FLAG"}


@pytest.mark.parametrize(("test", "expected"), [("is_310p()", {"soc": ["310P"]}), ("HAS", {"guard": "HAS"}),
                                                ("not is_310p()", {"guard": "not is_310p()"})])  # fmt: skip
def test_without_an_enumeration_only_the_old_chip_has_a_name(
    tmp_path: Path, test: str, expected: dict[str, Any]
) -> None:
    """A condition for all other chips must not be taken for one that never holds."""
    assert _limits(tmp_path, test, head="", devices="def is_310p(): ...\n") == expected


def test_an_else_branch_without_an_enumeration_keeps_its_condition(tmp_path: Path) -> None:
    files = {"vllm_ascend/m.py": "if is_310p():\n    X = 1\nelse:\n    Y = 2\n"}
    trees = make_trees(tmp_path, files)
    module = trees.module("vllm_ascend.m")
    assert module is not None
    found = [Guards(trees).limits(module, conditions) for _, conditions in flow(module.tree.body)]
    assert found == [{"soc": ["310P"]}, {"guard": "not is_310p()"}]


def test_two_limits_together() -> None:
    assert both({"soc": ["A2", "A3"]}, {"soc": ["A3"], "guard": "x"}) == {"soc": ["A3"], "guard": "x"}
    assert both({"soc": ["A2"]}, {"soc": ["A3"]}) is None
    assert both({"guard": "x"}, {"guard": "not x"}) is None
    assert both({"guard": "x"}, {"guard": "x"}) == {"guard": "x"}
    assert both(None, {}) is None
