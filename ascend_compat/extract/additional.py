"""Keys that are read from ``--additional-config``, with the keys of their sections."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from ascend_compat.extract.defaults import field_default, is_option
from ascend_compat.extract.scan import last_name, literal_text, mentioning
from ascend_compat.extract.sections import Read, Scope, Section, callee, keyed, scopes
from ascend_compat.extract.statements import every
from ascend_compat.extract.tree import Module, NotConstant, Trees, assignments

WORD = "additional_config"
#: Sections inside sections that are followed.
DEPTH = 4
Entry = dict[str, Any]
Entries = dict[str, Entry]


def extract_additional_config(trees: Trees) -> Entries:
    """``{key: {"at", "default"?, "keys"?, "open"?}}``; ``keys`` holds the entries of a section, in the same form.

    The plugin's reads come first, then the engine's. An ``open`` section takes any key.
    A section is followed through names, helpers that take the key as an argument, and the functions and classes it is
    handed to. The fields of a configuration class that takes the whole mapping as keyword arguments are keys too.
    """
    found: Entries = {}
    walk = _Walk(trees)
    for tree in trees.trees:
        for module in mentioning(trees, tree, WORD):
            for scope in scopes(module):
                if not scope.mentions(WORD):
                    continue
                walk.section(scope, Section(frozenset({WORD}), attribute=WORD), found, 0)
    if not found:
        trees.unfollowed.append(f"{WORD}: no read found")
    return _sorted(found)


def _sorted(found: Entries) -> Entries:
    for entry in found.values():
        if "keys" in entry:
            entry["keys"] = _sorted(entry["keys"])
    return dict(sorted(found.items()))


class _Walk:
    """Follows one mapping through the tree; entries are added to the table that is passed along."""

    def __init__(self, trees: Trees) -> None:
        self.trees = trees
        #: Tables of sections that take any key, by identity.
        self.open: set[int] = set()

    def section(self, scope: Scope, section: Section, found: Entries, depth: int) -> None:
        """Add what a function reads from a mapping."""
        section = section.grown(scope)
        for key, default, node in self.reads(scope, section):
            entry = found.setdefault(key, {"at": scope.module.at(node)})
            self.default(scope.module, entry, default)
            if depth < DEPTH:
                keys: Entries = {}
                inner = Section(frozenset(), node=node)
                if inner.used(scope):
                    self.section(scope, inner, keys, depth + 1)
                if id(keys) in self.open:
                    self.open.discard(id(keys))
                    entry["open"] = True
                _merge(entry, keys)
        if depth < DEPTH:
            self.calls(scope, section, found, depth)

    def reads(self, scope: Scope, section: Section) -> Iterator[Read]:
        """``section.get(key, default)``, ``section[key]``, ``key in section``, and calls of helpers with a key."""
        for node in scope.nodes():
            key: ast.expr | None = None
            default: ast.expr | None = None
            if isinstance(node, ast.Call):
                func = node.func
                if isinstance(func, ast.Attribute) and func.attr in ("get", "pop") and section.is_(func.value):
                    key, default = (*node.args, None, None)[:2]
                else:
                    yield from self.helped(scope, section, node)
            elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load) and section.is_(node.value):
                key = node.slice
            elif isinstance(node, ast.Compare) and isinstance(node.ops[0], (ast.In, ast.NotIn)):
                key = node.left if section.is_(node.comparators[0]) else None
            name = literal_text(self.trees, scope.module, key) if key is not None else None
            if name is not None:
                yield name, default, node

    def helped(self, scope: Scope, section: Section, call: ast.Call) -> Iterator[Read]:
        """A call of a function that reads a key it is given; one outside the tree takes the key after the mapping."""
        given = [index for index, arg in enumerate(call.args) if section.is_(arg)]
        words = [word.arg for word in call.keywords if word.arg and section.is_(word.value)]
        if not given and not words and last_name(call.func) not in scope.inner():
            return
        target = callee(self.trees, scope, call.func)
        if target is None or not isinstance(target.node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            key = next((call.args[i + 1] for i in given if len(call.args) > i + 1), None)
            if target is None and isinstance(key, ast.Constant) and isinstance(key.value, str):
                yield key.value, None, call
            return
        owners = {name for index in given if (name := target.parameter(index))}
        owners.update(words)
        if target.nested:
            owners |= section.names
        bound = target.bound(call)
        for parameter, default in keyed(target.node, owners):
            name = literal_text(self.trees, scope.module, bound.get(parameter))
            if name is not None:
                given_default = bound.get(default.id) if isinstance(default, ast.Name) else default
                yield name, given_default, call

    def calls(self, scope: Scope, section: Section, found: Entries, depth: int) -> None:
        """Functions and classes that are handed the mapping, whole or as keyword arguments."""
        for call in scope.nodes():
            if not isinstance(call, ast.Call):
                continue
            spread = next((w.value for w in call.keywords if w.arg is None and section.is_(w.value)), None)
            places = [index for index, arg in enumerate(call.args) if section.is_(arg)]
            words = [w.arg for w in call.keywords if w.arg is not None and section.is_(w.value)]
            if spread is None and not places and not words:
                continue
            target = callee(self.trees, scope, call.func)
            if target is None or target.nested:
                continue
            if isinstance(target.node, ast.ClassDef):
                if spread is not None:
                    hidden = section.hidden | {w.arg for w in call.keywords if w.arg}
                    self.fields(target.module, target.node, found, hidden, depth)
                continue
            if spread is not None:
                self.keywords(target, found)
            for name in [*(target.parameter(index) for index in places), *words]:
                if name is not None and name != WORD:
                    self.section(target, Section(frozenset({name})), found, depth + 1)
                    self.table(target, name, found)

    def fields(self, module: Module, cls: ast.ClassDef, found: Entries, hidden: set[str], depth: int) -> None:
        """Fields of a configuration class; a field that is given otherwise is no key, but its section's keys are."""
        for fqn in self.trees.lineage(f"{module.name}:{cls.name}"):
            home, node = self.trees.find_class(fqn) or (None, None)
            for field in node.body if node is not None else []:
                if home is None or not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
                    continue
                name = field.target.id
                if name.startswith("_") or not is_option(field) or (name in hidden and name not in found):
                    continue
                entry = found.setdefault(name, {"at": home.at(field)})
                self.default(home, entry, field_default(field.value))
                inner = self._section_class(home, field.annotation)
                if inner is not None and depth < DEPTH:
                    keys: Entries = {}
                    self.fields(*inner, keys, set(), depth + 1)
                    _merge(entry, keys)

    def _section_class(self, module: Module, annotation: ast.expr) -> tuple[Module, ast.ClassDef] | None:
        """The configuration class of a field: one of the plugin's, with fields of its own."""
        for node in every(annotation):
            name = last_name(node)
            found = self.trees.resolve(module, name) if name else None
            if found and found.module and isinstance(found.node, ast.ClassDef) and found.node.decorator_list:
                return found.module, found.node
        return None

    def keywords(self, init: Scope, found: Entries) -> None:
        """Parameters with a default of a function that takes the mapping as keyword arguments."""
        assert not isinstance(init.node, ast.ClassDef)
        args, defaults = init.node.args.args, init.node.args.defaults
        pairs = [*zip(args[len(args) - len(defaults) :], defaults, strict=True)]
        pairs += [(a, v) for a, v in zip(init.node.args.kwonlyargs, init.node.args.kw_defaults, strict=True) if v]
        for arg, value in pairs:
            self.default(init.module, found.setdefault(arg.arg, {"at": init.module.at(arg)}), value)
        if init.node.args.kwarg:
            self.section(init, Section(frozenset({init.node.args.kwarg.arg})), found, DEPTH)

    def table(self, init: Scope, name: str, found: Entries) -> None:
        """A mapping that is looped over is checked against a table of the class; without one it takes any key."""
        if not any(
            isinstance(node, ast.Attribute) and node.attr == "items" and last_name(node.value) == name
            for node in init.nodes()
        ):
            return
        self.open.add(id(found))
        for table, value in assignments(init.cls.body) if init.cls else []:
            if isinstance(value, ast.Dict) and "default" in table.lower():
                self.open.discard(id(found))
                for key, row in zip(value.keys, value.values, strict=True):
                    text = literal_text(self.trees, init.module, key)
                    if text is not None and key is not None:
                        self.default(init.module, found.setdefault(text, {"at": init.module.at(key)}), row)

    def default(self, module: Module, entry: Entry, default: ast.expr | None) -> None:
        """The default of a read where it is literal; the first one counts."""
        if default is None or "default" in entry:
            return
        try:
            value = self.trees.constant(module, default)
        except NotConstant:
            return
        if value is None or isinstance(value, (bool, int, float, str)):
            entry["default"] = value


def _merge(entry: Entry, keys: Entries) -> None:
    """Keys of a section that were not known; sections inside it are merged too."""
    for key, inner in keys.items():
        known = entry.setdefault("keys", {}).setdefault(key, inner)
        if known is not inner:
            _merge(known, inner.get("keys", {}))
