"""What loaders use of Python's own library, with sequences as streams that may be read once."""

from __future__ import annotations

import collections
import itertools
from collections.abc import Callable
from typing import Any

from ascend_compat.knowledge.evaluate import natives
from ascend_compat.knowledge.evaluate.values import External, Function, Instance, Native, Stream, Unknown
from ascend_compat.knowledge.loading.machine import MEMBERS, MODULE, LoadingMachine
from ascend_compat.knowledge.loading.stand_ins import View

Call = Callable[[list[Any], dict[str, Any], str], Any]


class Python:
    """Calls by dotted name; each takes positional arguments, named ones and the place ``path:line`` of the call."""

    def __init__(self, machine: LoadingMachine) -> None:
        self.machine = machine

    def calls(self) -> dict[str, Call]:
        """Dotted names to calls."""
        return {
            "re.compile": self.compiled, "regex.compile": self.compiled,
            "torch.nn.ModuleDict": self.grouped, "staticmethod": self.static, "isinstance": self.certain,
            "itertools.tee": self.tee, "itertools.groupby": self.group, "itertools.chain": self.chain,
            "itertools.chain.from_iterable": self.chained, "itertools.islice": self.sliced, "islice": self.sliced,
            "len": self.length, "collections.defaultdict": self.defaulted, "functools.partial": self.partial,
            "id": self.identity,
        }  # fmt: skip

    def group(self, args: list[Any], keywords: dict[str, Any], at: str) -> Any:
        """``itertools.groupby``: consecutive items with equal keys."""
        key = keywords.get("key", args[1] if len(args) > 1 else None)
        items = list(self.machine.iterate(args[0], at))
        keys = [item if key is None else self.machine.call(key, [item], {}, at) for item in items]
        unknown = next((part for part in keys if isinstance(part, Unknown)), None)
        if unknown is not None:
            return unknown
        pairs = itertools.groupby(range(len(items)), key=lambda n: keys[n])
        return Stream([(name, Stream([items[n] for n in members])) for name, members in pairs])

    def chain(self, args: list[Any], keywords: dict[str, Any], at: str) -> Any:
        """``itertools.chain``."""
        return Stream([item for part in args for item in self.machine.iterate(part, at)])

    def chained(self, args: list[Any], keywords: dict[str, Any], at: str) -> Any:
        """``itertools.chain.from_iterable``."""
        return self.chain(list(self.machine.iterate(args[0], at)), {}, at)

    def tee(self, args: list[Any], keywords: dict[str, Any], at: str) -> Any:
        """``itertools.tee``: the items, as often as asked."""
        items = list(self.machine.iterate(args[0], at))
        return tuple(Stream(list(items)) for _ in range(args[1] if len(args) > 1 else 2))

    def grouped(self, args: list[Any], keywords: dict[str, Any], at: str) -> Any:
        """``torch.nn.ModuleDict``: members by name, and their parameters under those names."""
        held = args[0] if args and isinstance(args[0], dict) else {}

        def named(more: list[Any], kw: dict[str, Any], where: str) -> Any:
            pairs: list[Any] = []
            for key, module in held.items():
                inner = self.machine.call(self.machine.attribute(module, MODULE, where), [], {}, where)
                pairs.extend((f"{key}.{name}", view) for name, view in self.machine.iterate(inner, where))
            return pairs

        return Instance(None, {**held, MODULE: Native(MODULE, named)}, closed=False, label="ModuleDict")

    def static(self, args: list[Any], keywords: dict[str, Any], at: str) -> Any:
        """``staticmethod`` round a function of the release."""
        made = args[0]
        if not isinstance(made, Function):
            return made
        return Function(made.name, {**made.spec, "kind": "staticmethod"}, made.module, made.scopes)

    def certain(self, args: list[Any], keywords: dict[str, Any], at: str) -> Any:
        """``isinstance``: a module whose bases are not all known is of no class that is asked for."""
        found = natives.builtin(self.machine, "isinstance").call(args, keywords, at)
        module = isinstance(args[0], Instance) and MODULE in args[0].names
        return False if isinstance(found, Unknown) and module else found

    def sliced(self, args: list[Any], keywords: dict[str, Any], at: str) -> Any:
        """``itertools.islice``: the whole, as bounds only save work."""
        return Stream(list(self.machine.iterate(args[0], at)))

    def identity(self, args: list[Any], keywords: dict[str, Any], at: str) -> Any:
        """``id``: that of the parameter a view was taken of."""
        buffer = args[0].buffer if isinstance(args[0], View) else None
        return buffer.parameter if buffer is not None else Unknown(at, "the identity of an object")

    def length(self, args: list[Any], keywords: dict[str, Any], at: str) -> Any:
        """``len`` of what is known."""
        value = args[0]
        if isinstance(value, Instance) and MEMBERS in value.names:
            return len(value.names[MEMBERS])
        return len(value) if isinstance(value, (str, list, tuple, dict, set)) else Unknown(at, "a length")

    def defaulted(self, args: list[Any], keywords: dict[str, Any], at: str) -> Any:
        """``collections.defaultdict`` of a builtin."""
        kinds: dict[str, Callable[[], Any]] = {"list": list, "dict": dict, "set": set, "int": int}
        made = kinds.get(getattr(args[0], "name", "")) if args else None
        return collections.defaultdict(made) if made else Unknown(at, "a defaultdict")

    def partial(self, args: list[Any], keywords: dict[str, Any], at: str) -> Any:
        """``functools.partial``."""
        callee, first, named = args[0], args[1:], dict(keywords)
        return Native(
            "partial", lambda more, kw, where: self.machine.call(callee, [*first, *more], {**named, **kw}, where)
        )

    def compiled(self, args: list[Any], keywords: dict[str, Any], at: str) -> Any:
        """``re.compile``: an object whose methods are those of ``re`` with the pattern filled in."""
        if not args or not isinstance(args[0], str):
            return Unknown(at, "a regular expression that can't be known")
        pattern = args[0]

        def method(name: str) -> Native:
            return Native(
                name, lambda more, kw, where: self.machine.call(External(f"re.{name}"), [pattern, *more], kw, where)
            )

        names = ("match", "search", "fullmatch", "findall", "sub")
        return Instance(None, {"pattern": pattern, **{name: method(name) for name in names}}, label="pattern")
