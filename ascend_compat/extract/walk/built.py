"""Which compiled ops of the plugin are built for which device: its build script and its binding."""

from __future__ import annotations

import re
from collections.abc import Callable

from ascend_compat.extract.tree import Trees

SCRIPT, BINDING = "csrc/build_aclnn.sh", "csrc/torch_binding.cpp"
#: What the build script calls the device families.
FAMILIES = (("910b", "A2"), ("910_93", "A3"), ("910_95", "A5"), ("950", "A5"), ("310p", "310P"))
BRANCH = re.compile(r"^\s*(?:el)?if\b.*?SOC_VERSION\S*\s*=~\s*(\S+)", re.M)
OPS = re.compile(r'CUSTOM_OPS(?:_ARRAY)?=\(([^)]*)\)|CUSTOM_OPS="([^"$]*)"')
DEFINED = re.compile(r'ops\.def\(\s*"(\w+)\s*\(')
IMPLEMENTED = re.compile(r'ops\.impl\(\s*"(\w+)"\s*,[^;]*?&\s*([\w:]+)\s*\)')
CALLED = re.compile(r"EXEC_NPU_CMD\w*\(\s*aclnn(\w+)")


def built_ops(trees: Trees, mask: Callable[[list[str]], int]) -> dict[str, int]:
    """``{op: devices}`` of ops whose implementation calls a kernel that the build script lists for some device."""
    script, binding = trees.read(SCRIPT), trees.read(BINDING)
    if not script or not binding:
        return {}
    lists = _lists(script, mask)
    out: dict[str, int] = {}
    bodies = _bodies(binding)
    for op in DEFINED.findall(binding):
        called = CALLED.findall(bodies.get(op, ""))
        for kernel in called:
            name = re.sub(r"(?<!^)(?=[A-Z][a-z])|(?<=[a-z0-9])(?=[A-Z])", "_", kernel).lower()
            listed = lists.get(name, lists.get(op))
            if listed is not None:
                out[op] = out.get(op, -1) & listed
    return out


def _lists(script: str, mask: Callable[[list[str]], int]) -> dict[str, int]:
    found: dict[str, int] = {}
    branches = list(BRANCH.finditer(script))
    for index, branch in enumerate(branches):
        family = next((soc for word, soc in FAMILIES if word in branch[1].lower()), None)
        end = branches[index + 1].start() if index + 1 < len(branches) else len(script)
        for ops in OPS.finditer(script, branch.end(), end):
            words = re.findall(r"[\w]+", re.sub(r"#.*", "", ops[1] or ops[2] or ""))
            for word in words:
                found[word] = found.get(word, 0) | (mask([family]) if family else 0)
    return found


def _bodies(binding: str) -> dict[str, str]:
    """Bodies of the functions behind ops, by op: the function of the same name, or the one ``impl`` names."""
    out: dict[str, str] = {}
    starts = [(m[1], m.start()) for m in re.finditer(r"^[\w:<>,&\s*]+?\s(\w+)\([^;{}]*\)\s*\{", binding, re.M)]
    for index, (name, start) in enumerate(starts):
        end = starts[index + 1][1] if index + 1 < len(starts) else len(binding)
        out.setdefault(name, binding[start:end])
    for op, function in IMPLEMENTED.findall(binding):
        body = out.get(function.rpartition(":")[2])
        if body:
            out[op] = body
    return out
