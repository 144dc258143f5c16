"""Which machines a release's workflows run a test on."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ascend_compat.extract.tree import Trees

FOLDER = ".github/workflows"
#: A runner's label: the SoC and, last, how many devices.
LABEL = re.compile(r"linux-\w+-(a2b?\d*|a3|a5|310p)(?:-[a-z0-9]+)*?-(\d+)\b")
MENTION = re.compile(r"([\w.+-]+/)*([\w.+-]+\.(?:ya?ml|py))\b")
SECTION = re.compile(r"(?:^|[_-])(a2|a3|a5|310p)(?=[_.:-]|$)", re.I)
Machine = tuple[str, int | None]


def soc_of(label: str) -> str:
    """The SoC's name in a label or a section."""
    return label[:2].upper() if label[0] in "aA" else label.upper()


def machines(trees: Trees) -> dict[str, Machine]:
    """``{test file's name: (SoC, devices)}``; a file that runs on several machines is left out.

    A matrix entry names its runner beside the file; a job's steps run on the job's; otherwise the section or the
    workflow's own name tells the SoC.
    """
    found: dict[str, set[Machine]] = {}
    root = trees.vllm_ascend.root
    folder = root / FOLDER
    for path in sorted(folder.rglob("*.y*ml")) if folder.is_dir() else ():
        named = SECTION.search(path.name)
        for name, machine in _entries(path.read_text(encoding="utf-8", errors="replace"), named[1] if named else ""):
            found.setdefault(name, set()).add(machine)
    if not found:
        trees.unfollowed.append(f"{FOLDER}: no runner of a test found")
    return {name: next(iter(kinds)) for name, kinds in sorted(found.items()) if len(kinds) == 1}


def _entries(text: str, section: str) -> Iterator[tuple[str, Machine]]:
    job: Machine | None = None
    own: Machine | None = None
    names: list[str] = []

    def flush() -> Iterator[tuple[str, Machine]]:
        machine = own or job or ((soc_of(section), None) if section else None)
        if machine is not None:
            yield from ((name, machine) for name in names)

    for line in text.splitlines():
        stripped = line.strip()
        head = SECTION.match(line) if stripped.endswith(":") else None
        if stripped.startswith("- name:") or head:
            yield from flush()
            own, names = None, []
        if head:
            section = head[1]
        label = LABEL.search(stripped)
        if label:
            machine = (soc_of(label[1]), int(label[2]) or None)
            if stripped.startswith("runs-on"):
                yield from flush()
                job, own, names = machine, None, []
            else:
                own = machine
        elif "tests/" in stripped or "config_file" in stripped:
            names += [match[2] for match in MENTION.finditer(stripped)]
    yield from flush()
