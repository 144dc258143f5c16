"""Operator walk against what is known: ``python benchmarks/operators.py PACK... [--soc A2] [--verbose]``.

Positives are the models that a release documents as supported or experimental and those its end-to-end tests start;
negatives are reports (operators.toml). No config.json is used: what it would decide is a class of its own.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from packaging.version import Version

from ascend_compat.knowledge.load import read_pack
from ascend_compat.knowledge.operator_findings import KERNELS, SURE, adopted
from ascend_compat.knowledge.walked import Use, Walked

KNOWN = Path(__file__).with_suffix(".toml")
DOCUMENTED = ("supported", "experimental")
CLASSES = ("clean", "config", "kernel", "complex", "open", "blocked")
OLD_CHIP = re.compile(r"300I|310|inference products", re.I)


def state(walked: Walked, architecture: str) -> tuple[str, list[Use]]:
    """One of ``CLASSES`` and what it rests on; ``config`` means that config.json decides."""
    uses = walked.uses(architecture, None)
    failing = [u for u in uses if u.kind in SURE or (u.kind in KERNELS and not walked.has_triton)]
    kernels = [u for u in uses if u.kind == "triton" and walked.has_triton and not adopted(u)]
    for name, found in (
        ("blocked", [u for u in failing if u.certain]),
        ("kernel", [u for u in kernels if u.certain]),
        ("complex", [u for u in uses if u.kind == "dtype" and u.certain]),
        ("config", [u for u in (*failing, *kernels) if not u.certain and u.by_config]),
        ("open", [u for u in failing if not u.certain and not u.by_config]),
    ):
        if found:
            return name, found
    return "clean", []


def positives(pack: Mapping[str, Any], known: Mapping[str, Any], soc: str) -> tuple[dict[str, str], list[str]]:
    """Architectures that are said to run on a device with one name each, and names that no expression knows."""
    names = [
        name
        for name, row in pack["documented"].items()
        if row["status"] in DOCUMENTED and (soc != "310P" or OLD_CHIP.search(name + str(row.get("hardware"))))
    ]
    tested = pack["tested_models"]["models"] if soc != "310P" else ()
    found: dict[str, str] = {}
    unmapped = []
    for name in (*names, *tested):
        label = name if name in pack["documented"] else name.rpartition("/")[2]
        row = next((r for r in known["names"] if re.search(r["match"], label, re.I)), None)
        if row is None:
            unmapped.append(name)
        for architecture in row["architectures"] if row else ():
            if architecture in pack["architectures"]:
                found.setdefault(architecture, name)
    return found, unmapped


def negatives(pack: Mapping[str, Any], known: Mapping[str, Any]) -> list[str]:
    """Architectures that are reported not to run with the pack's vllm."""
    version = Version(str(pack["release"]["vllm"]))
    rows = [r for r in known["negatives"] if "until" not in r or version < Version(r["until"])]
    return [r["architecture"] for r in rows if r["architecture"] in pack["architectures"]]


def main() -> int:
    """Print one line per pack."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("packs", nargs="+", type=Path)
    parser.add_argument("--soc", default="A2")
    parser.add_argument("--verbose", action="store_true")
    args = parser.parse_args()
    known = tomllib.loads(KNOWN.read_text(encoding="utf-8"))
    print("release        walked      " + " ".join(f"{name:>8}" for name in CLASSES) + "   positives (by class)"
          "                      negatives flagged")  # fmt: skip
    for path in args.packs:
        pack = read_pack(path)
        section = pack["operators"]
        states = {name: state(Walked(section, args.soc), name) for name in section["architectures"]}
        counts = Counter(kind for kind, _ in states.values())
        good, unmapped = positives(pack, known, args.soc)
        classes = Counter(states[name][0] for name in good if name in states)
        bad = negatives(pack, known) if args.soc != "310P" else []
        flagged = [name for name in bad if states[name][0] != "clean"]
        shares = ", ".join(f"{name} {classes[name]}" for name in CLASSES if classes[name])
        print(f"{pack['release']['vllm_ascend']:<12} {len(states):>4}/{len(pack['architectures']):<6} "
              + " ".join(f"{counts[name]:>8}" for name in CLASSES)
              + f"   {len(good)}: {shares:<40} {len(flagged)}/{len(bad)}")  # fmt: skip
        for name, label in good.items() if args.verbose else ():
            kind, found = states.get(name, ("absent", []))
            if kind != "clean":
                print(f"    + {name} ({label}): {kind}: " + "; ".join(_reason(u) for u in found[:4]))
        for name in bad if args.verbose else ():
            print(f"    - {name}: {states[name][0]}: " + "; ".join(_reason(u) for u in states[name][1][:3]))
        if unmapped and args.verbose:
            print(f"    not mapped to an architecture: {', '.join(unmapped)}")
    return 0


def _reason(use: Use) -> str:
    return use.name.rpartition(":")[2] + (f" [{' & '.join(use.open)[:160]}]" if use.open else "")


if __name__ == "__main__":
    raise SystemExit(main())
