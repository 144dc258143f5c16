"""Source lines behind evidence: the right tree or one honest line, nothing outside it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ascend_compat.errors import UsageError
from ascend_compat.source.trees import CONTEXT, SourceTrees, find_trees

FILE = "vllm_ascend/x.py"


def tree(root: Path, package: str, version: str | None, lines: int = 20) -> Path:
    (root / package).mkdir(parents=True)
    (root / package / "__init__.py").write_text("")
    (root / package / "x.py").write_text("".join(f"{package} {n}\n" for n in range(1, lines + 1)))
    if version is not None:
        (root / "PKG-INFO").write_text(f"Metadata-Version: 2.4\nName: {package}\nVersion: {version}\n")
    return root


def lines_of(directory: Path, wanted: str | None = "1.0", path: str = FILE, line: int = 10) -> object:
    excerpt = SourceTrees([directory], {"vllm_ascend": wanted, "vllm": "0.9"}).excerpt(path, line)
    return excerpt.problem.id if excerpt.problem else [text for _, text in excerpt.lines]


def test_lines_around_the_place_are_given_with_their_numbers(tmp_path: Path) -> None:
    excerpt = SourceTrees([tree(tmp_path, "vllm_ascend", "1.0")], {"vllm_ascend": "1.0"}).excerpt(FILE, 10)
    assert excerpt.marked == 10
    assert [number for number, _ in excerpt.lines] == list(range(10 - CONTEXT, 11 + CONTEXT))
    assert dict(excerpt.lines)[10] == "vllm_ascend 10"


def test_the_edge_of_a_file_cuts_the_context(tmp_path: Path) -> None:
    assert lines_of(tree(tmp_path, "vllm_ascend", "1.0", lines=2), line=1) == ["vllm_ascend 1", "vllm_ascend 2"]


def test_a_parent_folder_offers_the_tree_of_the_release(tmp_path: Path) -> None:
    for version in ("1.0", "1.0rc1", "2.0"):
        tree(tmp_path / f"ascend-{version}", "vllm_ascend", version)
    tree(tmp_path / "engine", "vllm", "0.9+empty")
    assert lines_of(tmp_path, "1.0rc1")
    assert lines_of(tmp_path, "1.0rc1", "vllm/x.py") == [f"vllm {n}" for n in range(7, 14)]
    assert lines_of(tmp_path, "3.0") == "explain.version"


@pytest.mark.parametrize(
    ("version", "path", "line", "problem"),
    [
        ("1.0rc1", FILE, 10, "explain.version"),
        ("1.0", FILE, 21, "explain.range"),
        ("1.0", FILE, 0, "explain.range"),
        ("1.0", "vllm_ascend/y.py", 1, "explain.missing"),
        ("1.0", "vllm/x.py", 1, "explain.no_tree"),
        ("1.0", "vllm_ascend/../../secret", 1, "explain.outside"),
        ("1.0", "/etc/hostname", 1, "explain.outside"),
    ],
)
def test_wrong_lines_are_never_shown(tmp_path: Path, version: str, path: str, line: int, problem: str) -> None:
    (tmp_path / "secret").write_text("secret\n")
    assert lines_of(tree(tmp_path / "t", "vllm_ascend", version), "1.0", path, line) == problem


def test_a_link_out_of_the_tree_is_not_followed(tmp_path: Path) -> None:
    root = tree(tmp_path / "t", "vllm_ascend", "1.0")
    (tmp_path / "secret").write_text("secret\n" * 30)
    (root / "vllm_ascend" / "z.py").symlink_to(tmp_path / "secret")
    assert lines_of(root, "1.0", "vllm_ascend/z.py") == "explain.outside"


def test_a_checkout_that_states_no_version_is_shown_and_named(tmp_path: Path) -> None:
    root = tree(tmp_path, "vllm_ascend", None)
    trees = SourceTrees([root], {"vllm_ascend": "1.0"})
    assert [found.root for found in trees.unversioned()] == [root]
    assert trees.excerpt(FILE, 10).problem is None


def test_the_version_of_a_built_checkout_counts(tmp_path: Path) -> None:
    root = tree(tmp_path, "vllm_ascend", None)
    (root / "vllm_ascend" / "_version.py").write_text("__version__ = version = '2.0'\n")
    assert lines_of(root, "1.0") == "explain.version"


@pytest.mark.parametrize("name", ["missing", "empty", "file"])
def test_a_directory_without_a_tree_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError):
        find_trees(tmp_path / name)


@given(st.text(max_size=30), st.integers(-3, 10**6))
def test_no_path_raises(tmp_path_factory: pytest.TempPathFactory, path: str, line: int) -> None:
    root = tmp_path_factory.getbasetemp() / "hostile"
    if not root.exists():
        tree(root, "vllm_ascend", "1.0")
    excerpt = SourceTrees([root], {"vllm_ascend": "1.0"}).excerpt(path, line)
    assert excerpt.problem is not None or excerpt.lines
