"""The index against the shards: what is missing, orphaned, doubled, misplaced, or outside the directory."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from itertools import repeat
from operator import eq
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from ascend_compat.checkpoint.config import DOCUMENT_LIMIT
from ascend_compat.checkpoint.header import Tensor
from ascend_compat.checkpoint.problems import problem
from ascend_compat.core.finding import Finding
from ascend_compat.source.interface import CheckpointSource

#: The name transformers and vLLM look for; another index is only used where this one is absent.
INDEX_NAME = "model.safetensors.index.json"


class Index:
    """A usable index.

    ``counts`` maps each file inside the directory to its number of tensors; ``escaping`` lists the other files.
    """

    def __init__(self, path: str, weight_map: dict[str, str], total_size: int | None) -> None:
        self.path = path
        self.weight_map = weight_map
        self.total_size = total_size
        files = sorted(Counter(weight_map.values()).items())
        self.counts = {file: count for file, count in files if not _escapes(file)}
        self.escaping = [file for file, _ in files if _escapes(file)]

    def agrees(self, file: str, names: list[str]) -> bool:
        """Whether ``names`` are exactly the tensors the index places in ``file``."""
        same = map(eq, map(self.weight_map.get, names), repeat(file))
        return len(names) == self.counts.get(file) and all(same)

    @cached_property
    def names(self) -> dict[str, set[str]]:
        """Tensor names by file; only built when a shard does not agree."""
        found: dict[str, set[str]] = {}
        for name, file in self.weight_map.items():
            found.setdefault(file, set()).add(name)
        return found

    @property
    def strange(self) -> list[str]:
        """Names of tensors and files that hold characters which can't be printed."""
        if "".join(self.weight_map).isprintable() and "".join(self.counts).isprintable():
            return []
        return [name for name in (*self.weight_map, *self.counts) if not name.isprintable()]


def read_index(source: CheckpointSource) -> tuple[Index | None, list[Finding]]:
    """The index of the checkpoint and what is wrong with it; ``None`` without an index or with an unusable one."""
    candidates = [name for name in source.list() if name.endswith(".safetensors.index.json") and "/" not in name]
    if not candidates:
        return None, []
    path = INDEX_NAME if INDEX_NAME in candidates else candidates[0]
    if source.size(path) > DOCUMENT_LIMIT:
        return None, [problem("AC114.unreadable", path, reason=f"too large: {source.size(path):,} bytes")]
    raw = source.read_bytes(path, DOCUMENT_LIMIT)
    try:
        document = _parse(raw)
    except ValueError as error:
        pointer = raw.startswith(b"version https://git-lfs")
        reason = "a Git LFS pointer, not the file" if pointer else f"not JSON: {error}"
        return None, [problem("AC114.unreadable", path, reason=reason)]
    weight_map = document.get("weight_map") if isinstance(document, dict) else None
    if not isinstance(weight_map, dict) or not all(isinstance(file, str) for file in weight_map.values()):
        return None, [problem("AC114.structure", path)]
    index = Index(path, weight_map, _total_size(document.get("metadata")))
    found = list(_repeated(path, raw, weight_map))
    if index.escaping:
        found.append(problem("AC109.escape", path, target=index.escaping[0], count=len(index.escaping)))
    return index, found


def _repeated(path: str, raw: bytes, weight_map: dict[str, str]) -> Iterator[Finding]:
    """Names the index gives more than once. The plain parse keeps the last, so file names are counted in the text."""
    ending = ".safetensors"
    if raw.count(f'{ending}"'.encode()) <= sum(file.endswith(ending) for file in weight_map.values()):
        return
    counts = Counter(name for name, file in _pairs(raw) if isinstance(file, str) and name in weight_map)
    repeated = [name for name, count in counts.items() if count > 1]
    if repeated:
        yield problem("AC107.index", path, tensor=min(repeated), count=len(repeated))


