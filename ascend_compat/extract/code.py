"""Which code of a tree decides quantization, translated: the ``code`` section of a pack.

Starting at the entry points, names and methods are followed across modules until nothing new is mentioned. Modules that
register things as they are imported keep their top level, so that registration is replayed and not assumed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ascend_compat.extract.class_values import PACKED
from ascend_compat.extract.dataclass import dataclass_init
from ascend_compat.extract.entries import (
    EFFECTFUL,
    ENTRIES,
    ENTRY_METHODS,
    ENTRY_PACKAGES,
    FOLLOWED,
    NEVER_METHODS,
    OVERRIDE_METHODS,
    OVERRIDES_ONLY,
    PARTIAL,
    QUANTIZATION_CONFIG,
)
from ascend_compat.extract.patching import patching
from ascend_compat.extract.scope import (
    asked_name,
    attributes,
    binds,
    bodies,
    code_nodes,
    is_compound,
    module_names,
    reached,
    tests,
    under,
)
from ascend_compat.extract.translate import Node, block, expression, function, statement
from ascend_compat.extract.tree import Module, Trees, absolute


def extract_code(trees: Trees, patches: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """``{module: {path, package, body}}`` for every module with something to evaluate; ``patches`` are the pack's."""
    return _Closure(trees, patches).run()


