"""Tables of devices in a tree: capabilities and choices per device, in guards and in the walk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from extract.trees import make_trees

from ascend_compat.extract.guards import Guards

DEVICES = "from enum import Enum\nclass AscendDeviceType(Enum):\n    A2 = 0\n    _310P = 1\n"
TABLE = """
from enum import Enum
from vllm_ascend.device.kinds import AscendDeviceType
class Can(Enum):
    GRAPH = 1
    COMPAT = 2
    BOTH = 3
class Family(Enum):
    NEW = 1
    OLD = 2
class Profile:
    family: Family
    can: frozenset
    def supports(self, what):
        return what in self.can
_COMMON = frozenset({Can.BOTH})
_TABLE = wrapped({
    AscendDeviceType.A2: Profile(family=Family.NEW, can=_COMMON | {Can.GRAPH}),
    AscendDeviceType._310P: Profile(family=Family.OLD, can=frozenset({Can.COMPAT, Can.BOTH})),
})
def current() -> Profile:
    return _TABLE[running()]
"""
HEAD = "from vllm_ascend.device.table import Can, Family, current\n"


def _limits(root: Path, test: str, table: str = TABLE) -> dict[str, Any] | None:
    trees = make_trees(
        root,
        {
            "vllm_ascend/device/__init__.py": "",
            "vllm_ascend/device/kinds.py": DEVICES,
            "vllm_ascend/device/table.py": table,
            "vllm_ascend/utils.py": "from vllm_ascend.device.kinds import AscendDeviceType\n",
            "vllm_ascend/m.py": HEAD,
        },
    )
    module = trees.module("vllm_ascend.m")
    assert module is not None
    return Guards(trees).text_limits([module], test)


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        ("current().supports(Can.GRAPH)", {"soc": ["A2"]}),
        ("not current().supports(Can.GRAPH)", {"soc": ["310P"]}),
        ("current().supports(Can.BOTH)", {}),
        ("not current().supports(Can.BOTH)", None),
        ("current().family is Family.OLD", {"soc": ["310P"]}),
        ("current().family != Family.OLD", {"soc": ["A2"]}),
        ("current().family in (Family.OLD, Family.NEW)", {}),
        ("current().unknown(Can.GRAPH)", {"guard": "current().unknown(Can.GRAPH)"}),
    ],
)
def test_a_test_of_the_table_is_decided_per_device(tmp_path: Path, test: str, expected: dict[str, Any] | None) -> None:
    assert _limits(tmp_path, test) == expected


def test_a_capability_that_moves_to_another_device_moves_the_guard(tmp_path: Path) -> None:
    changed = TABLE.replace("{Can.COMPAT, Can.BOTH}", "{Can.COMPAT, Can.BOTH, Can.GRAPH}")
    assert _limits(tmp_path, "current().supports(Can.GRAPH)", changed) == {}


def test_a_table_that_leaves_out_a_device_decides_nothing(tmp_path: Path) -> None:
    text = "current().supports(Can.GRAPH)"
    row = "    AscendDeviceType._310P: Profile(family=Family.OLD, can=frozenset({Can.COMPAT, Can.BOTH})),\n"
    assert _limits(tmp_path, text, TABLE.replace(row, "")) == {"guard": text}
