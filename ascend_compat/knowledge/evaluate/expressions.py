"""Evaluate the expressions of a pack's code: three-valued where a value is unknown."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from ascend_compat.knowledge.evaluate import libraries, natives
from ascend_compat.knowledge.evaluate.attributes import Super
from ascend_compat.knowledge.evaluate.operations import PLAIN, Operations
from ascend_compat.knowledge.evaluate.values import (
    MISSING,
    Class,
    EnumMember,
    External,
    Function,
    Native,
    Raised,
    Stream,
    Tensor,
    Undecided,
    Unknown,
    describe,
    is_unknown,
    printed,
)

if TYPE_CHECKING:
    from ascend_compat.knowledge.evaluate.frames import Frame

Node = list[Any]


_WITHIN = {"in": True, "not in": False}


def handlers(cls: type, prefix: str) -> dict[str, Callable[..., Any]]:
    """What a machine does with each kind of node, by the names of its methods: ``_e_`` expressions, ``_s_`` statements.

    Nodes are looked up here a million times in a run; a name put together each time would cost more than the work.
    """
    return {name.removeprefix(prefix): getattr(cls, name) for name in dir(cls) if name.startswith(prefix)}


class Expressions(Operations):
    """The expression half of the evaluator; ``machine.Machine`` adds statements, modules and calls."""

    #: What ``handlers`` finds for this class of machine.
    expressions: dict[str, Callable[..., Any]]
    statements: dict[str, Callable[..., Any]]

    if TYPE_CHECKING:

        def at(self, frame: Frame, line: Any) -> str: ...
        def lookup(self, name: str, frame: Frame) -> Any: ...
        def load(self, name: str) -> Any: ...
        def bind(self, name: str, value: Any, frame: Frame) -> None: ...
        def assign(self, node: Node, value: Any, frame: Frame) -> None: ...
        def scoped(self, frame: Frame) -> Frame: ...
        def step(self, frame: Frame, node: Node) -> None: ...

    def value(self, node: Node, frame: Frame) -> Any:
        """The value of one expression."""
        kind = node[0]
        if kind == "name":
            return self.lookup(node[1], frame)
        if kind == "const":
            return node[1]
        handler = self.expressions.get(kind)
        return self._e_unknown(node, frame) if handler is None else handler(self, node, frame)

    def _e_unknown(self, node: Node, frame: Frame) -> Any:
        return Unknown(self.at(frame, node[1]), str(node[2]) if len(node) > 2 else f"{node[0]} expression")

    def _e_attr(self, node: Node, frame: Frame) -> Any:
        return self.attribute(self.value(node[2], frame), node[3], self.at(frame, node[1]))

    def _e_item(self, node: Node, frame: Frame) -> Any:
        return self.item(self.value(node[2], frame), self.value(node[3], frame), self.at(frame, node[1]))

    def _e_slice(self, node: Node, frame: Frame) -> Any:
        at = self.at(frame, node[1])
        owner, *bounds = (self.value(part, frame) for part in node[2:6])
        if any(map(is_unknown, [owner, *bounds])) or not isinstance(owner, (str, list, tuple, Tensor)):
            return Unknown(at, "slice of a value that can't be known")
        return self.item(owner, slice(*bounds), at)

    def _e_range(self, node: Node, frame: Frame) -> Any:
        bounds = [self.value(part, frame) for part in node[1:4]]
        unknown = next(filter(is_unknown, bounds), None)
        return slice(*bounds) if unknown is None else unknown

    def _e_call(self, node: Node, frame: Frame) -> Any:
        at = self.at(frame, node[1])
        self.step(frame, node)
        called = node[2]
        if called[0] == "name" and called[1] == "super" and not node[3]:
            return self._super(frame, at)
        callee = self.value(called, frame)
        args: list[Any] = []
        for item in node[3]:
            if item[0] == "star":
                args.extend(self.iterate(self.value(item[1], frame), at))
            else:
                args.append(self.value(item, frame))
        keywords: dict[str, Any] = {}
        for name, item in node[4]:
            value = self.value(item, frame)
            if name is not None:
                keywords[name] = value
            elif isinstance(value, dict):
                keywords.update(value)
        return self.call(callee, args, keywords, at)

    def _super(self, frame: Frame, at: str) -> Any:
        owner = frame.function.owner if frame.function else None
        spec = frame.function.spec if frame.function else {}
        receiver = frame.scopes[0].get(spec["params"][0][0]) if owner and spec["params"] else None
        return Native("super", lambda args, kw, at: None) if owner is None else Super(owner, receiver)

    def _e_and(self, node: Node, frame: Frame) -> Any:
        return self._junction(node[1], frame, stop=False)

    def _e_or(self, node: Node, frame: Frame) -> Any:
        return self._junction(node[1], frame, stop=True)

    def _junction(self, parts: list[Node], frame: Frame, stop: bool) -> Any:
        """Kleene's and/or: a later part may still decide what an unknown one left open."""
        open_value: Any = MISSING
        value: Any = None
        for part in parts:
            value = self.value(part, frame)
            truth = self.truth(value)
            if truth is stop:
                return value
            if truth is None and open_value is MISSING:
                open_value = value if is_unknown(value) else Unknown(frame.module.path, f"truth of {describe(value)}")
        return value if open_value is MISSING else open_value

    def _e_un(self, node: Node, frame: Frame) -> Any:
        value = self.value(node[3], frame)
        if node[2] == "not":
            truth = self.truth(value)
            return self.undecidable(node[3], frame) if truth is None else not truth
        if is_unknown(value) or not isinstance(value, (int, float)):
            return Unknown(self.at(frame, node[1]), "sign of a value that can't be known")
        return -value if node[2] == "-" else value if node[2] == "+" else ~int(value)

    def _e_bin(self, node: Node, frame: Frame) -> Any:
        return self.binary(node[2], self.value(node[3], frame), self.value(node[4], frame), self.at(frame, node[1]))

    def _e_cmp(self, node: Node, frame: Frame) -> Any:
        at = self.at(frame, node[1])
        left = self.value(node[2], frame)
        for sign, part in node[3]:
            right = self.value(part, frame)
            if type(left) is str and type(right) is str and sign in _WITHIN:  # what mappings of names ask most
                outcome = (left in right) is _WITHIN[sign]
            else:
                outcome = self.compare(sign, left, right, at)
            if outcome is not True:
                return outcome
            left = right
        return True

    def _e_ifexp(self, node: Node, frame: Frame) -> Any:
        truth = self.truth(self.value(node[2], frame))
        if truth is None:
            left, right = self.value(node[3], frame), self.value(node[4], frame)
            return left if isinstance(left, PLAIN) and left == right else self.undecidable(node[2], frame)
        return self.value(node[3] if truth else node[4], frame)

    def _elements(self, nodes: list[Node], frame: Frame) -> list[Any]:
        out: list[Any] = []
        for node in nodes:
            if node[0] == "star":
                out.extend(self.iterate(self.value(node[1], frame), frame.module.path))
            else:
                out.append(self.value(node, frame))
        return out

    def _e_list(self, node: Node, frame: Frame) -> Any:
        return self._elements(node[1], frame)

    def _e_tuple(self, node: Node, frame: Frame) -> Any:
        return tuple(self._elements(node[1], frame))

    def _e_set(self, node: Node, frame: Frame) -> Any:
        return set(self._elements(node[1], frame))

    def _e_dict(self, node: Node, frame: Frame) -> Any:
        out: dict[Any, Any] = {}
        for key, item in node[1]:
            value = self.value(item, frame)
            if key is not None:
                out[self.value(key, frame)] = value
            elif isinstance(value, dict):
                out.update(value)
            else:
                return Unknown(frame.module.path, f"** of {describe(value)}")
        return out

    def _e_text(self, node: Node, frame: Frame) -> Any:
        parts = [self.value(part, frame) for part in node[1]]
        unknown = next((p for p in parts if is_unknown(p)), None)
        return unknown or "".join(p if isinstance(p, str) else printed(p) for p in parts)

    def _e_lambda(self, node: Node, frame: Frame) -> Any:
        return Function("<lambda>", node[1], frame.module, frame.scopes)

    def _e_walrus(self, node: Node, frame: Frame) -> Any:
        value = self.value(node[2], frame)
        self.bind(node[1], value, frame)
        return value

    def _e_yield(self, node: Node, frame: Frame) -> Any:
        value = self.value(node[2], frame)
        frame.yielded.extend(self.iterate(value, self.at(frame, node[1])) if node[3] else [value])
        return None

    def _e_comp(self, node: Node, frame: Frame) -> Any:
        inner = self.scoped(frame)
        if node[2] == "dict":
            pairs: dict[Any, Any] = {}
            self._loop(node, 0, inner, lambda: pairs.__setitem__(*(self.value(p, inner) for p in node[3])))
            return pairs
        out: list[Any] = []
        self._loop(node, 0, inner, lambda: out.append(self.value(node[3], inner)))
        return set(out) if node[2] == "set" else Stream(out) if node[2] == "gen" else out

    def _loop(self, node: Node, depth: int, frame: Frame, emit: Callable[[], Any]) -> None:
        if depth == len(node[4]):
            emit()
            return
        name, source, conditions = node[4][depth]
        for item in self.iterate(self.value(source, frame), self.at(frame, node[1])):
            self.step(frame, node)
            self.assign(name, item, frame)
            if all(self.decide(condition, frame) for condition in conditions):
                self._loop(node, depth + 1, frame, emit)

    # truth -------------------------------------------------------------------------------------------------------

    def truth(self, value: Any) -> bool | None:
        """Python's truth, or ``None`` when it can't be known."""
        if value is True or value is False:
            return bool(value)
        if is_unknown(value) or isinstance(value, External):
            return None
        if isinstance(value, PLAIN):
            return bool(value)
        if isinstance(value, EnumMember):
            return bool(value.value) if isinstance(value.value, str) else True
        return True

    def decide(self, node: Node, frame: Frame) -> bool:
        """The truth of an expression; raises :class:`Undecided` when it can't be known."""
        truth = self.truth(self.value(node, frame))
        if truth is None:
            reason = self.undecidable(node, frame)
            raise Undecided(reason.at, reason.reason)
        return truth

    def decided(self, value: Any, at: str) -> bool:
        """The truth of a value; raises :class:`Undecided` when it can't be known."""
        truth = self.truth(value)
        if truth is None:
            raise Undecided(value.at if isinstance(value, Unknown) else at, getattr(value, "reason", describe(value)))
        return truth

    def undecidable(self, node: Node, frame: Frame) -> Unknown:
        """Why an expression has no truth value."""
        value = self.value(node, frame)
        if isinstance(value, Unknown):
            return value
        return Unknown(frame.module.path, f"truth of {describe(value)} is decided outside the source tree")

    def iterate(self, value: Any, at: str) -> Iterable[Any]:
        """The items of a container; what can't be iterated statically is undecided."""
        if isinstance(value, Class) and self.is_enum(value):
            if value.omitted:
                raise Undecided(value.at, f"members of {value.name} are not followed")
            return [m for m in value.names.values() if isinstance(m, EnumMember)]
        if isinstance(value, (list, tuple, str, set, dict, range)) or type(value) in natives.VIEWS:
            return list(value)
        if isinstance(value, Stream):
            return value.take()
        if isinstance(value, Unknown):
            raise Undecided(value.at, value.reason)
        if value is None or isinstance(value, (int, float)):
            raise Raised("TypeError", f"'{type(value).__name__}' object is not iterable", at)
        raise Undecided(at, f"iteration over {describe(value)}")

    def call_external(self, callee: External, args: list[Any], keywords: dict[str, Any], at: str) -> Any:
        """A call that leaves the pack: known constructors and helpers, else unknown."""
        return libraries.call_external(self, callee.name, args, keywords, at)

    def builtin(self, name: str) -> Any:
        """A Python builtin, or the bare name as something external."""
        return natives.builtin(self, name)
