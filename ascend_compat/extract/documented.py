"""The support matrix that a release's own documentation prints."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ascend_compat.extract.tree import Trees

NAME = "supported_models.md"
#: The legend of the page.
STATUS = {"✅": "supported", "🔵": "experimental", "❌": "unsupported", "🟡": "untested"}


def extract_documented(trees: Trees) -> dict[str, dict[str, str]]:
    """``{row name: {"status", "hardware"?, "at"}}``; a name's later rows carry their hardware in parentheses."""
    found: dict[str, dict[str, str]] = {}
    docs = trees.vllm_ascend.root / "docs"
    # The translated catalogues of the page are not the page.
    paths = sorted(path for path in docs.rglob(NAME) if path.is_file()) if docs.is_dir() else []
    for path in paths:
        relative = path.relative_to(trees.vllm_ascend.root).as_posix()
        for number, row in _rows(trees.read(relative) or ""):
            name, status = _plain(row.get("model", "")), row.get("support", "")
            if not name or not status:
                continue
            entry = {"status": next((word for glyph, word in STATUS.items() if glyph in status), _plain(status))}
            hardware = row.get("supported hardware", "")
            if hardware:
                entry["hardware"] = hardware
            entry["at"] = f"{relative}:{number}"
            if name in found and hardware:
                name = f"{name} ({hardware})"
            found.setdefault(name, entry)
    if not found:
        trees.unfollowed.append(f"docs/**/{NAME}: not found")
    return dict(sorted(found.items()))


def _rows(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows of every table as ``{lower-case column: cell}``, with the line number."""
    columns: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped.startswith("|"):
            columns = []
            continue
        cells = [cell.strip() for cell in stripped.removeprefix("|").removesuffix("|").split("|")]
        if not columns:
            columns = [cell.lower() for cell in cells]
        elif not re.fullmatch(r"[|:\s-]+", stripped):
            yield number, dict(zip(columns, cells, strict=False))


def _plain(cell: str) -> str:
    """A cell without link targets and emphasis."""
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", cell).strip("*` ")
