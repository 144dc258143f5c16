"""ANALYSIS_REPORT.md: the whole report in Markdown, the verdict first."""

from __future__ import annotations

from ascend_compat.core.report import ReportDocument
from ascend_compat.report import markdown_model, markdown_proof, markdown_serve
from ascend_compat.report.catalog import DEFAULT_LANGUAGE
from ascend_compat.report.markup import document, heading, inline, table
from ascend_compat.report.rows import answer
from ascend_compat.report.view import View

#: Name of the section (label ``view.section.<name>``) and what writes it.
_SECTIONS = (
    ("way", markdown_proof.way),
    ("findings", markdown_proof.findings),
    ("specification", markdown_model.specification),
    ("environment", markdown_model.environment),
    ("architecture", markdown_model.architecture),
    ("quantization", markdown_model.quantization),
    ("names", markdown_model.names),
    ("memory", markdown_proof.memory),
    ("launch", markdown_serve.launch),
    ("smoke", markdown_serve.smoke),
    ("ladder", markdown_serve.ladder),
    ("validation", markdown_proof.validation),
    ("limits", markdown_proof.limits),
    ("deliverables", markdown_serve.deliverables),
    ("changes", markdown_proof.changes),
)


def render_markdown(doc: ReportDocument, lang: str = DEFAULT_LANGUAGE) -> str:
    """The report as GitHub-flavoured Markdown; sections are numbered, the first one is the summary."""
    view = View(doc, lang)
    parts = [heading(1, answer.headline(view)), _banner(view), heading(2, f"1. {view.word('section.summary')}")]
    parts += [inline(view.say("intro")), table(answer.brief(view)), table(answer.provenance(view))]
    for number, (name, write) in enumerate(_SECTIONS, start=2):
        parts += [heading(2, f"{number}. {view.word(f'section.{name}')}"), *write(view)]
    return document(parts)


def _banner(view: View) -> str:
    return f"> **{inline(view.say('banner', verdict=view.verdict))}** {inline(view.text(view.doc.summary))}"
