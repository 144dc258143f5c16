"""Names followed through source trees, and trees that are damaged."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from extract.trees import make_trees
from hypothesis import given, settings
from hypothesis import strategies as st

from ascend_compat.errors import TreeError
from ascend_compat.extract.tree import Module, NotConstant, Trees


def _module(trees: Trees, name: str) -> Module:
    module = trees.module(name)
    assert module is not None
    return module


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("from vllm.a.deep import Thing", "Thing"),
        ("from vllm.a import Thing", "Thing"),
        ("from .a import Thing", "Thing"),
        ("from vllm.a.deep import Thing as Other", "Other"),
        ("import vllm.a.deep as d", "d.Thing"),
        ("import vllm.a.deep", "vllm.a.deep.Thing"),
        ("from vllm import a", "a.deep.Thing"),
        ("try:\n    from vllm.a.deep import Thing\nexcept ImportError:\n    Thing = None", "Thing"),
        ("if FLAG:\n    from vllm.a.deep import Thing", "Thing"),
        ("from vllm.a.deep import Thing\nAlias = Thing", "Alias"),
    ],
)
def test_a_name_is_followed_to_its_definition(tmp_path: Path, source: str, name: str) -> None:
    files = {
        "vllm/a/deep.py": "class Thing: ...\n",
        "vllm/a/__init__.py": "from .deep import Thing\n",
        "vllm/m.py": source,
    }
    trees = make_trees(tmp_path, files)
    found = trees.resolve(_module(trees, "vllm.m"), name)
    assert found is not None and found.fqn == "vllm.a.deep:Thing" and isinstance(found.node, ast.ClassDef)


def test_names_that_are_not_there(tmp_path: Path) -> None:
    trees = make_trees(tmp_path, {"vllm/m.py": "from torch import nn\nA = B\nB = A\n"})
    module = _module(trees, "vllm.m")
    assert trees.resolve(module, "missing") is None
    assert trees.resolve(module, "A") is None
    outside = trees.resolve(module, "nn.Linear")
    assert outside is not None and (outside.fqn, outside.node) == ("torch.nn.Linear", None)
    assert trees.module("vllm.absent") is None and trees.module("torch.nn") is None


def test_lineage_goes_through_modules_generics_and_factories(tmp_path: Path) -> None:
    files = {
        "vllm/base.py": "class Root: ...\nclass Left(Root): ...\nclass Right(Root): ...\n",
        "vllm/m.py": "from torch import nn\nfrom vllm.base import Left, Right\n"
        "class C(Left, Right[int], nn.Module): ...\nclass D(make(C, 1)): ...\n",
    }
    trees = make_trees(tmp_path, files)
    expected = ["vllm.m:C", "vllm.base:Left", "vllm.base:Root", "vllm.base:Right", "torch.nn.Module"]
    assert trees.lineage("vllm.m:C") == expected
    assert trees.lineage("vllm.m:D") == ["vllm.m:D", *expected]


def test_classes_that_inherit_from_each_other_end(tmp_path: Path) -> None:
    files = {
        "vllm/a.py": "from vllm.b import B\nclass A(B): ...\n",
        "vllm/b.py": "from vllm.a import A\nclass B(A): ...\n",
    }
    assert make_trees(tmp_path, files).lineage("vllm.a:A") == ["vllm.a:A", "vllm.b:B"]


def test_constants_of_other_modules_and_what_is_none(tmp_path: Path) -> None:
    files = {
        "vllm/c.py": "WORDS = ['a'] + ['b']\nNAME = 'x' 'y'\n",
        "vllm/m.py": "from vllm.c import NAME, WORDS\nT = {NAME: (WORDS, 1)}\nBAD = {NAME: compute()}\nSELF = SELF\n",
    }
    trees = make_trees(tmp_path, files)
    module = _module(trees, "vllm.m")
    values = {n: b.node.value for n, b in module.bindings.items() if isinstance(b.node, ast.Assign)}
    assert trees.constant(module, values["T"]) == {"xy": (["a", "b"], 1)}
    with pytest.raises(NotConstant, match=r"vllm/m.py:3"):
        trees.constant(module, values["BAD"])
    with pytest.raises(NotConstant):
        trees.constant(module, values["SELF"])


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    trees = make_trees(tmp_path, {})
    (tmp_path / "engine" / "vllm" / "bom.py").write_bytes(b"\xef\xbb\xbfX = 1\n")
    assert "X" in _module(trees, "vllm.bom").bindings


@pytest.mark.parametrize("damage", [b"def (:\n", b"a = '\x00'\n", b"\xff\xfe\x00", b"x = " + b"(" * 5000])
def test_a_damaged_file_is_noted_and_left_out(tmp_path: Path, damage: bytes) -> None:
    trees = make_trees(tmp_path, {})
    (tmp_path / "engine" / "vllm" / "bad.py").write_bytes(damage)
    assert trees.module("vllm.bad") is None
    assert any(line.startswith("vllm/bad.py") for line in trees.unfollowed)


def test_a_link_out_of_the_tree_is_not_followed(tmp_path: Path) -> None:
    trees = make_trees(tmp_path, {})
    (tmp_path / "secret.py").write_text("X = 1\n", encoding="utf-8")
    (tmp_path / "engine" / "vllm" / "link.py").symlink_to(tmp_path / "secret.py")
    assert trees.module("vllm.link") is None


def test_a_directory_that_is_no_tree_is_one_clear_line(tmp_path: Path) -> None:
    make_trees(tmp_path, {})
    with pytest.raises(TreeError, match="not a source tree of vllm_ascend"):
        Trees(tmp_path / "engine", tmp_path / "engine")


@given(st.text(max_size=60))
@settings(max_examples=60, deadline=None)
def test_any_text_is_a_module_or_a_line_in_unfollowed(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    root = tmp_path_factory.mktemp("any")
    trees = make_trees(root, {})
    (root / "engine" / "vllm" / "any.py").write_text(text, encoding="utf-8", errors="replace")
    assert (trees.module("vllm.any") is None) == bool(trees.unfollowed)
