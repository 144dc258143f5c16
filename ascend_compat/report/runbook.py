"""RUNBOOK.md: from an empty machine to a checked server and back, as commands."""

from __future__ import annotations

from ascend_compat.core.report import ReportDocument
from ascend_compat.report import markdown_serve, serving
from ascend_compat.report.catalog import DEFAULT_LANGUAGE
from ascend_compat.report.escape import shell
from ascend_compat.report.markup import block, bullets, document, heading, inline, paragraph
from ascend_compat.report.view import View

_ENVIRONMENT_CHECKS = """npu-smi info
cat /usr/local/Ascend/ascend-toolkit/latest/version.cfg
python -m pip list | grep -i -E '^(vllm|vllm-ascend|torch|torch-npu|transformers) '"""


def render_runbook(doc: ReportDocument, lang: str = DEFAULT_LANGUAGE) -> str:
    """The runbook as Markdown. A report without a layout gives a runbook without a launch command."""
    view = View(doc, lang)
    title = view.word("runbook.title", model=doc.model.name, release=doc.target.vllm_ascend, soc=doc.target.soc)
    parts = [heading(1, title), _verdict(view), *_checks(view), *_verify(view), *_environment(view)]
    parts += [heading(2, view.word("runbook.launch")), *markdown_serve.launch(view, environment=False)]
    parts += [heading(2, view.word("runbook.health")), paragraph(view.say("runbook.health.note"))]
    parts += [block(serving.health(view)), *_smoke(view), *_rollback(view)]
    parts += [heading(2, view.word("runbook.troubleshooting")), *markdown_serve.ladder(view)]
    return document(parts)


def _verdict(view: View) -> str:
    return f"> **{inline(view.say('banner', verdict=view.verdict))}** {inline(view.text(view.doc.summary))}"


def _checks(view: View) -> list[str]:
    target, layout = view.doc.target, view.doc.memory.layout
    unsaid = view.word("version.unsaid")
    note = view.say(
        "runbook.checks.note",
        release=target.vllm_ascend,
        vllm=target.vllm or unsaid,
        cann=target.cann or unsaid,
        torch_npu=target.torch_npu or unsaid,
        npus=layout.npus // max(layout.nodes, 1) if layout else target.npus_per_node,
    )
    return [heading(2, view.word("runbook.checks")), paragraph(note), block(_ENVIRONMENT_CHECKS)]


def _verify(view: View) -> list[str]:
    launch = view.doc.launch
    path = launch.argv[2] if launch and launch.argv[:2] == ["vllm", "serve"] and len(launch.argv) > 2 else None
    target = ["--target", view.doc.target.vllm_ascend, "--soc", view.doc.target.soc]
    command = shell(["ascend-compat", "check", path or view.doc.model.spec, *target])
    return [heading(2, view.word("runbook.verify")), paragraph(view.say("runbook.verify.note")), block(command)]


def _environment(view: View) -> list[str]:
    launch = view.doc.launch
    if launch is None or not launch.env:
        return [heading(2, view.word("runbook.env")), paragraph(view.say("runbook.env.none"))]
    note = paragraph(view.say("runbook.env.note"))
    parts = [heading(2, view.word("runbook.env")), note, paragraph(serving.variables(view))]
    return [*parts, block(serving.exports(launch))]


def _smoke(view: View) -> list[str]:
    parts = [heading(2, view.word("runbook.smoke"))]
    for request in serving.smoke(view):
        expected = view.word(f"smoke.expect.{request.name}")
        off = request.name == "tools" and not serving.has_tools(view)
        parts += [heading(3, view.word(f"smoke.{request.name}")), inline(view.say("smoke.tools_off")) if off else ""]
        parts += [block(request.command), paragraph(view.say("runbook.smoke.expect", expect=expected))]
    return parts


def _rollback(view: View) -> list[str]:
    port = serving.port(view)
    steps = [view.say("runbook.rollback.stop"), view.say("runbook.rollback.back")]
    stop = f"ss -lntp | grep ':{port} '   # pid=...\nkill <pid>\nnpu-smi info"
    return [heading(2, view.word("runbook.rollback")), bullets(steps), block(stop)]
