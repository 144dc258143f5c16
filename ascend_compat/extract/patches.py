"""Monkey patches: attributes of vLLM that the plugin replaces when its patch modules are imported."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ascend_compat.extract.guards import Guards
from ascend_compat.extract.scan import last_name, literal_text
from ascend_compat.extract.tree import Module, Resolved, Trees, absolute

HOME = "vllm_ascend.patch"
WRAPPERS = frozenset({"staticmethod", "classmethod", "property"})
#: Characters that end a name.
PUNCTUATION = bytes(c for c in range(128) if not (chr(c).isalnum() or chr(c) == "_"))
#: What follows a name that is assigned, with or without an annotation.
ASSIGNED = re.compile(rb"\s*(?::[^=]*)?=(?!=)")
#: A statement and the test under which it runs.
Guarded = tuple[ast.stmt, str]


def extract_patches(trees: Trees) -> list[dict[str, Any]]:
    """``{"target", "replacement", "at", "wrapper"?, "guard"?, "soc"?}`` for each attribute that leads into vllm.

    Counted: assignments and ``setattr`` at module level, in functions called there, and in functions that a decorator
    registers for a vllm module. Modules are those the packages of ``vllm_ascend.patch`` import, with the tests around
    the import and the statement as ``guard``; a module none of them imports does nothing by itself. ``soc`` is there
    where the guard leaves only some SoCs; what never runs with this pair of trees is left out.
    """
    guards = Guards(trees)
    found: list[dict[str, Any]] = []
    for name, guard in sorted(_loaded(trees).items()):
        module = trees.module(name)
        if module is not None:
            rows = ((row, _limits(trees, guards, module, row)) for row in _Reader(trees, module).read(guard))
            found.extend({**row, **limits} for row, limits in rows if limits is not None)
    if not found:
        trees.unfollowed.append(f"{HOME}: no patch found")
    return sorted(found, key=lambda row: (row["target"], row["at"]))


def _limits(trees: Trees, guards: Guards, module: Module, row: Mapping[str, str]) -> dict[str, Any] | None:
    """The SoCs a row's guard leaves; its names are those of the module or of a package that imports it."""
    if "guard" not in row:
        return {}
    parts = module.name.split(".")
    packages = (trees.module(".".join(parts[:cut])) for cut in range(len(parts) - 1, 0, -1))
    limits = guards.text_limits([module, *(package for package in packages if package is not None)], row["guard"])
    return None if limits is None else {"soc": limits["soc"]} if "soc" in limits else {}


def _loaded(trees: Trees) -> dict[str, str]:
    """Modules reached from the patch packages by imports at module level, with the shortest guard each is under."""
    names = [name for name in trees.vllm_ascend.names() if name == HOME or name.startswith(HOME + ".")]
    packages = {name for name in names if (module := trees.module(name)) is not None and module.is_package}
    pending = [(name, "") for name in sorted(packages) if name.count(".") <= HOME.count(".") + 1]
    guards: dict[str, str] = {}
    while pending:
        name, guard = pending.pop(0)
        module = trees.module(name)
        if module is None or (name in guards and len(guards[name]) <= len(guard)):
            continue
        guards[name] = guard
        for node, test in _flat(module.tree.body, guard):
            for imported in _imported(module, node):
                # Other modules of the plugin are followed from the packages alone: they import for their own use.
                near = imported.startswith(HOME + ".")
                if near or (name in packages and imported.startswith("vllm_ascend.") and isinstance(node, ast.Import)):
                    pending.append((imported, test))
    return guards


def _imported(module: Module, node: ast.stmt) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        source = absolute(module, node)
        return [source, *(f"{source}.{alias.name}" for alias in node.names)]
    return []