def _pairs(raw: bytes) -> list[tuple[str, Any]]:
    """Every key and value of every object in a JSON text that is known to be sound."""
    found: list[tuple[str, Any]] = []
    json.loads(raw, object_pairs_hook=found.extend)
    return found


def _parse(raw: bytes) -> Any:
    from pydantic_core import from_json

    return from_json(raw)


def _escapes(file: str) -> bool:
    path = PurePosixPath(file)
    windows = PureWindowsPath(file)
    return not file or path.is_absolute() or windows.anchor != "" or ".." in windows.parts or "\0" in file


def _total_size(metadata: Any) -> int | None:
    declared = metadata.get("total_size") if isinstance(metadata, dict) else None
    if isinstance(declared, bool) or not isinstance(declared, (int, float)) or declared != declared // 1:
        return None
    return int(declared)


class CrossCheck:
    """Compares the names of each shard with the index while shards are read; keeps only what does not match."""

    def __init__(self, index: Index | None) -> None:
        self._index = index
        self._read: set[str] = set()
        self._seen: dict[str, str] = {}
        self._lacking: dict[str, str] = {}
        self._surplus: dict[str, tuple[str, Tensor]] = {}
        self._doubled: dict[str, tuple[str, str]] = {}

    def take(self, file: str, tensors: list[Tensor]) -> list[Tensor]:
        """The tensors of ``file`` that count at once; the rest is settled by :meth:`rest`."""
        self._read.add(file)
        if self._index is None:
            names = {tensor[0] for tensor in tensors}
            doubled = names & self._seen.keys()
            self._doubled.update((name, (self._seen[name], file)) for name in doubled)
            self._seen.update(dict.fromkeys(names - doubled, file))
            return [tensor for tensor in tensors if tensor[0] not in doubled] if doubled else tensors
        if self._index.agrees(file, [tensor[0] for tensor in tensors]):
            return tensors
        names = {tensor[0] for tensor in tensors}
        expected = self._index.names.get(file, set())
        self._lacking.update(dict.fromkeys(expected - names, file))
        for tensor in tensors:
            if tensor[0] not in expected:
                first = self._surplus.setdefault(tensor[0], (file, tensor))[0]
                if first != file:
                    self._doubled[tensor[0]] = (first, file)
        return [tensor for tensor in tensors if tensor[0] in expected]

    def rest(self) -> Iterator[Tensor]:
        """Tensors found in another shard than the index says, or in none of its entries; doubles are left out."""
        for name, (file, tensor) in self._surplus.items():
            holder = self._index.weight_map.get(name) if self._index is not None else None
            if holder not in self._read or name in self._lacking:
                yield tensor
            else:
                self._doubled.setdefault(name, (str(holder), file))

    def problems(self) -> Iterator[Finding]:
        """One finding per kind of mismatch, with the number of tensors and the first example. Call after ``rest``."""
        path, placed = (self._index.path, self._index.weight_map) if self._index is not None else ("", {})
        if self._doubled:
            name, (first, second) = min(self._doubled.items())
            yield problem("AC107.shards", second, tensor=name, other=first, count=len(self._doubled))
        absent = {name: file for name, file in self._lacking.items() if name not in self._surplus}
        elsewhere = {name: placed[name] for name in self._surplus if name in placed}
        moved = {name: file for name, file in elsewhere.items() if name in self._lacking or file not in self._read}
        if absent:
            name, file = min(absent.items())
            yield problem("AC108.absent", file, tensor=name, count=len(absent), index=path)
        if moved:
            name, file = min(moved.items())
            other = self._surplus[name][0]
            yield problem("AC108.moved", file, tensor=name, count=len(moved), index=path, other=other)
        unlisted = [name for name in self._surplus if name not in placed]
        if unlisted:
            name = min(unlisted)
            yield problem("AC108.unlisted", self._surplus[name][0], tensor=name, count=len(unlisted), index=path)
