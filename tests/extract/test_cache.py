"""A tree's pack is built once: again only when a byte that counts, or the extractor, changes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from releases import ascend_files, sdist, vllm_files, write
from test_origin_pairing import tree

from ascend_compat.api import load_target
from ascend_compat.errors import TreeError, UsageError
from ascend_compat.extract import build, cache, obtain
from ascend_compat.knowledge.load import Rules

SCHEME = "vllm_ascend/quantization/schemes.py"


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The trees that were really extracted."""
    found: list[Path] = []

    def count(vllm_ascend: Path, *rest: Any) -> dict[str, Any]:
        found.append(vllm_ascend)
        return build.build_pack(vllm_ascend, *rest)

    monkeypatch.setattr(obtain, "build_pack", count)
    return found


@pytest.fixture
def ascend(tmp_path: Path) -> Path:
    """A checkout with its engine beside it."""
    tree(tmp_path / "vllm-0.9.0", vllm_files())
    return tree(tmp_path / "vllm-ascend", ascend_files())


@pytest.fixture
def rules(tmp_path: Path) -> Rules:
    """A rules directory with one pack."""
    pack = {"schema": 1, "release": {"vllm_ascend": "0.4.0", "vllm": "0.9.0"}}
    write(tmp_path / "rules/packs/0.4.0.json", json.dumps(pack).encode())
    return Rules(tmp_path / "rules")


def test_an_unchanged_tree_is_not_extracted_again(ascend: Path, rules: Rules, built: list[Path]) -> None:
    first = load_target(rules, ascend)
    write(ascend / ".git/index", b"x")
    write(ascend / "csrc/kernel.cpp", b"x")
    write(ascend / ".venv/pyvenv.cfg", b"x")
    write(ascend / ".venv/lib/site.py", b"x")
    assert load_target(rules, str(ascend)) == first
    assert len(built) == 1


@pytest.mark.parametrize("where", ["plugin", "engine", "text"])
def test_one_changed_line_gives_another_pack(ascend: Path, rules: Rules, built: list[Path], where: str) -> None:
    first = load_target(rules, ascend)
    file, old, new = {
        "plugin": (ascend / SCHEME, "torch.int8", "torch.uint8"),
        "engine": (ascend.parent / "vllm-0.9.0/vllm/model_executor/models/registry.py", "OldFor", "NewFor"),
        "text": (ascend / "PKG-INFO", "0.5.0rc1", "0.5.0rc2"),
    }[where]
    file.write_text(file.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    second = load_target(rules, ascend)
    assert second["digest"] != first["digest"]
    file.write_text(file.read_text(encoding="utf-8").replace(new, old), encoding="utf-8")
    assert load_target(rules, ascend) == first
    assert len(built) == 2


def test_a_new_file_and_a_moved_one_count(ascend: Path) -> None:
    keys = [cache.content_key(ascend)]
    write(ascend / "vllm_ascend/more.py", b"")
    keys.append(cache.content_key(ascend))
    (ascend / "vllm_ascend/more.py").rename(ascend / "vllm_ascend/other.py")
    keys.append(cache.content_key(ascend))
    assert len(set(keys)) == 3


def test_another_extractor_reads_no_old_pack(
    ascend: Path, rules: Rules, built: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_target(rules, ascend)
    monkeypatch.setattr(cache, "__file__", str(tree(tmp_path / "new", {"cache.py": "x = 1"}) / "cache.py"))
    load_target(rules, ascend)
    assert len(built) == 2


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"digest": "x"}', b"\xff"])
def test_a_damaged_entry_is_built_anew(
    ascend: Path, rules: Rules, built: list[Path], cache: Path, damage: bytes
) -> None:
    first = load_target(rules, ascend)
    entry = next((cache / "packs").glob("*.json"))
    entry.write_bytes(damage)
    assert load_target(rules, ascend) == first
    assert len(built) == 2
    assert load_target(rules, ascend) == first
    assert len(built) == 2


def test_an_edited_entry_is_not_believed(ascend: Path, rules: Rules, built: list[Path], cache: Path) -> None:
    load_target(rules, ascend)
    entry = next((cache / "packs").glob("*.json"))
    entry.write_text(entry.read_text(encoding="utf-8").replace("TinyFor", "FakeFor"), encoding="utf-8")
    assert "FakeForCausalLM" not in load_target(rules, ascend)["architectures"]


def test_a_cache_that_can_not_be_written_is_done_without(
    ascend: Path, rules: Rules, built: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(write(tmp_path / "file", b"")))
    assert load_target(rules, ascend) == load_target(rules, ascend)
    assert len(built) == 2


def test_a_file_that_can_not_be_read_is_no_reason_to_stop(
    ascend: Path, rules: Rules, built: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Path) -> str:
        raise PermissionError("notes.md")

    monkeypatch.setattr(cache, "content_key", refuse)
    assert load_target(rules, ascend)["digest"]
    assert len(built) == 1


def test_the_cache_does_not_grow_without_end(
    ascend: Path, rules: Rules, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ascend_compat.extract.cache.KEPT", 2)
    for number in range(4):
        write(ascend / "notes.md", str(number).encode())
        load_target(rules, ascend)
    assert len(list((cache / "packs").iterdir())) == 2


def test_an_archive_and_a_revision_are_targets_too(ascend: Path, rules: Rules, built: list[Path]) -> None:
    from test_origin_git import git

    git(ascend.parent, "init", "-q", str(ascend))
    git(ascend, "add", "-A")
    git(ascend, "commit", "-qm", "one")
    assert load_target(rules, f"{ascend}@HEAD") == load_target(rules, ascend)
    assert len(built) == 1
    archive = write(ascend.parent / "vllm_ascend-0.5.0rc1.tar.gz", sdist("vllm_ascend-0.5.0rc1", ascend_files()))
    with pytest.raises(TreeError, match=r"paired with vllm 0\.9\.0") as caught:
        load_target(rules, archive)
    assert "rules build" in caught.value.hint


def test_a_release_without_a_pack_is_never_downloaded_by_an_analysis(
    rules: Rules, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ascend_compat.extract.origin.index._download", None)
    for target in ("vllm-ascend==0.5.0rc1", "0.5.0rc1"):
        with pytest.raises(UsageError, match="no pack for release") as caught:
            load_target(rules, target)
        assert "rules build --vllm-ascend 'vllm-ascend==0.5.0rc1'" in caught.value.hint
    with pytest.raises(UsageError, match="no pack for release"):
        load_target(rules, "no such thing")
    assert load_target(rules, "0.4.0")["release"]["vllm_ascend"] == "0.4.0"


def test_a_release_that_was_downloaded_before_is_a_target(rules: Rules, built: list[Path]) -> None:
    from releases import serve

    from ascend_compat.extract.obtain import obtain_pack
    from ascend_compat.extract.origin.index import Access

    with serve() as index:
        index.add("vllm-ascend", "vllm_ascend-0.5.0rc1.tar.gz", sdist("vllm_ascend-0.5.0rc1", ascend_files()))
        index.add("vllm", "vllm-0.9.0.tar.gz", sdist("vllm-0.9.0", vllm_files()))
        pack = obtain_pack("vllm-ascend==0.5.0rc1", None, Access(index.url))
    assert load_target(rules, "vllm-ascend==0.5.0rc1") == load_target(rules, "0.5.0rc1") == pack
    assert len(built) == 2
