"""What a release's tutorials launch: models, hardware, and the names of every flag, variable and key they use."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ascend_compat.extract.launch import Launch, launch_of, model_name
from ascend_compat.extract.shell import commands, exported
from ascend_compat.extract.tree import Trees

FOLDER = "tutorials"
SHELLS = frozenset({"", "bash", "shell", "sh", "console", "text", "shell-session"})
#: Hardware as the pages call it.
HARDWARE = {
    "A2": re.compile(r"\bA2\b|\b910B\d?\b", re.I),
    "A3": re.compile(r"\bA3\b|\b910C\b|\b910_93", re.I),
    "A5": re.compile(r"\bA5\b|\bAscend ?950|\b950(?:DT|PR)\b", re.I),
    "310P": re.compile(r"\b310P\d?\b|\b300I\b", re.I),
}
HUBS = re.compile(
    r"(?:huggingface\.co|hf\.co|modelscope\.cn/models|modelers\.cn/models)/([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)"
)
PARSERS = {"--tool-call-parser": "tool_parsers", "--reasoning-parser": "reasoning_parsers"}
Block = list[tuple[int, str]]
Uses = dict[str, list[str]]


def extract_tutorials(trees: Trees) -> dict[str, Any]:
    """``{"pages": [{"path", "models", "hardware", "launches"}], "flags", "env", "keys", "tool_parsers", ...}``.

    ``models`` maps ids to lines. A launch is its line and the values that decide where the model runs. Every other
    table maps a name to its uses, ``"page:line page:line"`` with the index of the page; ``keys`` has one such table for
    each JSON flag, with dotted names. Only names, sizes and lines are kept of a page, never its text.
    """
    found = _Uses()
    pages: list[dict[str, Any]] = []
    for relative in tutorial_pages(trees):
        text = trees.read(relative) or ""
        page = _page(text, len(pages), found)
        if page:
            pages.append({"path": relative, **page})
    if not pages:
        trees.unfollowed.append(f"docs/**/{FOLDER}: no launch command found")
    return {"pages": pages, **found.tables()}


def tutorial_pages(trees: Trees) -> list[str]:
    """Pages below a folder of tutorials; translated catalogues are not pages."""
    root = trees.vllm_ascend.root
    docs = root / "docs"
    paths = docs.rglob("*.md") if docs.is_dir() else iter(())
    return sorted(
        path.relative_to(root).as_posix()
        for path in paths
        if FOLDER in path.relative_to(docs).parts[:-1] and "locale" not in path.parts and path.is_file()
    )


class _Uses:
    """Names and where each is used; a page counts once for a name."""

    def __init__(self) -> None:
        self.plain: dict[str, Uses] = {"flags": {}, "env": {}, "tool_parsers": {}, "reasoning_parsers": {}}
        self.keys: dict[str, Uses] = {}

    def add(self, uses: Uses, name: str, page: int, line: int) -> None:
        """Note a use."""
        places = uses.setdefault(name, [])
        if not places or not places[-1].startswith(f"{page}:"):
            places.append(f"{page}:{line}")

    def tables(self) -> dict[str, Any]:
        """As they are stored."""
        flat = {name: _joined(uses) for name, uses in self.plain.items()}
        return {**flat, "keys": {flag: _joined(uses) for flag, uses in sorted(self.keys.items())}}


def _joined(uses: Uses) -> dict[str, str]:
    return {name: " ".join(places) for name, places in sorted(uses.items())}


def _page(text: str, index: int, found: _Uses) -> dict[str, Any]:
    """What one page holds; empty when it launches nothing. ``found`` takes its names."""
    launches: list[Launch] = []
    variables: list[tuple[str, int]] = []
    for block in shell_blocks(text):
        last: Launch | None = None
        for words in commands(block):
            variables += [(name, line) for name, _, line in exported(words)]
            if last is not None and words[0].text.startswith("--"):
                # The page forgot to continue the line.
                last.more(words)
                continue
            last = launch_of(words)
            if last is not None:
                launches.append(last)
    if not launches:
        return {}
    used = set(re.findall(r"\$\{?(\w+)", text))
    for name, line in variables:
        # A variable that the page's own commands expand is the shell's.
        if name not in used:
            found.add(found.plain["env"], name, index, line)
    summaries: list[dict[str, Any]] = []
    models = {match[1]: text.count("\n", 0, match.start()) + 1 for match in reversed(list(HUBS.finditer(text)))}
    for launch in launches:
        _note(launch, index, found)
        model = model_name(launch.model)
        if model:
            models.setdefault(model, launch.line)
        summary = {**({"model": model} if model else {}), **launch.summary()}
        if summary and all({**old, "line": 0} != {**summary, "line": 0} for old in summaries):
            summaries.append({"line": launch.line, **summary})
    hardware = [name for name, pattern in HARDWARE.items() if pattern.search(text)]
    return {"models": dict(sorted(models.items())), "hardware": hardware, "launches": summaries}


def _note(launch: Launch, index: int, found: _Uses) -> None:
    for flag, value, line in launch.flags:
        found.add(found.plain["flags"], flag, index, line)
        if flag in PARSERS and value and re.fullmatch(r"[\w.-]+", value):
            found.add(found.plain[PARSERS[flag]], value, index, line)
    for flag, key, _, line in launch.keys:
        found.add(found.keys.setdefault(flag, {}), key, index, line)


def shell_blocks(text: str) -> Iterator[Block]:
    """Numbered lines of every fenced block that is shell by its label, or has none."""
    fence = ""
    wanted = False
    block: Block = []
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not fence:
            opening = re.match(r"(`{3,}|~{3,})\s*(.*)", stripped)
            if opening:
                fence, label = opening[1], opening[2]
                words = re.sub(r"\{code-block\}|\{code\}", "", label).replace("{", " ").replace("}", " ").split()
                wanted = (words[0].lower() if words else "") in SHELLS
                block = []
        elif stripped == fence:
            if wanted and block:
                yield block
            fence = ""
        elif not (not block and re.fullmatch(r":\w[\w-]*:.*", stripped)):
            block.append((number, re.sub(r"^\s*\$ ", "", line)))
    if fence and wanted and block:
        yield block
