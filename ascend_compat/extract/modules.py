"""The modules each architecture builds: a tree of attributes and classes, read off ``__init__``."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any

from ascend_compat.extract.custom_ops import layer_class
from ascend_compat.extract.tree import Module, NotConstant, Trees, assignments

#: Packages whose classes are models: they are opened; a class from anywhere else is a leaf.
MODELS = ("vllm.model_executor.models", "vllm_ascend.models")
LITERALS = ("packed_modules_mapping",)
MAPPER = "hf_to_vllm_mapper"
#: Factories whose result is decided by configuration; noted as calls.
FACTORIES = frozenset({"get_rope", "get_act_fn", "get_act_and_mul_fn"})
LISTS = frozenset({"make_layers", "ModuleList", "ModuleDict", "Sequential"})
MAKERS = frozenset({"init_vllm_registered_model"})
DEPTH = 8


def extract_modules(trees: Trees, architectures: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """``model_classes`` and ``layer_classes``: what is reachable from the registered architectures.

    A child's ``at`` is a line of the file that its class's ``at`` names; a class that starts with ``:`` is of the same
    module; ``quant`` says that it is given the quantization configuration.
    """
    walk = _Walk(trees)
    for entry in architectures.values():
        walk.open(f"{entry['module']}:{entry['class']}")
    layers = {fqn: layer_class(trees, fqn) for fqn in sorted(walk.leaves)}
    kept = {name: entry for name, entry in sorted(walk.classes.items()) if len(entry) > 1}
    for entry in kept.values():
        if "bases" in entry:
            entry["bases"] = [base for base in entry["bases"] if base in kept]
    return kept, {k: v for k, v in layers.items() if v}


class _Walk:
    def __init__(self, trees: Trees) -> None:
        self.trees = trees
        self.classes: dict[str, Any] = {}
        self.leaves: set[str] = set()

    def open(self, fqn: str) -> None:
        """Record a model class and everything it builds; a class that is not found stays out."""
        pending = [fqn]
        while pending:
            name = pending.pop()
            found = self.trees.find_class(name) or self._followed(name)
            if found is None or name in self.classes:
                continue
            module, node = found
            entry, inner = _Opened(self, module, node).entry()
            self.classes[name] = entry
            pending.extend(inner)

    def _followed(self, fqn: str) -> tuple[Module, ast.ClassDef] | None:
        """A registry entry may name a class its module only imports."""
        home, _, cls = fqn.partition(":")
        resolved = self.trees.locate(f"{home}.{cls}")
        found = self.trees.find_class(resolved.fqn)
        return found if found and resolved.fqn != fqn else None


class _Opened:
    """One model class being read."""

    def __init__(self, walk: _Walk, module: Module, node: ast.ClassDef) -> None:
        self.walk = walk
        self.trees = walk.trees
        self.module = module
        self.node = node
        self.local: dict[str, str] = {}
        self.values: dict[str, ast.expr] = {}
        self.functions: dict[str, ast.FunctionDef] = {}
        self.methods = {item.name: item for item in node.body if isinstance(item, ast.FunctionDef)}
        self.calls: set[str] = set()
        self.inner: list[str] = []

    def entry(self) -> tuple[dict[str, Any], list[str]]:
        """The class as data, and the model classes it leads to."""
        out: dict[str, Any] = {"at": self.module.at(self.node)}
        bases = [b.fqn for b in self.trees.bases(f"{self.module.name}:{self.node.name}") if _is_model(b.fqn)]
        if bases:
            out["bases"] = bases
            self.inner.extend(bases)
        out.update(self._literals())
        children: dict[str, list[dict[str, Any]]] = {}
        for method in self.node.body:
            if isinstance(method, ast.FunctionDef) and (method.name == "__init__" or method.name.startswith("_init")):
                self._method(method, children)
        if children:
            out["children"] = children
        if self.calls:
            out["calls"] = sorted(self.calls)
        return out, self.inner

    def _literals(self) -> Iterator[tuple[str, Any]]:
        for name, value in assignments(self.node.body):
            try:
                if name in LITERALS:
                    yield name, self.trees.constant(self.module, value)
                elif name == MAPPER and isinstance(value, ast.Call):
                    parts = {k.arg: self.trees.constant(self.module, k.value) for k in value.keywords if k.arg}
                    wanted = {k: v for k, v in parts.items() if k.startswith("orig_to_new") and isinstance(v, dict)}
                    yield MAPPER, wanted
            except NotConstant as stop:
                self.trees.unfollowed.append(str(stop))

    def _method(self, method: ast.FunctionDef, children: dict[str, list[dict[str, Any]]]) -> None:
        for statement in ast.walk(method):
            if isinstance(statement, ast.FunctionDef) and statement is not method:
                self.functions[statement.name] = statement
            elif isinstance(statement, ast.ImportFrom) and not statement.level:
                self.local.update({(a.asname or a.name): f"{statement.module}.{a.name}" for a in statement.names})
            elif (
                isinstance(statement, ast.Assign)
                and len(statement.targets) == 1
                and isinstance(statement.targets[0], ast.Name)
            ):
                self.values.setdefault(statement.targets[0].id, statement.value)
        for statement in _statements(method.body):
            for attr, value in _attributes(statement):
                for made in self._made(value, False, 0):
                    known = children.setdefault(attr, [])
                    if all((k["class"], k.get("list")) != (made["class"], made.get("list")) for k in known):
                        known.append(made)

    def _made(self, value: ast.expr, many: bool, depth: int) -> Iterator[dict[str, Any]]:
        """The modules an expression builds."""
        if depth > DEPTH:
            return
        if isinstance(value, ast.IfExp):
            yield from self._made(value.body, many, depth + 1)
            yield from self._made(value.orelse, many, depth + 1)
        elif isinstance(value, (ast.ListComp, ast.GeneratorExp)):
            yield from self._made(value.elt, True, depth + 1)
        elif isinstance(value, (ast.List, ast.Tuple, ast.Dict)):
            for item in value.values if isinstance(value, ast.Dict) else value.elts:
                yield from self._made(item.value if isinstance(item, ast.Starred) else item, True, depth + 1)
        elif isinstance(value, ast.Lambda):
            yield from self._made(value.body, many, depth + 1)
        elif isinstance(value, ast.Name) and value.id in self.functions:
            for node in ast.walk(self.functions[value.id]):
                if isinstance(node, ast.Return) and node.value is not None:
                    yield from self._made(node.value, many, depth + 1)
        elif isinstance(value, ast.Name) and value.id in self.values and self.values[value.id] is not value:
            yield from self._made(self.values[value.id], many, depth + 1)
        elif isinstance(value, ast.Call):
            yield from self._call(value, many, depth)

    def _call(self, call: ast.Call, many: bool, depth: int) -> Iterator[dict[str, Any]]:
        name = ast.unparse(call.func)
        last = name.rpartition(".")[2]
        if last in LISTS:
            for arg in [*call.args, *(k.value for k in call.keywords)]:
                yield from self._made(arg, True, depth + 1)
            return
        if last in FACTORIES:
            self.calls.add(last)
            return
        if last in MAKERS:
            yield {"class": "dynamic", "at": call.lineno, **({"list": True} if many else {})}
            return
        if name.startswith("self.") and name.removeprefix("self.") in self.methods:
            for node in ast.walk(self.methods[name.removeprefix("self.")]):
                if isinstance(node, ast.Return) and node.value is not None:
                    yield from self._made(node.value, many, depth + 1)
            return
        for callee in self._callees(call.func):
            fqn = self._class(callee)
            if fqn is not None:
                yield self._child(call, fqn, many)

    def _callees(self, func: ast.expr) -> Iterator[ast.expr]:
        """A class held in a local variable may be one of several."""
        if isinstance(func, ast.Name) and func.id in self.values:
            value = self.values[func.id]
            options = [value.body, value.orelse] if isinstance(value, ast.IfExp) else [value]
            yield from (o for o in options if isinstance(o, (ast.Name, ast.Attribute)))
        yield func

    def _class(self, func: ast.expr) -> str | None:
        """The class a call instantiates, ``None`` when the callee is not a class."""
        if isinstance(func, ast.Call):
            return None
        text = ast.unparse(func)
        dotted = self.local.get(text)
        found = self.trees.locate(dotted) if dotted else self.trees.resolve(self.module, text)
        if found is None:
            return None
        if isinstance(found.node, ast.ClassDef):
            return found.fqn
        external = found.node is None and found.fqn.rpartition(".")[2][:1].isupper()
        return found.fqn if external and found.fqn.startswith(("torch.nn", "transformers", "timm")) else None

    def _child(self, call: ast.Call, fqn: str, many: bool) -> dict[str, Any]:
        home, _, name = fqn.partition(":")
        made: dict[str, Any] = {"class": f":{name}" if home == self.module.name else fqn, "at": call.lineno}
        if many:
            made["list"] = True
        if _is_model(fqn):
            self.inner.append(fqn)
            return made
        self.walk.leaves.add(fqn)
        given = [k.value for k in call.keywords if k.arg == "quant_config"]
        named = [a for a in call.args if ast.unparse(a).rpartition(".")[2] == "quant_config"]
        if named or any(ast.unparse(value) != "None" for value in given):
            made["quant"] = True
        return made


def _is_model(fqn: str) -> bool:
    return any(fqn.startswith((package + ".", package + ":")) for package in MODELS)


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Simple statements in order, those of every branch."""
    for node in body:
        if isinstance(node, (ast.If, ast.With, ast.For, ast.Try, ast.While)):
            yield from _statements(node.body)
            yield from _statements(getattr(node, "orelse", []))
        else:
            yield node


def _attributes(node: ast.stmt) -> Iterator[tuple[str, ast.expr]]:
    """``self.name = value`` and the first name of ``self.a, self.b, self.layers = make_layers(...)``."""
    if isinstance(node, ast.AnnAssign) and node.value is not None:
        if _own(node.target):
            yield node.target.attr, node.value  # type: ignore[union-attr]  # _own checks that it is an attribute
    elif isinstance(node, ast.Assign):
        for target in node.targets:
            if _own(target):
                yield target.attr, node.value  # type: ignore[attr-defined]  # as above
            elif isinstance(target, ast.Tuple) and target.elts and _own(target.elts[-1]):
                yield target.elts[-1].attr, node.value  # type: ignore[attr-defined]  # as above


def _own(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"
