"""Environment variables that a release lists, reads and sets."""

from __future__ import annotations

import ast
import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import Any

from ascend_compat.extract.scan import around, last_name, literal_text, texts
from ascend_compat.extract.source_tree import SourceTree
from ascend_compat.extract.tree import Module, NotConstant, Trees, assignments
from ascend_compat.extract.unset import ENVIRON, Function, Unset

TABLES = (("vllm", "vllm.envs"), ("vllm_ascend", "vllm_ascend.envs"))
#: The plugin's module that is always imported: what it puts into the environment is set.
PLATFORM = "vllm_ascend.platform"
READS = frozenset({"getenv", "get", "setdefault", "pop"})
#: Native sources: their folder, their file names' ends, and a read with a literal name.
NATIVE = "csrc"
SUFFIXES = frozenset({".cpp", ".cc", ".c", ".h", ".hpp"})
GETENV = re.compile(r'\bgetenv\s*\(\s*"(\w+)"')
WORDS = ("environ", "getenv")
WRITE = re.compile(rb"environ\s*\[")
WORD = re.compile(rb"environ\b|getenv\b")
#: A read up to its key, and what follows where the key is a literal and nothing else.
READ = re.compile(rb"getenv\s*\(|environ\s*(?:\[|#|\.\s*(?:get|setdefault|pop)\s*\()")
KEY = re.compile(rb"""\s*(["'])(\w+)\1\s*[,)\]]""")
#: An item that is set: its key is a word or a literal.
STORED = re.compile(rb"""\[\s*["']?[\w.]+["']?\s*\]\s*=(?!=)""")
#: ``NAME in os.`` before the word, within so many bytes.
ASKED = re.compile(rb"""(?:(["'])(\w+)\1\s*)?\b(?:not\s+)?in\b[\s(]*(?:\w+\s*\.\s*)*\Z""")
LOOK = 120
NEWLINE = b"\n"
#: Texts and comments: what stands in them is no code, or not plainly so.
OPAQUE = re.compile(
    rb""""{3}[^"\\]*(?:(?:\\.|"(?!""))[^"\\]*)*"{3}|\'{3}[^\'\\]*(?:(?:\\.|\'(?!\'\'))[^\'\\]*)*\'{3}"""
    rb"""|"[^"\\\n]*(?:\\.[^"\\\n]*)*"|\'[^\'\\\n]*(?:\\.[^\'\\\n]*)*\'|\#[^\n]*""",
    re.S,
)
#: A call that reads the environment; with the module's name before it or not.
CALL = re.compile(rb"(?:(?<![\w.])(?:os\.)?environ\s*\.\s*(?:get|setdefault|pop)|(?<!\w)(?:os\.)?getenv)\s*\(")
Entry = dict[str, Any]


def extract_environment(trees: Trees) -> dict[str, Entry]:
    """``{variable: {"owner", "at", "also"?, "default"?, "unlisted"?}}``: the tables of both projects, then reads.

    ``default`` is the Python value of the table's entry in an environment that sets nothing; it is absent where that is
    not certain, and where both tables name the variable and differ. ``unlisted`` marks a variable that is read and in
    no table. ``also`` is the first place in the other project.
    """
    given = _given(trees)
    found: dict[str, Entry] = {}
    for owner, name in TABLES:
        module = trees.module(name)
        rows = list(_table(module)) if module else []
        if module is None or not rows:
            trees.unfollowed.append(f"{name}: no table of environment variables")
            continue
        unset = Unset(trees, module, given)
        for variable, key, value in rows:
            entry = {"owner": owner, "at": module.at(key), **_default(unset, value)}
            first = found.setdefault(variable, entry)
            if first is not entry:
                first.setdefault("also", entry["at"])
                if first.get("default", first) != entry.get("default", first):
                    first.pop("default", None)
    for tree in reversed(trees.trees):
        seen = {name for name, entry in found.items() if _noted(entry, tree.package)}
        for variable, at in _reads(trees, tree, seen):
            entry = {"owner": tree.package, "at": at, "unlisted": True}
            first = found.setdefault(variable, entry)
            if first["owner"] != tree.package:
                first.setdefault("also", at)
    for variable, at in _native(trees):
        found.setdefault(variable, {"owner": "vllm_ascend", "at": at, "unlisted": True})
    return dict(sorted(found.items()))


def extract_environment_set(trees: Trees) -> dict[str, dict[str, str]]:
    """``{variable: {"at"}}`` of what the plugin itself puts into the environment, or takes out of it."""
    found: dict[str, dict[str, str]] = {}
    for name, data in texts(trees.vllm_ascend, "environ"):
        lines = [data.count(NEWLINE, 0, match.start()) + 1 for match in WRITE.finditer(data)]
        module = trees.module(name) if lines else None
        for node in around(module.tree, lines) if module else ():
            key = _key(node, ast.Store, ast.Del)
            variable = literal_text(trees, module, key) if module and key is not None else None
            if module and variable:
                found.setdefault(variable, {"at": module.at(node)})
    return dict(sorted(found.items()))


