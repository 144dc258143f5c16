"""What a release's own support matrix prints: models, features, and features that exclude each other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ascend_compat.extract.tree import Trees

MODELS = "supported_models.md"
#: The page's name was once misspelt.
FEATURES = re.compile(r"supp?o\w*_features\.md")
PAIRS = "feature_matrix.md"
#: The legend of the pages.
STATUS = {"✅": "supported", "🔵": "experimental", "❌": "unsupported", "🟡": "untested"}
#: One character for each status of a feature.
MARKS = {"+": "supported", "~": "experimental", "-": "unsupported", "?": "untested"}
COMPATIBLE = {"🟠": "partly", "❌": "without"}
#: Columns that are no feature.
PLAIN = frozenset({"model", "support", "supported", "note", "supported hardware", "doc", "max-model-len"})
Row = tuple[int, dict[str, str]]


def extract_documented(trees: Trees) -> dict[str, dict[str, Any]]:
    """``{row name: {"status", "hardware"?, "max_model_len"?, "tutorial"?, "features"?, "at"}}``.

    A name's later rows carry their hardware in parentheses. ``features`` has one character for each of
    :func:`extract_documented_columns`: the key of :data:`MARKS`, a space where the page says nothing.
    """
    found: dict[str, dict[str, Any]] = {}
    columns = extract_documented_columns(trees)
    for relative, number, row in _tables(trees, re.compile(re.escape(MODELS))):
        name, status = _plain(row.get("model", "")), row.get("support", row.get("supported", ""))
        if not name or not (status or row.get("note")):
            continue
        # Before the legend, an empty cell meant that nobody had tried.
        entry: dict[str, Any] = {"status": _status(status) or (_plain(status) if status else "untested")}
        hardware = row.get("supported hardware", "")
        if hardware:
            entry["hardware"] = hardware
        if row.get("max-model-len"):
            entry["max_model_len"] = row["max-model-len"]
        tutorial = re.search(r"\(([^()\s]*\.md)\)", row.get("doc", ""))
        if tutorial:
            entry["tutorial"] = tutorial[1].rpartition("tutorials/")[2]
        words = (_status(row.get(column, "")) for column in columns)
        features = "".join(next((mark for mark, meant in MARKS.items() if meant == word), " ") for word in words)
        if features.strip():
            entry["features"] = features.rstrip()
        entry["at"] = f"{relative}:{number}"
        if name in found and hardware:
            name = f"{name} ({hardware})"
        found.setdefault(name, entry)
    if not found:
        trees.unfollowed.append(f"docs/**/{MODELS}: not found")
    return dict(sorted(found.items()))


def extract_documented_columns(trees: Trees) -> list[str]:
    """The features that the matrix of models has columns for, in the order they first appear."""
    seen: dict[str, None] = {}
    for _, _, row in _tables(trees, re.compile(re.escape(MODELS))):
        seen.update(dict.fromkeys(column for column in row if column and column not in PLAIN))
    return list(seen)


def extract_documented_features(trees: Trees) -> dict[str, dict[str, Any]]:
    """``{feature: {"status", "partly"?, "without"?, "at"}}``; the last two name features that it excludes.

    ``status`` is the page's word for it, of the newest engine where the page has several. A feature of the matrix of
    pairs that is in no list of features has no status.
    """
    found: dict[str, dict[str, Any]] = {}
    for relative, number, row in _tables(trees, FEATURES):
        name = _plain(row.get("feature", ""))
        words = [
            re.sub(r"^\W+", "", cell).strip().lower() for cell in row.values() if re.match(r"[^\w\s|\[(<*`]", cell)
        ]
        if name and words:
            found.setdefault(name, {"status": words[-1], "at": f"{relative}:{number}"})
    if not found:
        trees.unfollowed.append("docs/**/supported_features.md: not found")
    for relative, number, row in _tables(trees, re.compile(re.escape(PAIRS))):
        name = _plain(row.get("feature", ""))
        kinds: dict[str, list[str]] = {}
        for column, cell in row.items():
            word = next((word for glyph, word in COMPATIBLE.items() if cell.startswith(glyph)), None)
            if word:
                kinds.setdefault(word, []).append(_plain(column))
        if name and kinds:
            found.setdefault(name, {"at": f"{relative}:{number}"}).update(kinds)
    return dict(sorted(found.items()))


def _status(cell: str) -> str | None:
    return next((word for glyph, word in STATUS.items() if glyph in cell), None)


def _tables(trees: Trees, name: re.Pattern[str]) -> Iterator[tuple[str, int, dict[str, str]]]:
    """Rows of the tables of every page of that name; the translated catalogues of a page are not the page."""
    root = trees.vllm_ascend.root
    docs = root / "docs"
    for path in sorted(docs.rglob("*.md")) if docs.is_dir() else ():
        if name.fullmatch(path.name) and path.is_file():
            relative = path.relative_to(root).as_posix()
            for number, row in _rows(trees.read(relative) or ""):
                yield relative, number, row


def _rows(text: str) -> Iterator[Row]:
    """Rows of every table as ``{lower-case column: cell}``, with the line number."""
    columns: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped.startswith("|"):
            columns = []
            continue
        cells = [cell.strip() for cell in stripped.removeprefix("|").removesuffix("|").split("|")]
        if not columns:
            columns = [_plain(cell).lower() for cell in cells]
        elif not re.fullmatch(r"[|:\s-]+", stripped):
            yield number, dict(zip(columns, cells, strict=False))


def _plain(cell: str) -> str:
    """A cell without link targets, tags and emphasis."""
    text = re.sub(r"<(?:sup|sub)>.*?</(?:sup|sub)>|<[^>]*>", "", cell)
    return re.sub(r"\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])", r"\1", text).strip("*` ")
