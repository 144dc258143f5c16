"""A git revision is read as it was committed: no checkout, no worktree, no filter, no hook."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from releases import ascend_files, write

from ascend_compat.errors import TreeError
from ascend_compat.extract.origin.git import read_revision
from ascend_compat.extract.origin.index import Access
from ascend_compat.extract.origin.source import open_source, split_revision

SCHEME = "vllm_ascend/quantization/schemes.py"


def git(where: Path, *arguments: str) -> str:
    settings = (
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@b",
        "-c",
        "commit.gpgsign=false",
        "-c",
        "init.defaultBranch=main",
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", *settings, "-C", str(where), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=kept).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Two commits: ``v1`` allocates int8, the branch ``main`` float8."""
    root = tmp_path / "checkout"
    for name, text in ascend_files().items():
        write(root / name, text.encode())
    git(tmp_path, "init", "-q", str(root))
    git(root, "add", "-A")
    git(root, "commit", "-qm", "one")
    git(root, "tag", "v1")
    edit(root, "torch.int8", "torch.float8_e4m3fn")
    git(root, "commit", "-qam", "two")
    return root


def edit(root: Path, old: str, new: str) -> None:
    text = (root / SCHEME).read_text(encoding="utf-8")
    assert old in text
    (root / SCHEME).write_text(text.replace(old, new), encoding="utf-8")


def scheme(root: Path) -> str:
    return (root / SCHEME).read_text(encoding="utf-8")


def test_each_revision_is_its_own_tree(repository: Path, tmp_path: Path) -> None:
    before = git(repository, "status", "--porcelain")
    for place, (revision, dtype) in enumerate({"v1": "int8", "main": "float8_e4m3fn", "HEAD~1": "int8"}.items()):
        opened = open_source(f"{repository}@{revision}", "vllm_ascend", Access(offline=True), tmp_path / str(place))
        assert f"torch.{dtype}" in scheme(opened.root)
        assert opened.home == repository.resolve()
    assert git(repository, "status", "--porcelain") == before
    assert "float8" in scheme(repository)


def test_a_dirty_worktree_does_not_leak_in(repository: Path, tmp_path: Path) -> None:
    edit(repository, "torch.float8_e4m3fn", "torch.dirty")
    write(repository / "vllm_ascend/untracked.py", b"x = 1")
    write(repository / "vllm_ascend/staged.py", b"x = 1")
    git(repository, "add", "vllm_ascend/staged.py")
    (repository / "Dockerfile").unlink()
    read_revision(repository, "HEAD", tmp_path / "out")
    assert "float8" in scheme(tmp_path / "out")
    assert not (tmp_path / "out/vllm_ascend/untracked.py").exists()
    assert not (tmp_path / "out/vllm_ascend/staged.py").exists()
    assert (tmp_path / "out/Dockerfile").exists()


def test_nothing_a_repository_configures_is_run(repository: Path, tmp_path: Path) -> None:
    trap = write(tmp_path / "trap.sh", f"#!/bin/sh\ntouch {tmp_path}/sprung\ncat\n".encode())
    trap.chmod(0o755)
    write(repository / ".gitattributes", b"*.py filter=trap diff=trap export-ignore\n")
    git(repository, "add", ".gitattributes")
    git(repository, "commit", "-qm", "three")
    for name in ("filter.trap.smudge", "filter.trap.clean", "filter.trap.process", "core.fsmonitor", "core.pager",
                 "diff.trap.textconv", "tar.tar.command", "core.sshCommand"):  # fmt: skip
        git(repository, "config", name, str(trap))
    git(repository, "config", "core.hooksPath", str(tmp_path))
    read_revision(repository, "HEAD", tmp_path / "out")
    assert not (tmp_path / "sprung").exists()
    assert "float8" in scheme(tmp_path / "out")


def test_links_and_submodules_are_left_out(repository: Path, tmp_path: Path) -> None:
    (repository / "notes.md").symlink_to("/etc/passwd")
    git(repository, "add", "notes.md")
    git(
        repository,
        "update-index",
        "--add",
        "--cacheinfo",
        f"160000,{git(repository, 'rev-parse', 'HEAD')},docs/module.md",
    )
    git(repository, "commit", "-qm", "three")
    read_revision(repository, "HEAD", tmp_path / "out")
    assert not (tmp_path / "out/notes.md").is_symlink()
    assert not (tmp_path / "out/notes.md").exists()
    assert not (tmp_path / "out/docs/module.md").exists()


def test_where_git_looks_is_not_the_callers_environment(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "nowhere"))
    read_revision(repository, "v1", tmp_path / "out")
    assert "int8" in scheme(tmp_path / "out")


def test_a_folder_inside_a_repository_is_a_tree_of_its_own(repository: Path, tmp_path: Path) -> None:
    inner = repository / "third_party/plugin"
    write(inner / SCHEME, b"inner = 1")
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "three")
    read_revision(inner, "HEAD", tmp_path / "out")
    assert scheme(tmp_path / "out") == "inner = 1"
    assert not (tmp_path / "out/Dockerfile").exists()


def test_a_bare_repository_will_do(repository: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "--bare", str(repository), str(tmp_path / "bare"))
    read_revision(tmp_path / "bare", "v1", tmp_path / "out")
    assert "int8" in scheme(tmp_path / "out")


@pytest.mark.parametrize("revision", ["nothing-here", "--output=x", "HEAD^{tree}", "0" * 40])
def test_an_unknown_revision_is_one_line(repository: Path, tmp_path: Path, revision: str) -> None:
    with pytest.raises(TreeError, match="has no revision"):
        read_revision(repository, revision, tmp_path / "out")


def test_a_folder_without_git_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    with pytest.raises(TreeError, match="not a git repository"):
        read_revision(tmp_path / "plain", "HEAD", tmp_path / "out")


def test_git_that_is_not_installed_is_one_line(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TreeError, match="git is not installed"):
        read_revision(repository, "HEAD", tmp_path / "out")


def test_a_revision_without_the_package_is_refused(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(TreeError, match="not a source tree of vllm"):
        open_source(f"{repository}@v1", "vllm", Access(offline=True), tmp_path)


def test_an_at_in_a_path_belongs_to_the_path(tmp_path: Path) -> None:
    (tmp_path / "a@b").mkdir()
    (tmp_path / "a").mkdir()
    assert split_revision(f"{tmp_path}/a@b@v1") == (tmp_path / "a@b", "v1")
    assert split_revision(f"{tmp_path}/a@c@v1") == (tmp_path / "a", "c@v1")
    assert split_revision(f"{tmp_path}/none@v1") is None
    assert split_revision(f"{tmp_path}/a@") is None
