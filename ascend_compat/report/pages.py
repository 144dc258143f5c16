"""The documentation page of a finding code, from the installed package or from the repository."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

_CODE = re.compile(r"AC\d{3}")
_CHINESE = "## 中文"


def page(code: str) -> str | None:
    """The page of a code as Markdown, ``None`` when there is none."""
    if not _CODE.fullmatch(code):
        return None
    file = _folder() / f"{code}.md"
    return file.read_text(encoding="utf-8") if file.is_file() else None


def codes() -> list[str]:
    """Every documented code in order."""
    folder = _folder()
    if not folder.is_dir():
        return []
    return sorted(file.stem for file in folder.iterdir() if file.suffix == ".md" and _CODE.fullmatch(file.stem))


def title(text: str) -> str:
    """The heading of a page without its mark."""
    return text.lstrip().partition("\n")[0].lstrip("# ").strip()


def in_language(text: str, lang: str) -> str:
    """The whole page; in Chinese its heading and its Chinese part, where it has one."""
    _, mark, chinese = text.partition(_CHINESE)
    if lang != "zh" or not mark:
        return text
    return f"# {title(text)}\n\n{chinese.strip()}\n"


def _folder() -> Path:
    """``_findings`` of the installed package; an editable install reads ``docs/findings`` of the repository."""
    package = Path(str(files("ascend_compat")))
    installed = package / "_findings"
    return installed if installed.is_dir() else package.parent / "docs" / "findings"
