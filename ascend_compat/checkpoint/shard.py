"""One shard: its header, or the finding that says why there is none."""

from __future__ import annotations

from dataclasses import dataclass

from ascend_compat.checkpoint.diagnose import diagnose
from ascend_compat.checkpoint.header import Header, HeaderError, header_end, parse_header
from ascend_compat.checkpoint.problems import problem
from ascend_compat.core.finding import Finding, Param
from ascend_compat.source.interface import CheckpointSource

#: How a Git LFS pointer begins.
POINTER = b"version https://git-lfs"
_IDS = {"too-small": "AC101.tiny", "cut-header": "AC101.header"}
#: First bytes of other files that are found under the name of a shard; asked once the file was refused.
_MAGIC = {
    b"PK\x03\x04": "AC103.zip",
    b"\x80\x02": "AC103.pickle",
    b"GGUF": "AC103.gguf",
    b"<": "AC103.page",
    b"{": "AC103.text",
}


@dataclass(frozen=True, slots=True)
class ShardText:
    """The header text of a shard as read; ``failure`` instead of it when there is none."""

    file: str
    size: int
    text: bytes = b""
    failure: Finding | None = None


def read_shard(source: CheckpointSource, file: str) -> ShardText:
    """Read the header bytes of a shard, nothing else; raises :class:`SourceError` when it can't be reached."""
    size = source.size(file)
    head = source.read_head(file, min(source.guess, size))
    if head.startswith(POINTER):
        return ShardText(file, size, failure=problem("AC103.pointer", file, expected=_pointed_size(head)))
    try:
        return ShardText(file, size, _header_text(source, file, head, size))
    except HeaderError as error:
        other = next((name for magic, name in _MAGIC.items() if head.startswith(magic)), None)
        return ShardText(file, size, failure=problem(other, file) if other else _failure(file, error))


def _header_text(source: CheckpointSource, file: str, head: bytes, size: int) -> bytes:
    end = header_end(head, size)
    if end > len(head):
        head += source.read_range(file, len(head), end - len(head))
    if end > len(head):
        raise HeaderError("cut-header", expected=end, actual=len(head))
    return head[8:end]


def header_of(source: CheckpointSource, file: str) -> Header:
    """The header of a file that is not a shard of the checkpoint; raises :class:`HeaderError` where there is none."""
    size = source.size(file)
    head = source.read_head(file, min(source.guess, size))
    return parse_header(_header_text(source, file, head, size))


def parse_shard(shard: ShardText) -> tuple[Header | None, list[Finding]]:
    """The header and what is wrong with the shard; a truncated shard still has its header."""
    if shard.failure is not None:
        return None, [shard.failure]
    try:
        header = parse_header(shard.text)
    except HeaderError as first:
        return None, [_failure(shard.file, error) for error in diagnose(shard.text, first)]
    found: list[Finding] = []
    sizes: dict[str, Param] = {"actual": shard.size, "expected": header.expected}
    if shard.size < header.expected:
        found.append(problem("AC101.data", shard.file, **sizes))
    elif shard.size > header.expected:
        found.append(problem("AC102.trailing", shard.file, **sizes))
    if header.repeated:
        found.append(problem("AC107.header", shard.file, count=header.repeated))
    return header, found


def _failure(file: str, error: HeaderError) -> Finding:
    return problem(_IDS.get(error.kind, f"AC104.{error.kind}"), file, **error.params)


def _pointed_size(head: bytes) -> int | None:
    """Bytes of the real file, from the ``size`` line of a Git LFS pointer."""
    for line in head.splitlines():
        key, _, value = line.partition(b" ")
        if key == b"size" and value.isdigit() and len(value) < 20:
            return int(value)
    return None
