"""Which files of a checkpoint are its shards, as vLLM chooses them, and what stands beside them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ascend_compat.checkpoint.header import HeaderError
from ascend_compat.checkpoint.index import INDEX_NAME, Index
from ascend_compat.checkpoint.problems import problem
from ascend_compat.checkpoint.shard import POINTER, header_of
from ascend_compat.core.finding import Finding
from ascend_compat.errors import SourceError
from ascend_compat.source.interface import CheckpointSource

_OTHER_FORMATS = (".bin", ".gguf", ".pt", ".pth", ".h5", ".msgpack", ".onnx")
#: Files with such an ending that hold no weights.
_NOT_WEIGHTS = ("training_args.bin", "optimizer.pt", "scheduler.pt", "rng_state.pth")
#: What download tools leave beside, or instead of, a file they have not finished.
_UNFINISHED = (".aria2", ".incomplete", ".part", ".crdownload", ".download", ".tmp")
_NUMBERED = re.compile(r"(.+)-(\d{5})-of-(\d{5})\.safetensors")
#: Shards of a sharded state: every tensor-parallel rank has files of its own, with its part of every tensor.
#: Source: V 0.18.0 model_executor/model_loader/sharded_state_loader.py:37 ``DEFAULT_PATTERN``.
_RANKED = re.compile(r"model-rank-(\d+)-part-\d+\.safetensors")
#: Sizes of Git LFS pointers, whose lines are fixed but for the name of the store and the number of bytes.
_POINTER_SIZES = range(100, 250)
#: Files that are read, and reported where they are pointers, anyway.
_READ = (".safetensors", "config.json", "index.json", "quant_model_description.json")
#: Orphans whose headers are read; more are only counted.
_ORPHANS_READ = 8


class Shards(NamedTuple):
    """Files to read, in order, and the problems of the choice."""

    files: list[str]
    problems: list[Finding]


def choose_shards(source: CheckpointSource, index: Index | None) -> Shards:
    """The shards: those the index names; without one that loaders read, every safetensors file beside config.json.

    Source: vLLM 0.18.0, model_executor/model_loader/weight_utils.py ``filter_duplicate_safetensors_files``, which asks
    for an index of one name only.
    """
    files = source.list()
    present = [name for name in files if name.endswith(".safetensors") and "/" not in name]
    problems = [*_unfinished(files, present), *_pointers(source)]
    if index is None:
        return Shards(present, [*_numbering(present), *problems, *_formats(files, present)])
    shards = [file for file in index.counts if file in files]
    missing = [file for file in index.counts if file not in files]
    found: list[Finding] = []
    if missing:
        kind = "AC105.missing" if source.complete else "AC105.uncached"
        if not shards and not present:
            kind = "AC115.unfetched"
        found.append(problem(kind, missing[0], count=len(missing), total=len(index.counts), index=index.path))
    orphans = [file for file in present if file not in index.counts]
    if index.path != INDEX_NAME:
        found.append(problem("AC114.name", index.path, expected=INDEX_NAME, count=len(orphans)))
        shards, orphans = sorted({*shards, *present}), []
    found.extend(_orphans(source, index, orphans))
    return Shards(shards, [*found, *problems, *_formats(files, shards or missing)])


def rank_of(file: str) -> int | None:
    """The tensor-parallel rank whose state a shard holds, ``None`` for a shard of the whole model."""
    found = _RANKED.fullmatch(file)
    return int(found[1]) if found else None


def stored_ranks(shards: Iterable[str]) -> int | None:
    """Over how many tensor-parallel ranks a sharded state is stored; ``None`` for any other checkpoint."""
    ranks = {rank_of(file) for file in shards}
    return len(ranks) if ranks and None not in ranks else None


def _numbering(present: list[str]) -> Iterator[Finding]:
    """Gaps in ``model-00001-of-00004.safetensors``: without an index nothing else tells that a shard is missing."""
    sets: dict[tuple[str, int], set[int]] = {}
    for file in present:
        found = _NUMBERED.fullmatch(file)
        if found:
            sets.setdefault((found[1], int(found[3])), set()).add(int(found[2]))
    for (stem, total), numbers in sets.items():
        absent = [n for n in range(1, total + 1) if n not in numbers]
        if absent:
            name = f"{stem}-{absent[0]:05}-of-{total:05}.safetensors"
            yield problem("AC105.numbered", name, count=len(absent), total=total)


def _unfinished(files: Iterable[str], present: list[str]) -> Iterator[Finding]:
    """Leftovers of downloads: beside a shard of full size whose bytes may not all be there, or in place of one."""
    kinds: dict[str, list[str]] = {}
    for name in files:
        stem = name.rpartition(".")[0]
        if name.endswith(_UNFINISHED) and stem.endswith(".safetensors"):
            kinds.setdefault("AC101.unfinished" if stem in present else "AC101.partial", []).append(name)
    for kind, names in sorted(kinds.items()):
        yield problem(kind, names[0], count=len(names))


def _pointers(source: CheckpointSource) -> Iterator[Finding]:
    """Git LFS pointers among the other files of a clone: without its tokenizer no server starts."""
    files = source.list() if source.kind == "local" else {}
    small = [name for name, size in files.items() if size in _POINTER_SIZES and not name.endswith(_READ)]
    pointers = [name for name in small if source.read_head(name, len(POINTER)) == POINTER]
    if pointers:
        first = next((name for name in pointers if "tokenizer" in name), pointers[0])
        yield problem("AC103.neighbour", first, count=len(pointers))


def _orphans(source: CheckpointSource, index: Index, orphans: list[str]) -> Iterator[Finding]:
    """Files the index does not name: copies of what it names, or tensors that nobody will load."""
    kinds: dict[str, list[str]] = {}
    extra: dict[str, str] = {}
    for number, file in enumerate(orphans):
        names = _names(source, file) if number < _ORPHANS_READ else None
        new = [name for name in names or () if name not in index.weight_map]
        kinds.setdefault("orphan" if names is None else "extra" if new else "copy", []).append(file)
        extra.update(dict.fromkeys(new, file))
    for kind in ("orphan", "copy"):
        if kind in kinds:
            yield problem(f"AC106.{kind}", kinds[kind][0], count=len(kinds[kind]), index=index.path)
    if extra:
        name, file = min(extra.items(), key=lambda item: (item[1], item[0]))
        yield problem("AC106.extra", file, count=len(kinds["extra"]), index=index.path, tensors=len(extra), tensor=name)


def _names(source: CheckpointSource, file: str) -> list[str] | None:
    """Tensors of a file that is not loaded; ``None`` where it has no header or can't be reached."""
    try:
        return [tensor[0] for tensor in header_of(source, file).tensors]
    except (HeaderError, SourceError):
        return None


def _formats(files: Iterable[str], shards: list[str]) -> Iterator[Finding]:
    others = [name for name in files if name.endswith(_OTHER_FORMATS) and not name.endswith(_NOT_WEIGHTS)]
    if others:
        endings = ", ".join(sorted({name.rpartition(".")[2] for name in others}))
        kind = "AC112.beside" if shards else "AC112.only"
        yield problem(kind, others[0], count=len(others), formats=endings)
    elif not shards:
        yield problem("AC115.none", "config.json")