class _Closure:
    def __init__(self, trees: Trees, patches: Iterable[Mapping[str, Any]]) -> None:
        self.trees = trees
        self.names: dict[str, set[str]] = {}
        self.methods: set[str] = set(ENTRY_METHODS)
        self.scanned: set[int] = set()
        #: Constructors of dataclasses, and methods read of classes that are not followed, by the class.
        self.made: dict[int, ast.FunctionDef | None] = {}
        self.fixed: dict[int, set[str] | None] = {}
        self.changed = True
        self.inherited = set(_inherited(trees))
        self.patching = patching(patches)

    def run(self) -> dict[str, Any]:
        for module, name in ENTRIES:
            self.need(module, name)
        while self.changed:
            self.changed = False
            for module_name in list(self.names):
                self._scan_module(module_name)
        return {name: self._translate(name) for name in sorted(self.names) if self.trees.module(name) is not None}

    def need(self, module_name: str, name: str) -> None:
        if self.trees.module(module_name) is None:
            return
        known = self.names.setdefault(module_name, set())
        if name not in known:
            known.add(name)
            self.changed = True
        parent = module_name.rpartition(".")[0]
        if under(parent, EFFECTFUL) and parent not in self.names:
            self.need(parent, "")  # importing a module runs its package, which registers

    # scanning ----------------------------------------------------------------------------------------------------

    def _scan_module(self, name: str) -> None:
        module = self.trees.module(name)
        if module is None:
            return
        for node in self._kept(module.tree.body, module):
            self._scan(node, module)

    def _kept(self, body: list[ast.stmt], module: Module) -> Iterator[ast.stmt]:
        effectful = under(module.name, EFFECTFUL)
        for node in body:
            if is_compound(node):
                if any(True for part in bodies(node) for _ in self._kept(part, module)):
                    yield node
            elif self._wanted(node, module, effectful):
                yield node

    def _wanted(self, node: ast.stmt, module: Module, effectful: bool) -> bool:
        if binds(node) & self.names.get(module.name, set()) or "__getattr__" in binds(node):
            return True
        if module.name in self.patching and node.lineno in self.patching[module.name]:
            return True
        if isinstance(node, ast.Import) and any(alias.name in self.patching for alias in node.names):
            return True
        if not effectful:
            return False
        if isinstance(node, ast.ImportFrom):
            return under(absolute(module, node), EFFECTFUL)
        if isinstance(node, ast.ClassDef):
            return bool(node.decorator_list)
        return isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)

    def _scan(self, node: ast.stmt, module: Module) -> None:
        if isinstance(node, ast.ImportFrom):
            self._scan_import(node, module, only=self.names.get(module.name, set()))
        elif isinstance(node, ast.ClassDef):
            self._scan_class(node, module)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            if self._functions_followed(module):
                self._mention(node, module)
        elif is_compound(node):
            for part in bodies(node):
                for inner in self._kept(part, module):
                    self._scan(inner, module)
            for test in tests(node):
                self._mention(test, module)
        elif isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Expr, ast.Import)):
            self._mention(node, module)

    def _scan_import(self, node: ast.ImportFrom, module: Module, only: set[str] | None = None) -> None:
        source = absolute(module, node)
        effect = under(source, EFFECTFUL)
        for alias in node.names:
            if only is None or effect or (alias.asname or alias.name) in only:
                self.need(source, alias.name)
                self.need(f"{source}.{alias.name}", "")

    def _scan_class(self, node: ast.ClassDef, module: Module) -> None:
        self.need(module.name, node.name)
        for base in [*node.bases, *node.decorator_list]:
            self._mention(base, module)
        for item in self._class_body(node, module):
            self._mention(item, module)
        made = self._made(node, module)
        if made is not None and self._methods(node, module) is not None:
            self._mention(made, module)

    def _made(self, node: ast.ClassDef, module: Module) -> ast.FunctionDef | None:
        if id(node) not in self.made:
            self.made[id(node)] = dataclass_init(self.trees, module, node) if node.name not in PARTIAL else None
        return self.made[id(node)]

    def _class_body(self, node: ast.ClassDef, module: Module) -> Iterator[ast.stmt]:
        keep_all = any("Enum" in ast.unparse(base) for base in node.bases)
        methods = self._methods(node, module)
        if methods is None and not keep_all:
            yield from (item for item in node.body if _fused_names(item))
            return
        methods = methods or set()
        for item in node.body:
            if isinstance(item, (ast.Assign, ast.AnnAssign)):
                if keep_all or binds(item) & methods:
                    yield item
            elif isinstance(item, ast.FunctionDef) and item.name in methods and item.name not in NEVER_METHODS:
                yield item

    def _methods(self, node: ast.ClassDef, module: Module) -> set[str] | frozenset[str] | None:
        """Which methods of a class are read; ``None`` for a class kept as a name only."""
        partial = node.name in PARTIAL and under(module.name, ENTRY_PACKAGES)
        if not partial and (self._followed(module) or (module.name, node.name) in ENTRIES):
            return self.methods
        if not partial and f"{module.name}:{node.name}" in self.inherited:
            return self.methods - {"get_quant_method"} | OVERRIDE_METHODS
        if id(node) not in self.fixed:
            if partial:
                self.fixed[id(node)] = reached(ast.Module([node], []), PARTIAL[node.name])
            else:
                self.fixed[id(node)] = reached(module.tree, OVERRIDE_METHODS) if self._overrides(node, module) else None
        return self.fixed[id(node)]

    def _overrides(self, node: ast.ClassDef, module: Module) -> bool:
        """Whether a class is a quantization configuration, wherever the tree keeps it."""
        if module.name.startswith(OVERRIDES_ONLY):
            return True
        return QUANTIZATION_CONFIG in self.trees.lineage(f"{module.name}:{node.name}")

    def _followed(self, module: Module) -> bool:
        return under(module.name, FOLLOWED) or module.name in (OVERRIDES_ONLY, "vllm.config")

    def _functions_followed(self, module: Module) -> bool:
        """Functions of the quantization package are followed where decisions call them; its classes only in part."""
        return self._followed(module) or module.name.startswith(OVERRIDES_ONLY) or module.name in self.patching

    def _mention(self, root: ast.AST, module: Module) -> None:
        """Everything a piece of code names: module-level names, attributes (as methods), local imports."""
        if id(root) in self.scanned:
            return
        self.scanned.add(id(root))
        bound = module_names(module)
        for node in code_nodes(root):
            if isinstance(node, ast.Name) and node.id in bound:
                self.need(module.name, node.id)
            elif isinstance(node, ast.ImportFrom):
                self._scan_import(node, module)
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    self.need(alias.name, "")
            elif isinstance(node, ast.Attribute):
                self._mention_attribute(node, module, bound)
            elif isinstance(node, ast.Call) and (asked := asked_name(node)) is not None:
                self._method_named(asked)

    def _mention_attribute(self, node: ast.Attribute, module: Module, bound: dict[str, str | None]) -> None:
        self._method_named(node.attr)
        if isinstance(node.value, ast.Name) and bound.get(node.value.id):
            self.need(str(bound[node.value.id]), node.attr)

    def _method_named(self, name: str) -> None:
        if name not in self.methods:
            self.methods.add(name)
            self.changed = True

    # translation -------------------------------------------------------------------------------------------------

    def _translate(self, name: str) -> dict[str, Any]:
        module = self.trees.module(name)
        assert module is not None
        out: dict[str, Any] = {"path": module.path, "body": self._block(module.tree.body, module)}
        if module.is_package:
            out["package"] = True
        return out

    def _block(self, body: list[ast.stmt], module: Module) -> list[Node]:
        return [self._statement(node, module) for node in self._kept(body, module)]

    def _statement(self, node: ast.stmt, module: Module) -> Node:
        if isinstance(node, ast.If):
            parts = [self._block(part, module) for part in (node.body, node.orelse)]
            return ["if", node.lineno, expression(node.test), *parts]
        if isinstance(node, ast.Try):
            out = statement(ast.Try([], node.handlers, [], [], lineno=node.lineno))
            return [*out[:2], self._block(node.body, module), out[3], self._block(node.orelse, module), []]
        if isinstance(node, ast.ClassDef):
            return self._class(node, module)
        if isinstance(node, ast.ImportFrom):
            return self._import_from(node, module)
        if isinstance(node, ast.FunctionDef) and not self._functions_followed(module):
            return [
                "assign",
                node.lineno,
                [["name", node.name]],
                ["unknown", node.lineno, f"{node.name} is not followed"],
            ]
        return statement(node)

    def _import_from(self, node: ast.ImportFrom, module: Module) -> Node:
        wanted = self.names.get(module.name, set())
        effect = under(absolute(module, node), EFFECTFUL) and under(module.name, EFFECTFUL)
        names = [[a.name, a.asname or a.name] for a in node.names if effect or (a.asname or a.name) in wanted]
        return ["from", node.lineno, node.level, node.module or "", names]

    def _class(self, node: ast.ClassDef, module: Module) -> Node:
        made = self._made(node, module)
        bases = [expression(base) for base in node.bases]
        body: list[Node] = []
        for item in self._class_body(node, module):
            if isinstance(item, ast.FunctionDef):
                body.append(["def", item.lineno, item.name, function(item), []])
            else:
                body.extend(block([item]))
        if made is not None:
            body.append(["def", node.lineno, "__init__", function(made), []])
        decorators = [expression(d) for d in node.decorator_list if under(module.name, EFFECTFUL)]
        kept = {id(item) for item in self._class_body(node, module)}
        omitted = sorted({name for item in node.body if id(item) not in kept for name in attributes(item)})
        return ["class", node.lineno, node.name, bases, body, decorators, omitted]


def _fused_names(item: ast.stmt) -> bool:
    """Whether a statement of a class writes out its ``packed_modules_mapping``: the plugin reads that of models."""
    if not isinstance(item, (ast.Assign, ast.AnnAssign)) or PACKED not in binds(item) or not item.value:
        return False
    try:
        return isinstance(ast.literal_eval(item.value), dict)
    except ValueError:
        return False


def _inherited(trees: Trees) -> Iterator[str]:
    """Classes of the engine that classes of the plugin's quantization packages extend."""
    for name in trees.vllm_ascend.names():
        module = trees.module(name) if under(name, EFFECTFUL) else None
        for node in module.tree.body if module else ():
            if isinstance(node, ast.ClassDef):
                for base in trees.lineage(f"{name}:{node.name}"):
                    if base.startswith(OVERRIDES_ONLY) or QUANTIZATION_CONFIG in trees.lineage(base):
                        yield base
