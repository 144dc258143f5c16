"""The index against the shards: what is missing, orphaned, doubled, misplaced, or outside the directory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from ascend_compat.checkpoint.config import DocumentError, read_document
from ascend_compat.checkpoint.header import Tensor
from ascend_compat.checkpoint.problems import problem
from ascend_compat.core.finding import Finding
from ascend_compat.source.interface import CheckpointSource

#: The name transformers and vLLM look for; another index is only used where this one is absent.
INDEX_NAME = "model.safetensors.index.json"


@dataclass(slots=True)
class Index:
    """``shards`` maps each file inside the directory to its tensor names; ``escaping`` lists the other files."""

    path: str
    shards: dict[str, set[str]] = field(default_factory=dict)
    escaping: list[str] = field(default_factory=list)
    total_size: int | None = None

    def holder(self, name: str) -> str | None:
        """The shard the index names for a tensor."""
        return next((file for file, names in self.shards.items() if name in names), None)


def read_index(source: CheckpointSource) -> tuple[Index | None, list[Finding]]:
    """The index of the checkpoint and what is wrong with it; ``None`` without an index or with an unusable one."""
    candidates = [name for name in source.list() if name.endswith(".safetensors.index.json") and "/" not in name]
    if not candidates:
        return None, []
    path = INDEX_NAME if INDEX_NAME in candidates else candidates[0]
    try:
        document = read_document(source, path)
    except DocumentError as error:
        return None, [problem("AC114.unreadable", path, reason=str(error))]
    weight_map = document.get("weight_map")
    if not isinstance(weight_map, dict) or not all(isinstance(file, str) for file in weight_map.values()):
        return None, [problem("AC114.structure", path)]
    index = Index(path, total_size=_total_size(document.get("metadata")))
    _sort(index, weight_map)
    if not index.escaping:
        return index, []
    found = problem(
        "AC109.escape", path, target=index.escaping[0], count=len(index.escaping)
    )  # fmt: skip
    return index, [found]


def _sort(index: Index, weight_map: Mapping[str, str]) -> None:
    shards: dict[str, set[str]] = {}
    for name, file in weight_map.items():
        names = shards.get(file)
        if names is None:
            names = shards[file] = set()
        names.add(name)
    for file in sorted(shards):
        if _escapes(file):
            index.escaping.append(file)
        else:
            index.shards[file] = shards[file]


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
        self._seen: dict[str, str] = {}
        self._lacking: dict[str, str] = {}
        self._surplus: dict[str, tuple[str, Tensor]] = {}
        self._doubled: dict[str, tuple[str, str]] = {}

    def take(self, file: str, tensors: list[Tensor]) -> list[Tensor]:
        """The tensors of ``file`` that count at once; the rest is settled by :meth:`rest`."""
        names = {tensor.name for tensor in tensors}
        if self._index is None:
            doubled = names & self._seen.keys()
            self._doubled.update((name, (self._seen[name], file)) for name in doubled)
            self._seen.update(dict.fromkeys(names - doubled, file))
            return [tensor for tensor in tensors if tensor.name not in doubled] if doubled else tensors
        expected = self._index.shards[file]
        if names == expected:
            return tensors
        self._lacking.update(dict.fromkeys(expected - names, file))
        for tensor in tensors:
            if tensor.name not in expected:
                first = self._surplus.setdefault(tensor.name, (file, tensor))[0]
                if first != file:
                    self._doubled[tensor.name] = (first, file)
        return [tensor for tensor in tensors if tensor.name in expected]

    def rest(self) -> Iterator[Tensor]:
        """Tensors found in another shard than the index says, or in none of its entries; doubles are left out."""
        for name, (file, tensor) in self._surplus.items():
            holder = self._index.holder(name) if self._index is not None else None
            if holder is None or name in self._lacking:
                yield tensor
            else:
                self._doubled.setdefault(name, (holder, file))

    def problems(self) -> Iterator[Finding]:
        """One finding per kind of mismatch, with the number of tensors and the first example. Call after ``rest``."""
        path = self._index.path if self._index is not None else ""
        if self._doubled:
            name, (first, second) = min(self._doubled.items())
            yield problem("AC107.shards", second, tensor=name, other=first, count=len(self._doubled))
        absent = {name: file for name, file in self._lacking.items() if name not in self._surplus}
        moved = {name: file for name, file in self._lacking.items() if name in self._surplus}
        if absent:
            name, file = min(absent.items())
            yield problem("AC108.absent", file, tensor=name, count=len(absent), index=path)
        if moved:
            name, file = min(moved.items())
            other = self._surplus[name][0]
            yield problem("AC108.moved", file, tensor=name, count=len(moved), index=path, other=other)
        unlisted = [n for n in self._surplus if n not in self._lacking and n not in self._doubled]
        if unlisted:
            name = min(unlisted)
            yield problem("AC108.unlisted", self._surplus[name][0], tensor=name, count=len(unlisted), index=path)
