"""Writes docs/models.md: what the newest release makes of a folder of published configurations, weights unseen."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ascend_compat import analyze
from ascend_compat.api import Report
from ascend_compat.core.units import gib
from ascend_compat.errors import AscendCompatError

HERE = Path(__file__).resolve().parent
SUFFIX = "_config.json"
SIDE = "_hf_quant_config.json"
HEAD = ("model", "family", "attention", "quantization", "parameters", "GiB", "verdict", "NPUs", "why")


def main(argv: list[str] | None = None) -> int:
    """Command line: ``models.py FOLDER [-o FILE] [--target R] [--soc S]``; FOLDER holds ``org--name_config.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=HERE.parent / "docs" / "models.md")
    parser.add_argument("--target", default=None)
    parser.add_argument("--soc", default="A2")
    arguments = parser.parse_args(argv)
    found = list(reports(arguments.folder, arguments.target, arguments.soc))
    if not found:
        print(f"error: no {SUFFIX} in {arguments.folder}", file=sys.stderr)
        return 3
    arguments.output.write_text(page(found), encoding="utf-8")
    return 0


def reports(folder: Path, target: str | None, soc: str) -> Iterator[tuple[str, Report]]:
    """Name and report of every configuration, in the order of their names; each is a directory without weights."""
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        if path.name.endswith(SIDE):
            continue
        stem = path.name.removesuffix(SUFFIX)
        with tempfile.TemporaryDirectory() as scratch:
            model = Path(scratch) / stem.partition("--")[2]
            model.mkdir()
            (model / "config.json").write_bytes(path.read_bytes())
            side = path.with_name(stem + SIDE)
            if side.exists():
                (model / "hf_quant_config.json").write_bytes(side.read_bytes())
            try:
                report = analyze(model, target=target, soc=soc)
            except AscendCompatError as error:
                print(f"{stem}: {error}", file=sys.stderr)
                continue
        print(f"{stem}: {report.verdict.value}", file=sys.stderr)
        yield stem.replace("--", "/"), report


def page(found: list[tuple[str, Report]]) -> str:
    """The document: what was asked, then one row per model."""
    first = found[0][1].target
    lines = [
        "# Published models on the newest release",
        "",
        f"vllm-ascend {first.vllm_ascend} on {first.soc} (pack {first.pack_digest[:12]}), from `config.json` alone:",
        "tensor tables are computed ([AC115](findings/AC115.md)), no weight was read. Parameters (10^9) and GiB count",
        "MTP layers and towers. NPUs is the smallest number that fits by memory, whatever the verdict. Written by:",
        "",
        "```text",
        "python benchmarks/models.py FOLDER-OF-CONFIGURATIONS",
        "```",
        "",
        f"| {' | '.join(HEAD)} |",
        f"|{'---|' * len(HEAD)}",
        *(f"| {' | '.join(cells(name, report))} |" for name, report in found),
        "",
    ]
    return "\n".join(lines)


def cells(name: str, report: Report) -> list[str]:
    """One row: parameters in units of 10^9, bytes in GiB."""
    model, part, quantization = report.model, report.architecture, report.quantization
    minimum = report.memory.minimum
    return [
        name,
        part.family or "-",
        ", ".join(f"{kind} x {count}" for kind, count in kinds(report).items()) or "-",
        " ".join(word for word in (quantization.method, quantization.format) if word) or "none",
        f"{model.parameters / 1e9:.2f}" if model.parameters else "-",
        f"{gib(model.checkpoint_bytes):.1f}" if model.checkpoint_bytes else "-",
        report.verdict.value,
        str(minimum.npus) if minimum else "-",
        why(report),
    ]


def kinds(report: Report) -> dict[str, int]:
    """Layers by attention kind."""
    out: dict[str, int] = {}
    for row in report.architecture.attention:
        out[row.kind] = out.get(row.kind, 0) + row.layers
    return out


def why(report: Report) -> str:
    """Codes of what stands against a yes, and the fact that is missing where the answer is open."""
    rows = [row for row in report.findings if row.severity.value == "blocker"]
    if report.verdict.value == "undetermined":
        rows = [row for row in rows if row.undetermined]
        return f"{rows[0].code}: {json.dumps(rows[0].message, ensure_ascii=False)[1:-1]}".replace("|", "\\|")
    return (
        ", ".join(dict.fromkeys(f"[{row.code}](findings/{row.code}.md)" for row in rows if not row.undetermined)) or "-"
    )


if __name__ == "__main__":
    raise SystemExit(main())