def _flat(body: list[ast.stmt], guard: str) -> Iterator[Guarded]:
    """Statements under ``if``, ``try`` and ``with`` too, in order, with the tests they are under."""
    for node in body:
        if isinstance(node, ast.If):
            test = ast.unparse(node.test)
            yield from _flat(node.body, _both(guard, test))
            negated = isinstance(node.test, ast.UnaryOp) and isinstance(node.test.op, ast.Not)
            yield from _flat(node.orelse, _both(guard, test.removeprefix("not ") if negated else f"not ({test})"))
        elif isinstance(node, ast.Try):
            for part in (node.body, *(handler.body for handler in node.handlers), node.orelse, node.finalbody):
                yield from _flat(part, guard)
        elif isinstance(node, ast.With):
            yield from _flat(node.body, guard)
        else:
            yield node, guard


def _both(first: str, second: str) -> str:
    return f"{first} and {second}" if first and second != first else second


def plain_kind(trees: Trees, dotted: str) -> str | None:
    """``module``, ``class`` or ``def`` where names and texts of files say what a dotted name is; ``None`` elsewhere.

    The text of a module does so when it defines the name at the left margin and binds it nowhere else: the file need
    not be parsed then.
    """
    home, _, name = dotted.rpartition(".")
    for tree in trees.trees:
        if tree.find(dotted):
            return "module"
        bound = list(_bound(tree.text(home), name.encode()))
        if len(bound) == 1 and bound[0]:
            return bound[0]
    return None


def _bound(text: bytes, name: bytes) -> Iterator[str]:
    """What binds a name in a text: ``class`` or ``def`` at the left margin, else an empty text for what may do so."""
    at = text.find(name)
    while at >= 0:
        end = at + len(name)
        start, stop = text.rfind(b"\n", 0, at) + 1, text.find(b"\n", end)
        before, after = text[start:at], text[end : stop if stop >= 0 else len(text)]
        words = before.split()
        alone = not words and after.partition(b"#")[0].strip() in (b"", b",")  # a line of an import in parentheses
        if not (before[-1:] + after[:1]).translate(None, PUNCTUATION):
            if words and words[-1] in (b"class", b"def"):
                yield words[-1].decode() if before[:1] in b"cda" and len(words) < 3 else ""
            elif alone or b"import" in words or words[-1:] == [b"as"] or ASSIGNED.match(after):
                yield ""
        at = text.find(name, end)


