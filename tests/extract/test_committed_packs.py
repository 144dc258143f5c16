"""The packs in rules/: readable, true to their digest, and rebuilt byte for byte where the trees are at hand."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ascend_compat.core.class_names import place
from ascend_compat.core.pack_file import read_text, release_of
from ascend_compat.extract.build import build_pack, digest, dump_pack

PACKS = sorted((Path(__file__).resolve().parents[2] / "rules" / "packs").iterdir())
PLACES = ("architectures", "removed_architectures", "model_classes", "custom_ops", "patches", "environment", "flags",
          "additional_config", "attention_backends", "versions", "defaults", "tool_parsers", "reasoning_parsers",
          "documented", "scheme_reads")  # fmt: skip


def places(section: Any) -> Iterator[str]:
    """``path:line`` of every entry; an alias of a model class has none of its own."""
    named = section.items() if isinstance(section, dict) else (("", entry) for entry in section)
    for name, value in named:
        for entry in value if isinstance(value, list) else [value]:
            if "is" not in entry:
                yield place(name, entry["at"])


@pytest.mark.parametrize("path", PACKS, ids=release_of)
def test_a_pack_is_what_its_digest_says_and_every_entry_has_a_line(path: Path) -> None:
    pack = json.loads(read_text(path))
    assert pack["digest"] == digest(pack)
    assert dump_pack(pack) == read_text(path)
    assert pack["release"]["vllm_ascend"] == release_of(path)
    for name in PLACES:
        for at in places(pack[name]):
            file, _, line = at.rpartition(":")
            assert file and int(line) > 0, f"{name}: {at}"
    for module in pack["code"].values():
        assert module["path"].endswith(".py")


@pytest.mark.parametrize("path", PACKS, ids=release_of)
def test_a_pack_is_rebuilt_byte_for_byte(path: Path) -> None:
    root = os.environ.get("ASCEND_COMPAT_TREES")
    pack = json.loads(read_text(path))
    trees = [Path(root or ".") / f"{name.replace('_', sep)}-{pack['release'][name]}"
             for name, sep in (("vllm_ascend", "_"), ("vllm", "_"))]  # fmt: skip
    if root is None or not all(tree.is_dir() for tree in trees):
        pytest.skip("ASCEND_COMPAT_TREES names no folder with the unpacked sdists of this pair")
    assert dump_pack(build_pack(*trees)) == read_text(path)
