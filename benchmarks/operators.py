"""Operator walk against what is known: ``python benchmarks/operators.py PACK... [--soc A2] [--verbose]``.

Positives are the models that a release documents as supported or experimental and those its end-to-end tests start,
with the draft layers that a test starts with them (0.18.0 and later);
negatives are reports (rules/curated/claims.toml). No config.json is used: what it would decide is a class of its own.
Flagged is whatever is not clean; precision is the share of negatives among flagged ones of both, recall the share of
negatives that are flagged.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from packaging.version import Version

from ascend_compat.knowledge.claims import HARDWARE
from ascend_compat.knowledge.curated import Claims
from ascend_compat.knowledge.load import Rules, read_pack
from ascend_compat.knowledge.match import device_of
from ascend_compat.knowledge.operator_findings import KERNELS, SURE, adopted, hollow
from ascend_compat.knowledge.walked import Use, Walked
from ascend_compat.memory.soc import load_socs

RULES = Path(__file__).parents[1] / "rules"
DOCUMENTED = ("supported", "experimental")
CLASSES = ("clean", "config", "kernel", "complex", "open", "blocked")
#: Devices that a support matrix names where it means them; anything else is about A2 and A3.
NAMED = ("310P", "A5")


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
    return ("open", []) if hollow(uses) else ("clean", [])


def positives(pack: Mapping[str, Any], known: Claims, soc: str) -> tuple[dict[str, str], list[str]]:
    """Architectures that are said to run on a device with one name each, and names that no expression knows."""
    names = [
        name
        for name, row in pack["documented"].items()
        if row["status"] in DOCUMENTED
        and (re.search(HARDWARE[soc], f"{name} {row.get('hardware')}") or not (soc in NAMED or row.get("hardware")))
    ]
    tested = pack["tested_models"]["models"] if soc not in NAMED else ()
    found: dict[str, str] = {}
    unmapped = []
    for name in (*names, *tested):
        label = name if name in pack["documented"] else name.rpartition("/")[2]
        if known.mapped(label) is None:
            unmapped.append(name)
        for architecture in known.architectures(label):
            if architecture in pack["architectures"]:
                found.setdefault(architecture, name)
    for model, architecture in drafted(pack, known) if tested else ():
        if architecture in pack["architectures"]:
            found.setdefault(architecture, f"{model} with draft layers")
    return found, unmapped


def drafted(pack: Mapping[str, Any], known: Claims) -> Iterator[tuple[str, str]]:
    """Models that tests start with their own draft layers, and the class of those; tests of one architecture only."""
    tests: dict[int, dict[str, str]] = {}
    for model, places in pack["tested_models"]["models"].items():
        for place in places.split():
            for architecture in known.architectures(model.rpartition("/")[2]):
                tests.setdefault(int(place.partition(":")[0]), {})[architecture] = model
    for number, models in sorted(tests.items()):
        if len(models) == 1 and pack["tested_models"]["files"][number].get("drafts"):
            for architecture, model in models.items():
                if architecture in known.drafts.architectures:
                    yield model, known.drafts.architectures[architecture]


def negatives(pack: Mapping[str, Any], known: Claims) -> list[str]:
    """Architectures that are reported not to run with the pack's vllm."""
    version = Version(str(pack["release"]["vllm"]))
    rows = [row for row in known.report if row.until is None or version < Version(row.until)]
    return [row.architecture for row in rows if row.architecture in pack["architectures"]]


def main() -> int:
    """Print one line per pack."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("packs", nargs="+", type=Path)
    parser.add_argument("--soc", default="A2")
    parser.add_argument("--verbose", action="store_true")
    args = parser.parse_args()
    known = Rules(RULES).claims
    device = load_socs(RULES / "curated")[args.soc.lower()]
    print(
        f"{args.soc:<12} {'walked':>8} " + " ".join(f"{name:>8}" for name in CLASSES) + "  precision recall  positives"
    )
    for path in args.packs:
        pack = read_pack(path)
        section = pack["operators"]
        walked = Walked(section, device_of(pack, device)[0].lstrip("_"))
        release = pack["release"]["vllm_ascend"]
        if not walked.bit:
            print(f"{release:<12} does not know {args.soc}")
            continue
        states = {name: state(walked, name) for name in section["architectures"]}
        counts = Counter(kind for kind, _ in states.values())
        good, unmapped = positives(pack, known, device.name)
        classes = Counter(states[name][0] for name in good if name in states)
        bad = negatives(pack, known) if device.name != "310P" else []
        flagged = [name for name in bad if states[name][0] != "clean"]
        alarms = sum(classes.values()) - classes["clean"]
        shares = ", ".join(f"{name} {classes[name]}" for name in CLASSES if classes[name])
        print(f"{release:<12} {len(states):>4}/{len(pack['architectures'])} "
              + " ".join(f"{counts[name]:>8}" for name in CLASSES)
              + f"  {len(flagged):>4}/{len(flagged) + alarms:<4} {len(flagged):>3}/{len(bad):<3} "
              + f"{len(good):>3}: {shares}")  # fmt: skip
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