class _Reader:
    """Reads the patches of one module."""

    def __init__(self, trees: Trees, module: Module) -> None:
        self.trees = trees
        self.module = module
        self.functions = {node.name: node for node in module.tree.body if isinstance(node, ast.FunctionDef)}

    def read(self, guard: str) -> Iterator[dict[str, str]]:
        names: dict[str, str] = {}
        yield from self._body(self.module.tree.body, guard, names, 0)
        for function in self.functions.values():
            target = self._registered_for(function)
            if target and len(function.args.args) == 1:
                yield from self._body(function.body, guard, {**names, function.args.args[0].arg: target}, 1)

    def _body(self, body: list[ast.stmt], guard: str, names: dict[str, str], depth: int) -> Iterator[dict[str, str]]:
        """``names`` maps names to absolute dotted names and grows with the imports and aliases that are met."""
        for node, test in _flat(body, guard):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                self._bind(node, names)
            elif isinstance(node, ast.Assign):
                for target in node.targets:
                    if isinstance(target, ast.Attribute):
                        yield from self._row(target.value, target.attr, node.value, node, test, names)
                    elif isinstance(target, ast.Name) and (dotted := self._dotted(node.value, names)):
                        names[target.id] = dotted
            elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
                yield from self._call(node.value, node, test, names, depth)

    def _call(
        self, call: ast.Call, node: ast.stmt, guard: str, names: dict[str, str], depth: int
    ) -> Iterator[dict[str, str]]:
        called = call.func.id if isinstance(call.func, ast.Name) else ""
        if called == "setattr" and len(call.args) == 3:
            attribute = literal_text(self.trees, self.module, call.args[1])
            if attribute is None:
                self.trees.unfollowed.append(f"{self.module.at(node)}: setattr of a computed name")
            else:
                yield from self._row(call.args[0], attribute, call.args[2], node, guard, names)
        elif called in self.functions and depth < 3:
            yield from self._body(self.functions[called].body, guard, dict(names), depth + 1)

    def _row(
        self, owner: ast.expr, attribute: str, value: ast.expr, node: ast.stmt, guard: str, names: Mapping[str, str]
    ) -> Iterator[dict[str, str]]:
        dotted = self._dotted(owner, names)
        if dotted is None:
            return
        kind = plain_kind(self.trees, dotted)
        found = self.trees.locate(dotted) if kind is None else Resolved(dotted, None, None)
        fqn = found.fqn.replace(":", ".")
        # An attribute of a function is a mark on it, not a replacement.
        if not fqn.startswith("vllm.") or kind == "def" or self._is_function(found.fqn, found.node):
            return
        row = {
            "target": f"{fqn}.{attribute}",
            "replacement": self._replacement(value, names),
            "at": self.module.at(node),
        }
        wrapper = last_name(value.func) if isinstance(value, ast.Call) else ""
        row |= {"wrapper": wrapper} if wrapper in WRAPPERS else {}
        yield {**row, "guard": guard} if guard else row

    def _is_function(self, fqn: str, node: ast.AST | None) -> bool:
        name = fqn.rpartition(":")[2]
        for part in name.split(".")[1:]:
            body = node.body if isinstance(node, ast.ClassDef) else []
            node = next((n for n in body if isinstance(n, (ast.ClassDef, ast.FunctionDef)) and n.name == part), None)
        return isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))

    def _replacement(self, value: ast.expr, names: Mapping[str, str]) -> str:
        """What is put there, by name: a wrapper's argument, the function a call goes to, a literal."""
        while isinstance(value, ast.Call) and last_name(value.func) in WRAPPERS and value.args:
            value = value.args[0]
        if isinstance(value, ast.Call):
            return f"{self._replacement(value.func, names)}()"
        if isinstance(value, ast.Constant):
            return repr(value.value)
        dotted = self._dotted(value, names)
        if dotted is None:
            return ast.unparse(value) if isinstance(value, (ast.Name, ast.Attribute)) else type(value).__name__.lower()
        plain = plain_kind(self.trees, dotted) is not None
        return dotted if plain else self.trees.locate(dotted).fqn.replace(":", ".")

    def _dotted(self, node: ast.expr, names: Mapping[str, str]) -> str | None:
        """The absolute dotted name of a chain whose head an import, an alias or this module binds."""
        if not isinstance(node, (ast.Name, ast.Attribute)):
            return None
        try:
            head, _, rest = ast.unparse(node).partition(".")
        except RecursionError:
            return None
        start = names.get(head)
        if start is None and head in self.module.bindings and self.module.bindings[head].kind != "import":
            start = f"{self.module.name}.{head}"
        return None if start is None else f"{start}.{rest}" if rest else start

    def _bind(self, node: ast.Import | ast.ImportFrom, names: dict[str, str]) -> None:
        """Imports as they are met; of alternatives (``try``/``except``) the first one the trees have stays."""
        for alias in node.names:
            if isinstance(node, ast.ImportFrom):
                name, target = alias.asname or alias.name, f"{absolute(self.module, node)}.{alias.name}"
            else:
                name = alias.asname or alias.name.partition(".")[0]
                target = alias.name if alias.asname else name
            if name not in names or self.trees.locate(names[name]).node is None:
                names[name] = target

    def _registered_for(self, function: ast.FunctionDef) -> str | None:
        """The vllm module named by a decorator's first argument."""
        for decorator in function.decorator_list:
            if isinstance(decorator, ast.Call) and decorator.args:
                name = literal_text(self.trees, self.module, decorator.args[0])
                if name and name.startswith("vllm.") and self.trees.module(name) is not None:
                    return name
        return None
