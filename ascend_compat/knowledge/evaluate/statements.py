"""Run the statements of a pack's code; branches nobody can decide are left out where that is sound."""

from __future__ import annotations

from typing import Any

from ascend_compat.knowledge.evaluate.exceptions import handles
from ascend_compat.knowledge.evaluate.expressions import Expressions
from ascend_compat.knowledge.evaluate.frames import Break, Continue, Frame, Return
from ascend_compat.knowledge.evaluate.shape import assigned, calls, leaves, targets
from ascend_compat.knowledge.evaluate.values import (
    Bound,
    Class,
    EnumMember,
    External,
    Function,
    Instance,
    Module,
    Native,
    Node,
    Raised,
    Tensor,
    Undecided,
    Unknown,
    is_unknown,
    printed,
)

STEP_LIMIT = 3_000_000


class Statements(Expressions):
    """The statement half of the evaluator: assignments, branches, loops, exceptions, definitions."""

    steps: int
    returns: list[tuple[str, str, Any]]
    lost: list[Undecided]

    def _top_level(self, node: Node, frame: Frame) -> None:
        """A statement that can't be decided at import makes its names unknown and nothing else."""
        try:
            self.run(node, frame)
        except (Undecided, Raised) as error:
            if node[0] in ("class", "expr") and isinstance(error, Undecided):
                self.lost.append(error)
            for name in assigned([node]):
                frame.module.names.setdefault(name, Unknown(error.at, str(error)))

    def run(self, node: Node, frame: Frame) -> None:
        """One statement."""
        self.step(frame, node)
        (self.statements.get(node[0]) or Statements._s_unknown)(self, node, frame)

    def block(self, nodes: list[Node], frame: Frame) -> None:
        """Statements in order."""
        for node in nodes:
            self.run(node, frame)

    def step(self, frame: Frame, node: Node) -> None:
        """Count one step; a runaway evaluation is undecided."""
        self.steps += 1
        if self.steps > STEP_LIMIT:
            raise Undecided(self.at(frame, node[1] if len(node) > 1 else None), "evaluation exceeds its step limit")

    def at(self, frame: Frame, line: Any) -> str:
        """``path:line`` inside the module being run."""
        return f"{frame.module.path}:{line}" if isinstance(line, int) else frame.module.path

    def _s_unknown(self, node: Node, frame: Frame) -> None:
        raise Undecided(self.at(frame, node[1]), str(node[2]) if len(node) > 2 else f"{node[0]} statement")

    def _s_pass(self, node: Node, frame: Frame) -> None:
        return None

    def _s_break(self, node: Node, frame: Frame) -> None:
        raise Break

    def _s_continue(self, node: Node, frame: Frame) -> None:
        raise Continue

    def _s_expr(self, node: Node, frame: Frame) -> None:
        self.value(node[2], frame)

    def _s_return(self, node: Node, frame: Frame) -> None:
        value = self.value(node[2], frame)
        if frame.function is not None:
            owner = f"{frame.function.owner.name}." if frame.function.owner else ""
            self.returns.append((f"{frame.module.name}:{owner}{frame.function.name}", self.at(frame, node[1]), value))
        raise Return(value)

    def _s_global(self, node: Node, frame: Frame) -> None:
        frame.globals.update(node[2])

    def _s_nonlocal(self, node: Node, frame: Frame) -> None:
        frame.nonlocals.update(node[2])

    def _s_assign(self, node: Node, frame: Frame) -> None:
        value = self.value(node[3], frame)
        for item in node[2]:
            self.assign(item, value, frame)

    def _s_aug(self, node: Node, frame: Frame) -> None:
        combined = self.binary(node[2], self.value(node[3], frame), self.value(node[4], frame), self.at(frame, node[1]))
        self.assign(node[3], combined, frame)

    def _s_if(self, node: Node, frame: Frame) -> None:
        truth = self.truth(self.value(node[2], frame))
        if truth is None:
            self._skip([*node[3], *node[4]], self.undecidable(node[2], frame), frame)
        else:
            self.block(node[3] if truth else node[4], frame)

    def _skip(self, nodes: list[Node], reason: Unknown, frame: Frame) -> None:
        """Leave out statements that may or may not run: what they set becomes unknown; what they could do beyond that
        (return, raise, call code of the tree) makes the evaluation undecided."""
        if leaves(nodes):
            raise Undecided(reason.at, reason.reason)
        for call in calls(nodes):
            callee = Unknown(reason.at, reason.reason) if call[2][0] == "call" else self._quiet(call[2], frame)
            if isinstance(callee, (Function, Bound, Class)):
                raise Undecided(reason.at, reason.reason)
            if isinstance(callee, Native) and call[2][0] == "attr":
                self.assign(call[2][2], reason, frame)
        for item in targets(nodes):
            self.assign(item, reason, frame)

    def _quiet(self, node: Node, frame: Frame) -> Any:
        try:
            return self.value(node, frame)
        except Raised as error:
            return Unknown(error.at, error.message)

    def _s_while(self, node: Node, frame: Frame) -> None:
        while self.decide(node[2], frame):
            self.step(frame, node)
            try:
                self.block(node[3], frame)
            except Break:
                return
            except Continue:
                continue

    def _s_for(self, node: Node, frame: Frame) -> None:
        source = self.value(node[3], frame)
        if isinstance(source, (Unknown, External)):
            at = self.at(frame, node[1])
            reason = source if isinstance(source, Unknown) else Unknown(at, f"items of {source.name}")
            self._skip([*node[4], *node[5]], reason, frame)
            return
        for item in self.iterate(source, self.at(frame, node[1])):
            self.step(frame, node)
            self.assign(node[2], item, frame)
            try:
                self.block(node[4], frame)
            except Break:
                return
            except Continue:
                continue
        self.block(node[5], frame)

    def _s_raise(self, node: Node, frame: Frame) -> None:
        at = self.at(frame, node[1])
        if node[2] is None:
            raise Raised("Exception", "re-raised", at)
        call = node[2]
        kind = call[2] if call[0] == "call" else call
        name = kind[1] if kind[0] == "name" else str(kind[-1])
        message = self._message(call[3][0], frame) if call[0] == "call" and call[3] else ""
        raise Raised(name, message, at)

    def _message(self, node: Node, frame: Frame) -> str:
        """What an exception says; what can't be known of it is left out."""
        said = []
        for part in node[1] if node[0] == "text" else [node]:
            try:
                value = self.value(part, frame)
            except (Undecided, Raised):
                value = "..."
            said.append(value if isinstance(value, str) else "..." if is_unknown(value) else printed(value))
        return "".join(said)

    def _s_assert(self, node: Node, frame: Frame) -> None:
        if self.truth(self.value(node[2], frame)) is False:
            raise Raised("AssertionError", self._message(node[3], frame), self.at(frame, node[1]))

    def _s_try(self, node: Node, frame: Frame) -> None:
        try:
            try:
                self.block(node[2], frame)
            except Raised as error:
                handler = next((h for h in node[3] if handles(h[0], error.kind)), None)
                if handler is None:
                    raise
                if handler[1]:
                    self.assign(["name", handler[1]], error.message, frame)
                self.block(handler[2], frame)
            else:
                self.block(node[4], frame)
        except Undecided:
            raise
        except (Raised, Return, Break, Continue):
            self.block(node[5], frame)
            raise
        self.block(node[5], frame)

    def _s_with(self, node: Node, frame: Frame) -> None:
        for context, name in node[2]:
            value = self.value(context, frame)
            if name is not None:
                self.assign(name, value, frame)
        self.block(node[3], frame)

    def _s_import(self, node: Node, frame: Frame) -> None:
        for dotted, alias in node[2]:
            loaded, first = self.load(dotted), dotted.partition(".")[0]
            self.bind(alias or first, loaded if alias else self.load(first), frame)

    def _s_from(self, node: Node, frame: Frame) -> None:
        source = self.absolute(frame.module, node[2], node[3])
        for name, alias in node[4]:
            if name != "*":
                self.bind(alias, self.member(source, name), frame)

    def absolute(self, module: Module, level: int, name: str) -> str:
        """The absolute module name of a relative import."""
        if not level:
            return name
        parts = module.name.split(".")
        base = parts[: len(parts) - level + (1 if module.package else 0)]
        return ".".join([*base, name] if name else base)

    def _s_def(self, node: Node, frame: Frame) -> None:
        scopes = () if frame.scopes[0] is frame.module.names else frame.scopes
        value: Any = Function(node[2], node[3], frame.module, scopes)
        for decorator in reversed(node[4]):
            if decorator != ["name", "classmethod"] and decorator != ["name", "staticmethod"]:
                value = self._decorated(decorator, value, frame)
        self.bind(node[2], value, frame)

    def _decorated(self, decorator: Node, value: Any, frame: Frame) -> Any:
        """A decorator outside the pack is taken as transparent: caches, overloads and registrations of other parts."""
        result = self.call(self.value(decorator, frame), [value], {}, frame.module.path)
        return value if is_unknown(result) else result

    def _s_class(self, node: Node, frame: Frame) -> None:
        bases = tuple(self.value(base, frame) for base in node[3])
        made = Class(node[2], frame.module.name, self.at(frame, node[1]), bases, {}, frozenset(node[6]))
        inner = Frame(frame.module, (made.names, *frame.scopes))
        for item in node[4]:
            self._top_level(item, inner)
        for item in made.names.values():
            if isinstance(item, Function) and item.owner is None:
                item.owner = made
                item.scopes = ()
        if self.is_enum(made):
            for name, item in made.names.items():
                if not isinstance(item, Function) and not (name.startswith("_") and name.endswith("_")):
                    made.names[name] = EnumMember(made, name, item)
        result: Any = made
        for decorator in reversed(node[5]):
            result = self._decorated(decorator, result, frame)
        self.bind(node[2], result, frame)

    # names and targets -------------------------------------------------------------------------------------------

    def bind(self, name: str, value: Any, frame: Frame) -> None:
        """Set a name in the innermost scope, or in the module when declared global."""
        frame.home(name)[name] = value

    def assign(self, node: Node, value: Any, frame: Frame) -> None:
        """Assign to a name, an attribute, an item or a tuple of those."""
        if node[0] == "name":
            frame.home(node[1])[node[1]] = value
        elif node[0] == "attr":
            self.set_attribute(self.value(node[2], frame), node[3], value)
        elif node[0] == "item":
            self.set_item(self.value(node[2], frame), self.value(node[3], frame), value, self.at(frame, node[1]))
        elif node[0] == "tuple":
            items = [value] * len(node[1]) if is_unknown(value) else self.iterate(value, frame.module.path)
            for item, part in zip(node[1], items, strict=False):
                self.assign(item, part, frame)
        else:
            raise Undecided(self.at(frame, node[1]), str(node[2]))

    def set_attribute(self, owner: Any, name: str, value: Any) -> None:
        """Attributes of instances, classes and modules; elsewhere an assignment has no effect on a decision."""
        if isinstance(owner, (Instance, Class, Module)):
            owner.names[name] = value
        elif isinstance(owner, Tensor):
            owner.attributes[name] = value

    def set_item(self, owner: Any, key: Any, value: Any, at: str) -> None:
        """Items of dictionaries and lists; an unknown key makes the change unfollowable."""
        if isinstance(owner, (dict, list)):
            if is_unknown(key):
                raise Undecided(key.at, key.reason)
            try:
                owner[key] = value
            except (TypeError, IndexError) as error:
                raise Raised(type(error).__name__, str(error), at) from None
