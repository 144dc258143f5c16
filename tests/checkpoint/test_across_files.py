"""Shards and index against each other: whatever lies in which file, every mismatch is counted and nothing twice."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

from hostile_shards import F32, entries
from hypothesis import given, settings
from hypothesis import strategies as st

from ascend_compat.checkpoint.collect import read_checkpoint
from ascend_compat.source.local import LocalSource

NAMES, FILES = "abcdef", ("one.safetensors", "two.safetensors", "three.safetensors", "four.safetensors")
stored = st.dictionaries(st.sampled_from(FILES), st.sets(st.sampled_from(NAMES), max_size=4), max_size=4)
indexes = st.none() | st.dictionaries(st.sampled_from(NAMES), st.sampled_from(FILES), min_size=1, max_size=6)


def shard(names: set[str]) -> bytes:
    tensors, position = {}, 0
    for name in sorted(names):
        tensors[name] = {**F32, "data_offsets": [position, position + 8]}
        position += 8
    return entries(position, **tensors)


def counts(root: Path) -> tuple[dict[str, object], int]:
    """Number per kind of problem, and how many tensors were counted."""
    facts = read_checkpoint(LocalSource("m", root))
    return {found.message.id: found.message.params.get("count") for found in facts.problems}, facts.tensor_count


def expected(files: Mapping[str, set[str]], index: Mapping[str, str]) -> dict[str, int]:
    """The same with sets, as the words of each finding define it."""
    named = set(index.values())
    read = {file: names for file, names in files.items() if file in named}
    holders = {name: {file for file, names in read.items() if name in names} for name in NAMES}
    wrong = [name for name, file in index.items() if file in read and file not in holders[name]]
    out = {
        "AC105.missing": len(named - files.keys()) if files else 0,
        "AC115.unfetched": 0 if files else len(named),
        "AC106.copy": sum(1 for f, names in files.items() if f not in named and names <= index.keys()),
        "AC106.extra": sum(1 for f, names in files.items() if f not in named and not names <= index.keys()),
        "AC107.shards": sum(1 for found in holders.values() if len(found) > 1),
        "AC108.absent": sum(1 for name in wrong if not holders[name]),
        "AC108.moved": sum(1 for name in index if holders[name] and index[name] not in holders[name]),
        "AC108.unlisted": sum(1 for name, found in holders.items() if found and name not in index),
    }
    return {kind: count for kind, count in out.items() if count}


@settings(max_examples=300, deadline=None)
@given(stored, indexes)
def test_every_mismatch_is_counted(files: dict[str, set[str]], index: dict[str, str] | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "config.json").write_text("{}")
        for file, names in files.items():
            (root / file).write_bytes(shard(names))
        if index is not None:
            (root / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
        found, tensors = counts(root)
    if index is None:
        doubled = sum(1 for name in NAMES if sum(name in names for names in files.values()) > 1)
        assert found == ({"AC107.shards": doubled} if doubled else {} if files else {"AC115.none": None})
        assert tensors == len(set().union(*files.values()))
        return
    found.pop("AC115.none", None)
    assert found == expected(files, index)
    read = [names for file, names in files.items() if file in index.values()]
    assert tensors == len(set().union(*read))
