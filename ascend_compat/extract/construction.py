"""What a class constructs: the modules its methods assign, with classes held in variables and parameters followed."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from ascend_compat.extract.guards import Guards
from ascend_compat.extract.made import Made, is_model
from ascend_compat.extract.statements import appended_to, as_list, attributes, nodes, own, returns, simple
from ascend_compat.extract.tree import Module, NotConstant, Trees, assignments

INIT = "__init__"
#: Factories whose result is decided by configuration; noted as calls.
FACTORIES = frozenset({"get_rope", "get_act_fn", "get_act_and_mul_fn"})
LISTS = frozenset({"make_layers", "ModuleList", "ModuleDict", "Sequential", "list", "tuple"})
MAKERS = frozenset({"init_vllm_registered_model"})
#: Libraries whose modules count as leaves.
LIBRARIES = ("torch.nn", "transformers", "timm")
QUANT = ("quant_config", "vllm_config")
DEPTH = 8


class Construction:
    """The constructions of one class."""

    def __init__(self, trees: Trees, module: Module, node: ast.ClassDef | ast.FunctionDef) -> None:
        self.trees = trees
        self.module = module
        self.node = node
        members = node.body if isinstance(node, ast.ClassDef) else []
        self.methods = {item.name: item for item in members if isinstance(item, ast.FunctionDef)}
        self.local: dict[str, str] = {}
        self.values: dict[str, list[ast.expr]] = {}
        self.functions: dict[str, ast.FunctionDef] = {}
        self.parameters: set[str] = set()
        self.calls: set[str] = set()
        self.handed: dict[str, str] = {}

    # what the class offers -------------------------------------------------------------------------------------------

    def children(self) -> dict[str, list[Made]]:
        """Attributes that ``__init__`` and the methods it calls fill with modules."""
        out: dict[str, list[Made]] = {}
        for method in self._constructors():
            self._enter(method)
            for statement in simple(method.body):
                self._hand_on(statement)
                for attr, value in attributes(statement):
                    for made in self.made(value, False, 0):
                        known = out.setdefault(attr, [])
                        if all((k.ref, k.many, k.given) != (made.ref, made.many, made.given) for k in known):
                            known.append(made)
        return out

    def returned(self) -> dict[str, list[Made]]:
        """Methods that return a module they build; of a function, what it returns itself."""
        out = {}
        if isinstance(self.node, ast.FunctionDef):
            self._enter(self.node)
            return {"": [m for value in returns(self.node) for m in self.made(value, False, 0)]}
        for name, method in self.methods.items():
            if name not in (INIT, "forward", "load_weights"):
                self._enter(method)
                made = [m for value in returns(method) for m in self.made(value, False, 0)]
                if made:
                    out[name] = made
        return out

    def class_attributes(self) -> dict[str, str]:
        """Class attributes that hold a class."""
        found = {}
        for name, value in assignments(self.node.body) if isinstance(self.node, ast.ClassDef) else ():
            if isinstance(value, (ast.Name, ast.Attribute)):
                ref = self.named(value)
                if ref is not None:
                    found[name] = ref
        return found

    def _constructors(self) -> list[ast.FunctionDef]:
        """``__init__``, what it calls for its effect, and what is named like a part of it."""
        wanted = [name for name in self.methods if name == INIT or name.startswith("_init")]
        for method in wanted:
            for node in simple(self.methods[method].body):
                call = node.value if isinstance(node, ast.Expr) else None
                called = call.func if isinstance(call, ast.Call) else None
                name = called.attr if isinstance(called, ast.Attribute) and own(called) else None
                if name is not None and name in self.methods and name not in wanted:
                    wanted.append(name)
        return [self.methods[method] for method in wanted]

    def defaults(self) -> dict[str, tuple[int, str | None]]:
        """Parameters of ``__init__`` with their position (-1 for keyword-only) and the class they default to."""
        init = self.methods.get(INIT)
        if init is None:
            return {}
        args = [*init.args.posonlyargs, *init.args.args]
        given = {a.arg: d for a, d in zip(args[::-1], init.args.defaults[::-1], strict=False)}
        given.update({a.arg: d for a, d in zip(init.args.kwonlyargs, init.args.kw_defaults, strict=True) if d})
        self.local = {}
        places = {a.arg: i for i, a in enumerate(args[1:])} | {a.arg: -1 for a in init.args.kwonlyargs}
        return {n: (place, self.named(given[n]) if n in given else None) for n, place in places.items()}

    # one method ------------------------------------------------------------------------------------------------------

    def _enter(self, method: ast.FunctionDef) -> None:
        """Names inside a method: parameters, local functions and imports, and every value a name is given."""
        self.local, self.values, self.functions = {}, {}, {}
        self.parameters = {a.arg for a in (*method.args.args, *method.args.kwonlyargs)} - {"self", "cls"}
        for node in nodes(method):
            if isinstance(node, ast.FunctionDef) and node is not method:
                self.functions[node.name] = node
            elif isinstance(node, ast.ImportFrom) and not node.level:
                self.local.update({(a.asname or a.name): f"{node.module}.{a.name}" for a in node.names})
            elif isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
                for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                    if isinstance(target, ast.Name):
                        self.values.setdefault(target.id, []).append(node.value)
            elif isinstance(node, ast.Call) and isinstance(owner := appended_to(node), ast.Name):
                self.values.setdefault(owner.id, []).append(as_list(node))

    def _hand_on(self, statement: ast.stmt) -> None:
        """``super().__init__(..., layer_type=X)``: classes that the base class is given."""
        call = statement.value if isinstance(statement, ast.Expr) else None
        if isinstance(call, ast.Call) and ast.unparse(call.func) == f"super().{INIT}":
            self.handed.update(self._given(call))

    # expressions -----------------------------------------------------------------------------------------------------

    def made(self, value: ast.expr, many: bool, depth: int) -> Iterator[Made]:
        """The modules an expression builds."""
        if depth > DEPTH:
            return
        if isinstance(value, ast.Call):
            yield from self._call(value, many, depth + 1)
            return
        for part, several in self._parts(value):
            yield from self.made(part, many or several, depth + 1)

    def _parts(self, value: ast.expr) -> Iterator[tuple[ast.expr, bool]]:
        """Expressions that an expression's modules come from, and whether there are many of them."""
        if isinstance(value, ast.IfExp):
            yield from ((value.body, False), (value.orelse, False))
        elif isinstance(value, ast.BoolOp):
            yield from ((item, False) for item in value.values)
        elif isinstance(value, (ast.ListComp, ast.GeneratorExp)):
            yield value.elt, True
        elif isinstance(value, ast.DictComp):
            yield value.value, True
        elif isinstance(value, (ast.List, ast.Tuple)):
            yield from ((item.value if isinstance(item, ast.Starred) else item, True) for item in value.elts)
        elif isinstance(value, ast.Dict):
            yield from ((item, True) for item in value.values)
        elif isinstance(value, ast.Lambda):
            yield value.body, False
        elif isinstance(value, ast.Name) and value.id in self.functions:
            yield from ((item, False) for item in returns(self.functions[value.id]))
        elif isinstance(value, ast.Name):
            yield from ((item, False) for item in self.values.get(value.id, ()) if item is not value)

    def _call(self, call: ast.Call, many: bool, depth: int) -> Iterator[Made]:
        last = ast.unparse(call.func).rpartition(".")[2]
        if last in LISTS:
            for arg in [*call.args, *(k.value for k in call.keywords)]:
                yield from self.made(arg, True, depth)
        elif last in FACTORIES:
            self.calls.add(last)
        elif last in MAKERS:
            yield Made("dynamic", call.lineno, many, literal=self._named_architectures(call))
        elif isinstance(call.func, ast.Name) and call.func.id in self.functions:
            yield from self.made(call.func, many, depth)
        elif isinstance(call.func, ast.Attribute) and own(call.func) and call.func.attr in self.methods:
            yield Made(f"@{call.func.attr}", call.lineno, many, self._quantized(call), self._given(call))
        else:
            quantized, socs = self._quantized(call), self._socs(call)
            for ref in dict.fromkeys(self.refs(call.func, 0)):
                yield Made(ref, call.lineno, many, quantized, self._given(call), None, _positional(call), socs)

    def _named_architectures(self, call: ast.Call) -> list[Any] | None:
        """The architectures a call names and the part of the configuration it hands on, or that part alone."""
        given = {keyword.arg: keyword.value for keyword in call.keywords}
        config = given.get("hf_config")
        part = [f"config.{config.attr}"] if isinstance(config, ast.Attribute) else []
        try:
            found = self.trees.constant(self.module, given["architectures"]) if "architectures" in given else []
        except NotConstant:
            found = []
        return [*found, *part] or None if isinstance(found, list) else None

    # classes ---------------------------------------------------------------------------------------------------------

    def refs(self, value: ast.expr, depth: int) -> Iterator[str]:
        """The classes an expression may denote: names and symbols."""
        if depth > DEPTH:
            return
        if isinstance(value, ast.Name) and value.id in self.values:
            for item in self.values[value.id]:
                if item is not value:
                    yield from self.refs(item, depth + 1)
        if isinstance(value, ast.Name) and value.id in self.parameters:
            yield f"${value.id}"
        elif isinstance(value, (ast.IfExp, ast.BoolOp)):
            for item, _ in self._parts(value):
                yield from self.refs(item, depth + 1)
        elif isinstance(value, ast.Call):
            if ast.unparse(value.func).rpartition(".")[2] == "partial" and value.args:
                yield from self.refs(value.args[0], depth + 1)
            elif isinstance(value.func, ast.Attribute) and value.func.attr == "get":
                yield from self._values_of(value.func.value, depth)
        elif isinstance(value, ast.Subscript):
            yield from self._values_of(value.value, depth)
        elif isinstance(value, (ast.Name, ast.Attribute)):
            found = self.named(value)
            if found is not None:
                yield found
            elif isinstance(value, ast.Attribute) and own(value):
                yield f"@{value.attr}"

    def _values_of(self, table: ast.expr, depth: int) -> Iterator[str]:
        """Every class in a dictionary of the module, reached through local names too."""
        if depth > DEPTH:
            return
        if isinstance(table, ast.BoolOp):
            for item in table.values:
                yield from self._values_of(item, depth + 1)
            return
        if isinstance(table, ast.Name) and table.id in self.values:
            for item in self.values[table.id]:
                yield from self._values_of(item, depth + 1)
            return
        found = self.trees.resolve(self.module, ast.unparse(table))
        value = getattr(found.node, "value", None) if found else None
        if found and found.module and isinstance(value, ast.Dict):
            for item in value.values:
                named = self.trees.resolve(found.module, ast.unparse(item))
                if named is not None and isinstance(named.node, ast.ClassDef):
                    yield named.fqn

    def named(self, value: ast.expr) -> str | None:
        """A class by its name; ``None`` for anything else."""
        if not isinstance(value, (ast.Name, ast.Attribute)):
            return None
        text = ast.unparse(value)
        dotted = self.local.get(text)
        found = self.trees.locate(dotted) if dotted else self.trees.resolve(self.module, text)
        if found is None:
            return None
        if isinstance(found.node, (ast.ClassDef, ast.FunctionDef)):
            inside = "." not in found.fqn.partition(":")[2]
            # A factory of the layers package is named like the class it stands for.
            factory = found.fqn.rpartition(":")[2][:1].isupper()
            opened = isinstance(found.node, ast.ClassDef) or is_model(found.fqn) or factory
            return found.fqn if inside and opened else None
        external = found.node is None and found.fqn.rpartition(".")[2][:1].isupper()
        return found.fqn if external and found.fqn.startswith(LIBRARIES) else None

    def _given(self, call: ast.Call) -> dict[str, str]:
        """Arguments that are classes, or parameters that may be."""
        pairs = [(str(i), a) for i, a in enumerate(call.args)]
        out: dict[str, str] = {}
        for name, value in [*pairs, *((k.arg, k.value) for k in call.keywords if k.arg)]:
            if isinstance(value, (ast.Name, ast.Attribute, ast.IfExp, ast.BoolOp)):
                ref = next(iter(self.refs(value, 0)), None)
                if ref is not None and ref[0] != "@" and not (name.isdigit() and ref[0] == "$"):
                    out[name] = ref
        return out

    def _quantized(self, call: ast.Call) -> bool | None:
        """Whether the quantization configuration is handed over; ``None`` when the call does not show it."""
        named = any(ast.unparse(a).rpartition(".")[2] in QUANT for a in call.args)
        given = [k.value for k in call.keywords if k.arg in QUANT]
        if named or any(ast.unparse(value) != "None" for value in given):
            return True
        return False if given else None

    def _socs(self, call: ast.Call) -> list[str]:
        """Device types for which a conditional argument hands the configuration over; empty for all, or unknown."""
        chosen = next((k.value for k in call.keywords if k.arg in QUANT and isinstance(k.value, ast.IfExp)), None)
        if not isinstance(chosen, ast.IfExp):
            return []
        guards = Guards(self.trees)
        truths = {soc: guards.truth(self.module, chosen.test, soc) for soc in guards.socs}
        if None in truths.values():
            return []
        given = [s for s, t in truths.items() if ast.unparse(chosen.body if t else chosen.orelse) != "None"]
        return given if len(given) < len(truths) else []


def _positional(call: ast.Call) -> int | None:
    """The number of positional arguments, ``None`` when more may be unpacked."""
    unpacked = any(isinstance(a, ast.Starred) for a in call.args) or any(k.arg is None for k in call.keywords)
    return None if unpacked else len(call.args)
