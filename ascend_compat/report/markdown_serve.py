"""Markdown sections about serving: launch command, smoke requests, fallback ladder, deliverables."""

from __future__ import annotations

from ascend_compat.core.verdict import Verdict
from ascend_compat.report import serving
from ascend_compat.report.escape import file_name
from ascend_compat.report.ladder import steps
from ascend_compat.report.markup import block, bullets, heading, inline, paragraph, table
from ascend_compat.report.view import View, code, plain


def launch(view: View, environment: bool = True) -> list[str]:
    """The command, labelled by the verdict; the first way to a yes stands before a command that will not do."""
    plan = view.doc.launch
    if plan is None:
        return [paragraph(view.say("launch.none"))]
    parts = [_label(view), block(f"ss -lntp | grep ':{serving.port(view)} ' || true")]
    if environment:
        parts += [paragraph(serving.variables(view)), block(serving.exports(plan)) if plan.env else ""]
    argvs = serving.nodes(plan)
    for index, argv in enumerate(argvs):
        parts += [heading(3, view.word("launch.node", index=index))] if len(argvs) > 1 else []
        parts.append(block(serving.command(argv)))
    return parts


def smoke(view: View) -> list[str]:
    """The requests that show the server works."""
    parts = [block(serving.health(view))]
    for request in serving.smoke(view):
        note = "" if request.name != "tools" or serving.has_tools(view) else inline(view.say("smoke.tools_off"))
        parts += [heading(3, view.word(f"smoke.{request.name}")), note, block(request.command)]
    return parts


def ladder(view: View) -> list[str]:
    """The rungs that apply, numbered."""
    parts = [paragraph(view.say("ladder.intro"))]
    for number, step in enumerate(steps(view), start=1):
        body = [f"{number}. **{inline(plain(step.title))}**", bullets(step.actions, indent="    ")]
        body += [block(step.command, indent="    ")] if step.command else []
        parts.append("\n\n".join(body))
    return parts


def deliverables(view: View) -> list[str]:
    """The files this report comes with."""
    files = {
        "ANALYSIS_REPORT.md": "analysis",
        "RUNBOOK.md": "runbook",
        f"{file_name(view.doc.model.name)}.yaml": "e2e",
        "report.json": "json",
        "report.html": "html",
    }
    rows = [(code(name), plain(view.word(f"deliverable.{label}"))) for name, label in files.items()]
    return [table(view.table("file content", rows))]


def _label(view: View) -> str:
    if view.runs:
        return paragraph(view.say("launch.ready"))
    label = "launch.conditional" if view.doc.verdict is Verdict.CONDITIONAL else "launch.as_asked"
    first = sorted(view.doc.remedies, key=lambda row: row.rank)[:1]
    warning = f"> **{inline(view.say(label))}**"
    if not first:
        return warning
    return f"> {inline(view.say('launch.instead'))} {inline(view.text(first[0].action))}\n>\n{warning}"
