"""Run statements and calls of a pack's code on given values, within a step limit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ascend_compat.knowledge.evaluate import libraries
from ascend_compat.knowledge.evaluate.expressions import handlers
from ascend_compat.knowledge.evaluate.frames import Frame, Return
from ascend_compat.knowledge.evaluate.statements import Statements
from ascend_compat.knowledge.evaluate.values import (
    MISSING,
    Bound,
    Class,
    EnumMember,
    External,
    Function,
    Instance,
    Module,
    Native,
    Raised,
    Stream,
    Tensor,
    Undecided,
    Unknown,
    describe,
)

DEPTH_LIMIT = 150


class Machine(Statements):
    """Evaluates the ``code`` section of a pack.

    ``externals`` maps dotted names outside the pack to values (or :class:`Native`); everything else outside is
    :class:`External`, and calling it gives :class:`Unknown`. ``returns`` records what each function of the pack
    returned, as ``(module:qualified name, path:line, value)``: the trace a verdict is explained with. ``lost`` records
    effects of imports (registrations) that could not be followed.
    """

    def __init__(self, code: Mapping[str, Any], externals: Mapping[str, Any]) -> None:
        self.modules = {
            name: Module(name, part["path"], part.get("package", False), part["body"]) for name, part in code.items()
        }
        self.externals = dict(externals)
        self.steps = 0
        self.expressions, self.statements = handlers(type(self), "_e_"), handlers(type(self), "_s_")
        self.depth = 0
        self.returns: list[tuple[str, str, Any]] = []
        self.lost: list[Undecided] = []

    def scoped(self, frame: Frame) -> Frame:
        """A frame with a fresh innermost scope, for comprehensions."""
        inner = Frame(frame.module, ({}, *frame.scopes), frame.function)
        inner.yielded = frame.yielded
        return inner

    # modules -----------------------------------------------------------------------------------------------------

    def load(self, name: str) -> Any:
        """A module by name; its top level runs at the first load, as Python's import does."""
        module = self.modules.get(name)
        if module is None:
            return self.external(name)
        parent = name.rpartition(".")[0]
        if parent in self.modules and not self.modules[parent].ready:
            self.load(parent)  # as Python does; it may already load this module
        if not module.ready:
            module.ready = True
            frame = Frame(module, (module.names,))
            for node in module.body:
                self._top_level(node, frame)
        return module

    def member(self, module_name: str, name: str) -> Any:
        """``from module_name import name``."""
        dotted = f"{module_name}.{name}"
        if dotted in self.externals:
            return self.externals[dotted]
        module = self.load(module_name)
        if isinstance(module, Module):
            if name in module.names:
                return module.names[name]
            if dotted in self.modules:
                return self.load(dotted)
            lazy = module.names.get("__getattr__")
            if isinstance(lazy, Function) and not name.startswith("__"):
                return self.call(lazy, [name], {}, module.path)
        return self.external(dotted)

    def external(self, dotted: str) -> Any:
        """What lies outside the pack: the given value, or the name alone."""
        return self.externals.get(dotted, External(dotted))

    # calls -------------------------------------------------------------------------------------------------------

    def call(self, callee: Any, args: list[Any], keywords: dict[str, Any], at: str) -> Any:
        """Call a function, a class, a bound method or a native; anything else gives :class:`Unknown`."""
        if isinstance(callee, Function):
            return self._invoke(callee, args, keywords, at)
        if isinstance(callee, Bound):
            return self._invoke(callee.function, [callee.receiver, *args], keywords, at)
        if isinstance(callee, Native):
            return callee.call(args, keywords, at)
        if isinstance(callee, Class):
            return self._instantiate(callee, args, keywords, at)
        if isinstance(callee, External):
            return self.call_external(callee, args, keywords, at)
        if isinstance(callee, Unknown):
            return callee
        return Unknown(at, f"call of {describe(callee)}")

    def _instantiate(self, cls: Class, args: list[Any], keywords: dict[str, Any], at: str) -> Any:
        if self.is_enum(cls):
            return next(
                (m for m in cls.names.values() if isinstance(m, EnumMember) and m.value == args[0]),
                Unknown(at, f"value of {cls.name}"),
            )
        if cls.name == "LazyLoader":
            return libraries.lazy_module(self, args, at)
        if any(isinstance(base, External) and base.name.endswith(".Parameter") for base in cls.lineage()):
            data = keywords.get("data", args[0] if args else Unknown(at, "a parameter without data"))
            if isinstance(data, Tensor) and "weight_loader" in keywords:
                data.attributes["weight_loader"] = keywords["weight_loader"]
            return data
        made = Instance(cls)
        init = cls.find("__init__")
        if isinstance(init, Function):
            self._invoke(init, [made, *args], keywords, at)
        return made

    def _invoke(self, function: Function, args: list[Any], keywords: dict[str, Any], at: str) -> Any:
        if self.depth >= DEPTH_LIMIT:
            raise Undecided(at, "evaluation exceeds its depth limit")
        local = self.bind_arguments(function, args, keywords, at)
        frame = Frame(function.module, (local, *function.scopes), function)
        self.depth += 1
        try:
            self.block(function.spec["body"], frame)
        except Return as result:
            return Stream(frame.yielded) if function.spec.get("generator") else result.value
        finally:
            self.depth -= 1
        return Stream(frame.yielded) if function.spec.get("generator") else None

    def bind_arguments(self, function: Function, args: list[Any], keywords: dict[str, Any], at: str) -> dict[str, Any]:
        """Parameters to values; a wrong number of arguments raises ``TypeError`` as Python does."""
        spec = function.spec
        frame = Frame(function.module, ({}, *function.scopes))
        local: dict[str, Any] = {}
        rest = dict(keywords)
        names = [name for name, _ in spec["params"]]
        for name, value in zip(names, args, strict=False):
            local[name] = value
        if len(args) > len(names) and "vararg" not in spec:
            raise Raised("TypeError", f"{function.name}() takes {len(names)} arguments, {len(args)} were given", at)
        if "vararg" in spec:
            local[spec["vararg"]] = tuple(args[len(names) :])
        for name, default in [*spec["params"], *spec.get("keyword", [])]:
            if name in rest:
                local[name] = rest.pop(name)
            elif name not in local:
                if default is None:
                    raise Raised("TypeError", f"{function.name}() missing 1 required argument: '{name}'", at)
                local[name] = self.value(default, frame)
        if "kwarg" in spec:
            local[spec["kwarg"]] = rest
        elif rest:
            raise Raised("TypeError", f"{function.name}() got an unexpected keyword argument '{min(rest)}'", at)
        return local

    def lookup(self, name: str, frame: Frame) -> Any:
        """A name through the scopes, the module and the builtins."""
        for scope in frame.scopes:
            if name in scope:
                return scope[name]
        found = frame.module.names.get(name, MISSING)
        if found is not MISSING:
            return found
        return self.externals[name] if name in self.externals else self.builtin(name)