def _native(trees: Trees) -> Iterator[tuple[str, str]]:
    """Reads of the plugin's native code."""
    root = trees.vllm_ascend.root
    for path in sorted((root / NATIVE).rglob("*")):
        if path.suffix in SUFFIXES and path.is_file():
            data = path.read_bytes()
            if b"getenv" in data:
                relative = path.relative_to(root).as_posix()
                for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
                    for match in GETENV.finditer(line):
                        yield match[1], f"{relative}:{number}"


def _table(module: Module) -> Iterator[tuple[str, ast.expr, ast.expr]]:
    """Rows of the module-level dictionaries whose values are all callables by the look of them."""
    for _, table in assignments(module.tree.body):
        if not isinstance(table, ast.Dict) or not any(isinstance(value, ast.Lambda) for value in table.values):
            continue
        for key, value in zip(table.keys, table.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                yield key.value, key, value


def _default(unset: Unset, value: ast.expr) -> Entry:
    try:
        function = unset.value(value)
        result = unset.call(function, (), {}) if isinstance(function, Function) else function
    except NotConstant:
        return {}
    return {"default": result} if result is None or isinstance(result, (bool, int, float, str)) else {}


def _given(trees: Trees) -> dict[str, str]:
    """Variables that the plugin's platform module sets to a literal when it is imported."""
    module = trees.module(PLATFORM)
    out: dict[str, str] = {}
    for node in module.tree.body if module else []:
        target = node.targets[0] if isinstance(node, ast.Assign) else None
        if isinstance(target, ast.Subscript) and _is_environ(target.value) and isinstance(node, ast.Assign):
            assert module is not None
            name, value = (literal_text(trees, module, part) for part in (target.slice, node.value))
            if name is not None and value is not None:
                out[name] = value
    return out


def _is_environ(node: ast.expr) -> bool:
    return last_name(node) == "environ" and ast.unparse(node) in ENVIRON


def _noted(entry: Entry, package: str) -> bool:
    """Whether an entry already has a place in a project."""
    return any(entry.get(name, "").startswith(f"{package}/") for name in ("at", "also"))


def _reads(trees: Trees, tree: SourceTree, seen: set[str]) -> Iterator[tuple[str, str]]:
    """First reads of variables that are not in ``seen``.

    Where the text names a variable that is, or calls for one by its name in plain code, it says all there is; anything
    else needs its module.
    """
    for name, data in texts(tree, *WORDS):
        uses = [(place, variable) for place, variable in _uses(data) if variable not in seen]
        plain = _plain(data, uses) if uses else {}
        if plain is not None:
            for known, place in plain.items():
                seen.add(known)
                yield known, f"{tree.relative(name)}:{data.count(NEWLINE, 0, place) + 1}"
            continue
        lines = [data.count(NEWLINE, 0, place) + 1 for place, _ in uses]
        module = trees.module(name)
        if module is None:
            continue
        for node in around(module.tree, lines):
            key = _key(node, ast.Load)
            variable = literal_text(trees, module, key) if key is not None else None
            if variable and variable not in seen:
                seen.add(variable)
                yield variable, module.at(node)


def _uses(data: bytes) -> Iterator[tuple[int, str | None]]:
    """Where a text may read the environment, and the variable if it is named there and then."""
    for match in WORD.finditer(data):
        read = READ.match(data, match.start())
        if read is not None:
            key = KEY.match(data, read.end())
            if not STORED.match(data, read.end() - 1):
                yield match.start(), key[2].decode() if key else None
        elif data[match.end() : match.end() + 1] != b".":
            asked = ASKED.search(data, max(match.start() - LOOK, 0), match.start())
            if asked is not None:
                yield match.start(), asked[2].decode() if asked[2] else None


def _plain(data: bytes, uses: list[tuple[int, str | None]]) -> dict[str, int] | None:
    """Variables of uses that are calls with a literal in plain code, and where; ``None`` where one of them is not."""
    calls = {place for place, variable in uses if variable is not None and _calls(data, place)}
    spans = list(OPAQUE.finditer(data)) if calls else []
    starts = [span.start() for span in spans]
    found: dict[str, int] = {}
    for place, variable in uses:
        at = bisect_right(starts, place) - 1
        if at >= 0 and place < spans[at].end():
            if data[starts[at] : starts[at] + 1] != b"#":
                return None  # a text: it may be a formatted one
        elif variable is None or place not in calls:
            return None
        else:
            found.setdefault(variable, place)
    return found


def _calls(data: bytes, place: int) -> bool:
    """Whether the word at a place is part of a call that reads the environment."""
    named = data[max(place - 3, 0) : place] == b"os."
    return CALL.match(data, place - 3 if named else place) is not None


def _key(node: ast.AST, *contexts: type[ast.expr_context]) -> ast.expr | None:
    """The name under which a node uses the environment; calls and comparisons are reads."""
    if isinstance(node, ast.Subscript):
        return node.slice if isinstance(node.ctx, contexts) and _is_environ(node.value) else None
    if ast.Load not in contexts:
        return None
    if isinstance(node, ast.Call) and node.args and last_name(node.func) in READS:
        owner = node.func.value if isinstance(node.func, ast.Attribute) else None
        if last_name(node.func) == "getenv" or (owner is not None and _is_environ(owner)):
            return node.args[0]
    elif isinstance(node, ast.Compare) and isinstance(node.ops[0], (ast.In, ast.NotIn)):
        return node.left if _is_environ(node.comparators[0]) else None
    return None
