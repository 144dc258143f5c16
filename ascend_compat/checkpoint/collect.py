"""A source to facts: configuration, side files, every header once, and all damage that is found on the way."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from ascend_compat.checkpoint.aggregate import Aggregate
from ascend_compat.checkpoint.config import DocumentError, read_config, read_document
from ascend_compat.checkpoint.index import CrossCheck, Index, read_index
from ascend_compat.checkpoint.problems import problem, unfilled_unnoticed
from ascend_compat.checkpoint.shard import ShardText, parse_shard, read_shard
from ascend_compat.checkpoint.shards import choose_shards, rank_of, stored_ranks
from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.core.finding import Finding
from ascend_compat.source.interface import CheckpointSource

_SIDE_FILES = {
    "quant_model_description.json": "AC113.unreadable",
    "hf_quant_config.json": "AC113.unreadable",
    "generation_config.json": "AC113.generation",
    "tokenizer_config.json": "AC113.unreadable",
}
#: Files in which older AWQ and GPTQ tools declare what config.json does not.
_QUANTIZE_CONFIGS = ("quant_config.json", "quantize_config.json")


def read_checkpoint(source: CheckpointSource) -> CheckpointFacts:
    """Everything a checkpoint says of itself.

    Damage to weights and side files is in ``problems``. Raises :class:`CheckpointError` without a usable
    ``config.json`` and :class:`SourceError` when files can't be reached.
    """
    config = read_config(source)
    files = source.list()
    problems: list[Finding] = []
    side = {name: _side_file(source, name, message, problems) for name, message in _SIDE_FILES.items()}
    tools = {name: _side_file(source, name, "AC113.unreadable", problems) for name in _QUANTIZE_CONFIGS}
    index, found = read_index(source)
    problems += found
    shards, found = choose_shards(source, index)
    problems += found
    aggregate = Aggregate()
    with _collector_paused():
        problems += _read_shards(source, index, shards, aggregate)
    tensors = aggregate.groups()
    problems += _strange_files(files)
    quantized = "quantization_config" in config or side["quant_model_description.json"] is not None
    return CheckpointFacts(
        spec=source.spec,
        source=source.kind,
        revision=source.revision,
        config=config,
        files=tuple(files),
        tensors=tensors,
        has_weights=bool(tensors),
        shards=len(shards),
        ranks=stored_ranks(shards),
        quant_description=side["quant_model_description.json"],
        hf_quant_config=side["hf_quant_config.json"],
        generation_config=side["generation_config.json"],
        tokenizer_config=side["tokenizer_config.json"],
        problems=unfilled_unnoticed(problems) if quantized else tuple(problems),
        quantize_configs={name: body for name, body in tools.items() if body is not None},
    )


def _side_file(source: CheckpointSource, name: str, message: str, problems: list[Finding]) -> dict[str, Any] | None:
    if name not in source.list():
        return None
    try:
        return read_document(source, name)
    except DocumentError as error:
        problems.append(problem(message, name, reason=str(error)))
        return None


def _read_shards(
    source: CheckpointSource, index: Index | None, shards: list[str], aggregate: Aggregate
) -> Iterator[Finding]:
    """Read and count every shard; yields the damage, file by file, then that across files."""
    cross = CrossCheck(index)
    strange: dict[str, str] = {}
    damaged = False
    total = 0
    for shard in _texts(source, shards):
        header, found = parse_shard(shard)
        yield from found
        damaged = damaged or header is None
        if header is None:
            continue
        if rank_of(shard.file):  # the files of the first rank stand for those of the others
            continue
        total += header.data_bytes
        names = [tensor[0] for tensor in header.tensors]
        if not "".join(names).isprintable():
            strange.update({name: shard.file for name in names if not name.isprintable()})
        aggregate.add(cross.take(shard.file, header.tensors))
    aggregate.add(cross.rest())
    yield from cross.problems()
    if strange:
        name, file = next(iter(strange.items()))
        yield problem("AC111.tensor", file, tensor=name, count=len(strange))
    listed = [name for name in index.strange if name not in strange] if index is not None else []
    if index is not None and listed:
        yield problem("AC111.index", index.path, tensor=listed[0], count=len(listed))
    if index is not None and index.total_size not in (None, total) and not damaged and len(shards) == len(index.counts):
        yield problem("AC110.total", index.path, declared=index.total_size, actual=total)


def _texts(source: CheckpointSource, shards: list[str]) -> Iterable[ShardText]:
    """Header texts in the order of ``shards``; a remote source keeps several reads in flight."""
    if source.workers == 1 or len(shards) < 2:
        return (read_shard(source, file) for file in shards)
    return _parallel(source, shards)


def _parallel(source: CheckpointSource, shards: list[str]) -> Iterator[ShardText]:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(source.workers) as pool:
        futures = [pool.submit(read_shard, source, file) for file in shards]
        try:
            for future in futures:
                yield future.result()
        finally:
            for future in futures:
                future.cancel()


def _strange_files(files: Iterable[str]) -> list[Finding]:
    strange = [name for name in files if not name.isprintable()]
    return [problem("AC111.file", strange[0], count=len(strange))] if strange else []


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Switch the cyclic collector off: it would walk 90,000 short-lived entries again and again (40 % of the time)."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
