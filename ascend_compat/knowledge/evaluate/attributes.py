"""Attributes, items and class membership: where a name on a value leads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ascend_compat.knowledge.evaluate import natives
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
    Unknown,
    describe,
    is_unknown,
)

#: Builtins that are types with arguments of their own.
GENERIC = frozenset({"dict", "list", "set", "frozenset", "tuple", "type", "collections.defaultdict"})


class Super:
    """What ``super()`` gives inside a method of ``cls``."""

    __slots__ = ("cls", "receiver")

    def __init__(self, cls: Class, receiver: Any) -> None:
        self.cls = cls
        self.receiver = receiver


class Attributes:
    """The part of the evaluator that finds attributes and items; ``expressions`` builds on it."""

    if TYPE_CHECKING:

        def external(self, dotted: str) -> Any: ...
        def member(self, module_name: str, name: str) -> Any: ...
        def call(self, callee: Any, args: list[Any], keywords: dict[str, Any], at: str) -> Any: ...

    def attribute(self, owner: Any, name: str, at: str) -> Any:
        """``owner.name``; a missing attribute raises ``AttributeError`` when the owner is fully known."""
        found = self.find_attribute(owner, name, at)
        if found is not MISSING:
            return found
        raise Raised("AttributeError", f"'{describe(owner)}' object has no attribute '{name}'", at)

    def find_attribute(self, owner: Any, name: str, at: str) -> Any:
        """``owner.name``, ``MISSING`` when it certainly does not exist, :class:`Unknown` when that can't be known."""
        if isinstance(owner, Unknown):
            return owner
        if isinstance(owner, External):
            return self.external(f"{owner.name}.{name}")
        if isinstance(owner, Module):
            return self._module_attribute(owner, name)
        if isinstance(owner, Instance):
            return self._instance_attribute(owner, name, at)
        if isinstance(owner, Class):
            return self._class_attribute(owner, name, at)
        if isinstance(owner, EnumMember):
            return {"value": owner.value, "name": owner.name}.get(name, self._of_class(owner.cls, owner, name, at))
        if isinstance(owner, Super):
            return self._super_attribute(owner, name, at)
        return natives.method(owner, name, at)

    def _module_attribute(self, owner: Module, name: str) -> Any:
        return self.member(owner.name, name)

    def _instance_attribute(self, owner: Instance, name: str, at: str) -> Any:
        if name in owner.names:
            return owner.names[name]
        if owner.cls is None:
            return MISSING if owner.closed else Unknown(at, f"{owner.label}.{name} is not known statically")
        if name == "__class__":
            return owner.cls
        found = self._of_class(owner.cls, owner, name, at)
        return (
            Unknown(at, f"{owner.label}.{name} is not known statically")
            if found is MISSING and not owner.closed
            else found
        )

    def _of_class(self, cls: Class, receiver: Any, name: str, at: str) -> Any:
        found = cls.find(name)
        if found is MISSING:
            return Unknown(at, f"{cls.name}.{name} is not in the source tree") if cls.open else MISSING
        if isinstance(found, Function):
            kind = found.spec.get("kind")
            if kind == "property":
                return self.call(Bound(found, receiver), [], {}, at)
            if kind == "staticmethod":
                return found
            return Bound(found, cls if kind == "classmethod" else receiver)
        return found

    def _class_attribute(self, owner: Class, name: str, at: str) -> Any:
        if name == "__name__":
            return owner.name
        if name == "__members__" and self.is_enum(owner):
            return {m.name: m for m in owner.names.values() if isinstance(m, EnumMember)}
        found = owner.find(name)
        if found is MISSING:
            return Unknown(at, f"{owner.name}.{name} is not in the source tree") if owner.open else MISSING
        if isinstance(found, Function) and found.spec.get("kind") == "classmethod":
            return Bound(found, owner)
        return found

    def _super_attribute(self, owner: Super, name: str, at: str) -> Any:
        lineage = owner.receiver.cls.lineage() if isinstance(owner.receiver, Instance) and owner.receiver.cls else None
        chain = lineage or owner.cls.lineage()
        start = chain.index(owner.cls) + 1 if owner.cls in chain else 1
        for item in chain[start:]:
            if isinstance(item, Class) and name in item.names:
                found = item.names[name]
                return Bound(found, owner.receiver) if isinstance(found, Function) else found
        return Native(f"super().{name}", lambda args, keywords, at: None)

    def is_enum(self, cls: Class) -> bool:
        """Whether a class of the pack is an enumeration."""
        return any(isinstance(b, External) and b.name.rpartition(".")[2].endswith("Enum") for b in cls.lineage()[1:])

    def item(self, owner: Any, key: Any, at: str) -> Any:
        """``owner[key]``; a missing key raises ``KeyError`` with the key as Python prints it."""
        for side in (owner, key):
            if is_unknown(side):
                return side
        if isinstance(owner, Class) and self.is_enum(owner):
            if owner.find(str(key)) is MISSING:
                raise Raised("KeyError", repr(key), at)
            return self._class_attribute(owner, str(key), at)
        if isinstance(owner, (dict, list, tuple, str)):
            try:
                return owner[key]
            except KeyError:
                raise Raised("KeyError", repr(key), at) from None
            except (IndexError, TypeError) as error:
                raise Raised(type(error).__name__, str(error), at) from None
        if owner is None or isinstance(owner, (int, float, set)):
            raise Raised("TypeError", f"'{type(owner).__name__}' object is not subscriptable", at)
        if isinstance(owner, External) and owner.name.rpartition(".")[2] == "Literal":
            return key if isinstance(key, tuple) else (key,)
        if isinstance(owner, (External, Class)) or (isinstance(owner, Native) and owner.name in GENERIC):
            return owner  # a subscripted type, as in dict[str, int]
        return Unknown(at, f"item of {describe(owner)}")
