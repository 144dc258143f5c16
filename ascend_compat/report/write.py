"""The files of a report: everything is rendered before the first one is written."""

from __future__ import annotations

from pathlib import Path

from ascend_compat.core.report import ReportDocument
from ascend_compat.errors import UsageError
from ascend_compat.report.catalog import DEFAULT_LANGUAGE, LANGUAGES
from ascend_compat.report.e2e import render_e2e
from ascend_compat.report.escape import file_name
from ascend_compat.report.html import render_html
from ascend_compat.report.markdown import render_markdown
from ascend_compat.report.runbook import render_runbook


def render_files(doc: ReportDocument, lang: str = DEFAULT_LANGUAGE) -> dict[str, str]:
    """Content by file name, in the order a reader wants them."""
    files = {"ANALYSIS_REPORT.md": render_markdown(doc, lang)}
    files |= {f"ANALYSIS_REPORT.{other}.md": render_markdown(doc, other) for other in LANGUAGES if other != lang}
    files |= {"RUNBOOK.md": render_runbook(doc, lang), f"{file_name(doc.model.name)}.yaml": render_e2e(doc, lang)}
    return {**files, "report.json": doc.to_json() + "\n", "report.html": render_html(doc, lang)}


def write_report(doc: ReportDocument, directory: Path, lang: str = DEFAULT_LANGUAGE) -> list[Path]:
    """Write the files of a report into ``directory``, which is made when it is absent; existing ones are replaced.

    Raises ``UsageError`` when the directory can't be written.
    """
    files = render_files(doc, lang)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (directory / name).write_text(content, encoding="utf-8", newline="\n")
    except OSError as error:
        raise UsageError(f"can't write the report to {directory}: {error.strerror}", "choose another -o DIR") from error
    return [directory / name for name in files]
