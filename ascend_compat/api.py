"""The library's front door: ``analyze()`` runs the stages in order."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import Any

from ascend_compat import __version__
from ascend_compat.answer import document
from ascend_compat.answer.architecture import architecture_part
from ascend_compat.answer.judge import Judgement, judge
from ascend_compat.answer.launch import launch_part
from ascend_compat.answer.loading import draft_part, names_part
from ascend_compat.answer.matrix import first_rows, grouped, judged_rows
from ascend_compat.answer.remedies import candidates, eased
from ascend_compat.answer.remedy_rows import alternative_rows, best_action, remedy_rows
from ascend_compat.answer.shared import Shared
from ascend_compat.answer.sizes import size_rows
from ascend_compat.checkpoint.collect import read_checkpoint
from ascend_compat.classify.configured import configured
from ascend_compat.classify.profile import classify
from ascend_compat.core import report as doc
from ascend_compat.core.collector import paused
from ascend_compat.core.finding import Message
from ascend_compat.core.matrix import MatrixDocument
from ascend_compat.core.target import LaunchProfile, Soc
from ascend_compat.core.verdict import Verdict
from ascend_compat.errors import RuleError, UsageError
from ascend_compat.extract.progress import Progress, silent
from ascend_compat.knowledge.claims import claims
from ascend_compat.knowledge.features import features
from ascend_compat.knowledge.gates import gates
from ascend_compat.knowledge.load import Rules, read_pack
from ascend_compat.knowledge.operators import operator_table
from ascend_compat.knowledge.walked import asked
from ascend_compat.location import rules_directory
from ascend_compat.memory.drafter import Drafter, open_drafter
from ascend_compat.memory.soc import load_soc_rules, load_socs, resolve_soc
from ascend_compat.source.spec import open_source


class Report(doc.ReportDocument):
    """The answer of :func:`analyze`: the report document, with its views."""

    def to_markdown(self, lang: str = "en") -> str:
        """``ANALYSIS_REPORT.md`` in English (``en``) or Chinese (``zh``)."""
        from ascend_compat.report.markdown import render_markdown

        return render_markdown(self, lang)


def analyze(
    model: str | Path,
    *,
    target: str | Path | None = None,
    soc: str = "A2",
    npu_memory: str | float | None = None,
    profile: LaunchProfile | None = None,
    rules: str | Path | None = None,
    offline: bool = False,
) -> Report:
    """Will ``model`` run on ``target`` with ``soc``.

    ``model`` is a directory, ``hf:org/name[@rev]``, ``ms:org/name[@rev]`` or ``org/name``; ``target`` a release, a pack
    file or a vllm-ascend source tree (a directory, ``path@rev``, an archive; default: the newest pack); ``npu_memory``
    GiB per NPU as the runtime sees them; ``profile`` what ``vllm serve`` would be given. Raises
    :class:`ascend_compat.errors.AscendCompatError` when the input can't be analysed; what is wrong with the checkpoint
    is a finding instead.
    """
    known = Rules(rules_directory(rules))
    pack = None if _is_tree(target) else load_target(known, target)
    device = resolve_soc(soc, npu_memory, known.directory / "curated")
    with paused():
        facts = configured(read_checkpoint(open_source(str(model), offline=offline)))
        what = classify(facts)
        if pack is None:  # of a tree only what this checkpoint needs is read
            drafter = open_drafter(profile.speculative) if profile else None
            named = (what.architecture, drafter.profile.architecture if isinstance(drafter, Drafter) else None)
            pack = load_target(known, target, asked(facts.config, *named))
        shared = Shared(known)
        found = judge(pack, known, facts, what, device, profile or LaunchProfile(), shared)
        return _report(found, shared)


def matrix(
    model: str | Path,
    *,
    target: str | Path | None = None,
    soc: str | None = None,
    npu_memory: str | float | None = None,
    profile: LaunchProfile | None = None,
    rules: str | Path | None = None,
    offline: bool = False,
    progress: Progress = silent,
) -> MatrixDocument:
    """Every packed release x every SoC; ``target`` and ``soc`` narrow it to one row or column.

    Arguments and errors are those of :func:`analyze`. A pack that can't be read is a row of its own that says so.
    """
    known = Rules(rules_directory(rules))
    names = known.releases() if target is None else [str(target)]
    if not names:
        raise RuleError(f"no packs under {known.directory / 'packs'}", "build one: ascend-compat rules build")
    curated = known.directory / "curated"
    rows = [row.name for row in load_soc_rules(curated) if row.memory_bytes or npu_memory is not None]
    devices = [resolve_soc(name, npu_memory, curated) for name in ([soc] if soc is not None else rows)]
    releases = [(name, partial(load_target, known, name if target is None else target)) for name in names]
    with paused():
        facts = configured(read_checkpoint(open_source(str(model), offline=offline)))
        judged = judged_rows(releases, devices, known, facts, classify(facts), profile or LaunchProfile(), progress)
    return MatrixDocument(
        tool_version=__version__,
        model=str(model),
        socs=[device.name for device in devices],
        rows=grouped(judged),
        first=first_rows(judged, devices),
    )


def list_targets(rules: str | Path | None = None) -> list[tuple[str, Path]]:
    """Packed releases, oldest first, with their files."""
    known = Rules(rules_directory(rules))
    return [(name, known.file(name)) for name in known.releases()]


def _is_tree(target: str | Path | None) -> bool:
    return target is not None and (Path(target) / "vllm_ascend").is_dir()


def load_target(rules: Rules, target: str | Path | None, only: Collection[str] | None = None) -> dict[str, Any]:
    """The pack of a release, a pack file, or one built in memory from a source tree.

    A tree is a directory, ``path@rev`` or an archive; its pack is cached by content. Nothing is downloaded: a release
    without a pack is built from what ``rules build`` downloaded before. ``only`` limits a tree's pack to architectures
    by their plain names.
    """
    from ascend_compat.extract.origin.archive import is_archive
    from ascend_compat.extract.origin.source import split_revision

    text = str(target) if target is not None else None
    if text is None:
        return rules.pack(None)
    path = Path(text)
    if path.is_dir() and not (path / "vllm_ascend").is_dir():
        raise UsageError(f"{path} is not a vllm-ascend source tree", "it needs the folder vllm_ascend/")
    if path.is_file() and not is_archive(path):
        return read_pack(path)
    if path.exists() or split_revision(text) is not None:
        return _built(text, only)
    try:
        return rules.pack(text)
    except UsageError as unknown:
        return _downloaded(text, unknown)


def _downloaded(release: str, unknown: UsageError) -> dict[str, Any]:
    """The pack of a release whose archives are at hand; otherwise how to get one."""
    from ascend_compat.extract.origin.index import ReleaseMissing
    from ascend_compat.extract.origin.source import as_requirement

    requirement = as_requirement(release, "vllm_ascend") or as_requirement(f"vllm-ascend=={release}", "vllm_ascend")
    if requirement is None:
        raise unknown
    try:
        return _built(str(requirement))
    except ReleaseMissing:
        command = f"ascend-compat rules build --vllm-ascend '{requirement}' -o FILE"
        hint = f"{unknown.hint}; build one with: {command}, and pass FILE as --target"
        raise UsageError(str(unknown), hint) from None


def _built(source: str, only: Collection[str] | None = None) -> dict[str, Any]:
    from ascend_compat.extract.obtain import obtain_pack
    from ascend_compat.extract.origin.index import Access
    from ascend_compat.extract.origin.pairing import Unpaired

    try:
        return obtain_pack(source, None, Access(offline=True), reuse=True, only=only)
    except Unpaired as error:
        command = f"ascend-compat rules build --vllm-ascend '{source}' [--vllm SRC] -o FILE"
        raise Unpaired(str(error), f"build it with: {command}, and pass FILE as --target") from None


def _report(found: Judgement, shared: Shared) -> Report:
    others = candidates(found, shared, _socs(shared.rules, found.target.soc))
    found = eased(found, others)
    stages = gates(found.findings)
    draft = found.match.draft
    return Report(
        tool_version=__version__,
        model=document.model_part(found.facts, found.profile),
        target=document.target_part(found.target),
        verdict=found.verdict,
        summary=document.text(_summary(found)),
        findings=[document.finding(item, best_action(others)) for item in found.findings],
        architecture=architecture_part(found.profile, found.pack),
        quantization=document.quantization_part(found.profile, found.match, found.findings),
        mtp=document.mtp_part(found.profile, found.pack, draft),
        names=names_part(found.loading),
        draft_names=draft_part(found.draft_loading),
        operators=[
            doc.OperatorRow(
                category=use.category,
                operator=use.operator,
                status=use.status,
                implementation=use.implementation,
                evidence=document.evidence(use.evidence),
            )
            for use in operator_table(found.pack, found.match.tree, found.facts, found.profile, found.target)
        ],
        claims=[
            doc.ClaimRow(kind=row.kind, name=row.name, says=row.says, evidence=document.evidence((row.evidence,)))
            for row in claims(found.pack, shared.rules, found.facts, found.profile, found.target)
        ],
        features=[
            doc.FeatureRow(feature=row.name, status=row.status, reason=document.text(row.reason))
            for row in features(found.pack, found.profile, found.target, draft)
        ],
        memory=document.memory_part(found.plan, [*alternative_rows(others), *size_rows(found, shared)]),
        gates=[
            doc.GateRow(stage=gate.stage, prediction=gate.prediction, reason=document.text(gate.reason))
            for gate in stages
        ],
        launch=launch_part(found),
        remedies=remedy_rows(others) if found.verdict is not Verdict.COMPATIBLE else [],
        limits=[document.text(Message(name)) for name in ("limit.static", "limit.operators", "limit.memory")],
    )


def _socs(rules: Rules, own: Soc) -> list[Soc]:
    """Every known device with memory of its own, the asked one first."""
    unique = {soc.name: soc for soc in load_socs(rules.directory / "curated").values() if soc.memory_bytes}
    unique.pop(own.name, None)
    return [own, *unique.values()]


def _summary(found: Judgement) -> Message:
    minimum = found.plan.minimum
    blocker = next((f for f in found.findings if f.severity.value == "blocker"), None)
    return Message(
        f"summary.{found.verdict.value}",
        {
            "release": found.target.vllm_ascend,
            "soc": found.target.soc.name,
            "npus": minimum.npus if minimum else None,
            "code": blocker.code if blocker else None,
        },
    )
