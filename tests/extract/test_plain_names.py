"""What the text of a module says of a name without being parsed: certain, or nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from trees import make_trees

from ascend_compat.extract.patches import plain_kind

CERTAIN = {
    "class Name:\n    pass": "class",
    "class Name(Base):\n    other = Name2": "class",
    "def Name(x):\n    return x": "def",
    "async def Name():\n    pass": "def",
    "import os\n\nclass Name:\n    pass\n\nx = Name()": "class",
}
OPEN = [
    "from vllm.other import Name",
    "from vllm.other import (\n    Name,\n)",
    "from vllm.other import Other as Name",
    "Name = Other",
    "Name: type = Other",
    "if x:\n    class Name:\n        pass",
    "class Name:\n    pass\n\nName = wrapped(Name)",
    "class Name:\n    pass\n\nclass Name:\n    pass",
    "try:\n    from fast import Name\nexcept ImportError:\n    pass\n\nclass Name:\n    pass",
    "class Names:\n    pass",
    "",
]


@pytest.mark.parametrize(("text", "kind"), CERTAIN.items())
def test_a_definition_at_the_margin_is_certain(tmp_path: Path, text: str, kind: str) -> None:
    trees = make_trees(tmp_path, {"vllm/home.py": text + "\n"})
    assert plain_kind(trees, "vllm.home.Name") == kind
    assert plain_kind(trees, "vllm.home") == "module"


@pytest.mark.parametrize("text", OPEN)
def test_what_may_be_bound_elsewhere_is_left_to_the_parser(tmp_path: Path, text: str) -> None:
    assert plain_kind(make_trees(tmp_path, {"vllm/home.py": text + "\n"}), "vllm.home.Name") is None
