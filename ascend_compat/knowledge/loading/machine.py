"""The evaluator for loaders: one tensor that fails does not end the run, and what became of each is noted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ascend_compat.core.folded import Folded
from ascend_compat.knowledge.evaluate import natives
from ascend_compat.knowledge.evaluate.frames import Break, Continue, Frame
from ascend_compat.knowledge.evaluate.machine import Machine
from ascend_compat.knowledge.evaluate.values import (
    MISSING,
    Class,
    External,
    Instance,
    Native,
    Node,
    Raised,
    Stream,
    Undecided,
    Unknown,
)
from ascend_compat.knowledge.loading.configuration import DEFAULTED
from ascend_compat.knowledge.loading.stand_ins import View, combined, copied, indexed
from ascend_compat.knowledge.loading.tensor_methods import tensor_attribute

#: Attributes of parameters that only those have that a layer gives them to.
LOADER_ATTRIBUTES = frozenset({"weight_loader", "load_qkv_weight", "load_merged_column_weight"})
#: What every model that has it is known to have: packs keep these assignments of all constructors.
COMMON = frozenset({"config", "quant_config"})
#: What tells the instance of a torch module from other objects.
MODULE = "named_parameters"
#: How parameters of an expert layer begin; its methods do not.
EXPERT_PARAMETERS = ("w13_", "w2_")
#: vLLM's switches for the kernels of another vendor: off on any other platform. Source: vLLM, ``_aiter_ops.py``.
OTHER_VENDOR = "vllm._aiter_ops."
#: What has the methods that Python gives it and nothing else.
VALUES = frozenset({str, dict, list, tuple})
#: Where the members of a list of modules are kept on its instance.
MEMBERS = "*members"


@dataclass(slots=True)
class Fate:
    """What happened to a tensor of the checkpoint, apart from what it was copied into.

    ``error`` is the exception a loader raised for it, ``stop`` where it could not be followed, ``left_at`` the last
    line at which a loop or a filter passed it over, ``warned`` whether a warning was logged meanwhile.
    """

    error: Raised | None = None
    stop: Undecided | None = None
    left_at: str | None = None
    warned: bool = False


@dataclass(slots=True)
class Fates:
    """The fate of every tensor, by its name in the checkpoint."""

    of: dict[str, Fate] = field(default_factory=dict)
    current: frozenset[str] = frozenset()

    def note(self, names: Iterable[str]) -> list[Fate]:
        """The records of some tensors."""
        return [self.of.setdefault(name, Fate()) for name in names]

    def failed(self, names: frozenset[str], error: Raised | Undecided) -> None:
        """The first failure of a tensor is the one that counts.

        What is raised for many is doubted where one of them was lost before: a check at the end misses it.
        """
        lost = next((fate.stop for name in names if (fate := self.of.get(name)) and fate.stop), None)
        error = lost if lost is not None and len(names) > 1 else error
        for fate in self.note(names):
            if isinstance(error, Raised):
                fate.error = fate.error or error
            else:
                fate.stop = fate.stop or error


class LoadingMachine(Machine):
    """Evaluates loaders on stand-ins for tensors and modules."""

    def __init__(self, code: Folded, externals: Mapping[str, Any]) -> None:
        super().__init__(code.modules, externals)
        self.code = code
        self.fates = Fates()
        self.unfolded: set[str] = set()
        #: config.json, which configuration classes of the trees take over.
        self.hf_config: Instance | None = None

    def load(self, name: str) -> Any:
        """A module by name; its code is folded until it is needed."""
        module = self.modules.get(name)
        if module is not None and name not in self.unfolded:
            self.unfolded.add(name)
            module.body = self.code.body(name)
        return super().load(name)

    # loops over tensors ------------------------------------------------------------------------------------------

    def _s_for(self, node: Node, frame: Frame) -> None:
        source = self.value(node[3], frame)
        if isinstance(source, (Unknown, External)):
            at = self.at(frame, node[1])
            reason = source if isinstance(source, Unknown) else Unknown(at, f"items of {source.name}")
            self._skip([*node[4], *node[5]], reason, frame)
            return
        passing, body = _passing(node[4])
        for item in self.iterate(source, self.at(frame, node[1])):
            self.step(frame, node)
            names = origins(item)
            before = self.fates.current
            self.fates.current = names or before
            try:
                self.assign(node[2], item, frame)
                if passing is not None and self._passes(passing, names, frame):
                    continue
                self.block(body, frame)
            except Break:
                return
            except Continue as left:
                self._left(names, str(left) or self.at(frame, node[1]))
            except (Raised, Undecided) as error:
                if not names:
                    raise
                self.fates.failed(names, error)
            finally:
                self.fates.current = before
        self.block(node[5], frame)

    def _passes(self, node: Node, names: frozenset[str], frame: Frame) -> bool:
        """``if test: continue``, without the detour over statements: a tensor meets it at every entry of a mapping."""
        truth = self.truth(self.value(node[2], frame))
        if truth is None:
            self._skip(node[3], self.undecidable(node[2], frame), frame)
        if truth and names:
            self._left(names, self.at(frame, node[3][0][1]))
        return bool(truth)

    def _s_continue(self, node: Node, frame: Frame) -> None:
        raise Continue(self.at(frame, node[1]))

    def _left(self, names: frozenset[str], at: str) -> None:
        for fate in self.fates.note(names):
            fate.left_at = at

    def _loop(self, node: Node, depth: int, frame: Frame, emit: Any) -> None:
        if depth == len(node[4]):
            emit()
            return
        name, source, conditions = node[4][depth]
        at = self.at(frame, node[1])
        for item in self.iterate(self.value(source, frame), at):
            self.step(frame, node)
            names = origins(item)
            try:
                self.assign(name, item, frame)
                if all(self.decide(condition, frame) for condition in conditions):
                    self._loop(node, depth + 1, frame, emit)
                else:
                    self._left(names, at)
            except (Raised, Undecided) as error:
                if not names:
                    raise
                self.fates.failed(names, error)

    # tensors and modules -----------------------------------------------------------------------------------------

    def find_attribute(self, owner: Any, name: str, at: str) -> Any:
        """Attributes of tensor stand-ins too; what a module may have beyond what is known of it is unknown."""
        if type(owner) in VALUES:
            return natives.method(owner, name, at)
        if isinstance(owner, View):
            return tensor_attribute(owner, name, at)
        if type(owner) is defaultdict:
            found = natives.method({}, name, at)
            return Native(name, natives.plain(getattr(owner, name))) if isinstance(found, Native) else found
        if name == "__name__" and isinstance(owner, Instance) and owner.cls is not None:
            return owner.cls.name
        found = super().find_attribute(owner, name, at)
        if isinstance(found, Unknown) and self.hf_config is not None and _configures(owner):
            return self.hf_config.names.get(name, found)
        if name in COMMON and isinstance(owner, Instance) and MODULE in owner.names and isinstance(found, Unknown):
            return owner.names.get(name, MISSING)
        if name.startswith(EXPERT_PARAMETERS) and isinstance(owner, Instance) and isinstance(found, Unknown):
            return MISSING
        if found is MISSING and isinstance(owner, Instance) and not owner.closed:
            return Unknown(at, f"{owner.label}.{name} is not known statically")
        return found

    def call(self, callee: Any, args: list[Any], keywords: dict[str, Any], at: str) -> Any:
        """Calls; what a stand-in can't do with the values it is given is unknown."""
        if isinstance(callee, Unknown):  # where tensors go from here is not known
            taken = frozenset(name for arg in (*args, *keywords.values()) for name in origins(arg, 2))
            if taken:
                self.fates.failed(taken, Undecided(callee.at, callee.reason))
        try:
            return super().call(callee, args, keywords, at)
        except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
            return Unknown(at, f"{getattr(callee, 'name', 'a call')}: {error}")

    def call_external(self, callee: External, args: list[Any], keywords: dict[str, Any], at: str) -> Any:
        """What asks for another vendor's kernels gets no."""
        if callee.name.startswith(OTHER_VENDOR):
            return False
        return super().call_external(callee, args, keywords, at)

    def attribute(self, owner: Any, name: str, at: str) -> Any:
        """What a tensor or a configuration is asked for and is not known to have is unknown, not an error."""
        found = self.find_attribute(owner, name, at)
        if found is not MISSING:
            return found
        if isinstance(owner, View) and name not in LOADER_ATTRIBUTES:
            return Unknown(at, f"attribute {name} of a tensor")
        if isinstance(owner, Instance) and owner.label == DEFAULTED:
            return Unknown(at, f"config.json does not say {name}")
        return super().attribute(owner, name, at)

    def item(self, owner: Any, key: Any, at: str) -> Any:
        """Items of tensors and of lists of modules."""
        if isinstance(owner, View):
            return indexed(owner, key, at)
        if isinstance(owner, Instance) and MEMBERS in owner.names:
            members = owner.names[MEMBERS]
            return members.get(str(key), next(iter(members.values())))  # a layer that was built stands for all
        return super().item(owner, key, at)

    def set_item(self, owner: Any, key: Any, value: Any, at: str) -> None:
        """An item of a tensor that is set is a copy into it."""
        if isinstance(owner, View):
            copied(indexed(owner, key, at), value, at)
            return
        super().set_item(owner, key, value, at)

    def iterate(self, value: Any, at: str) -> Iterable[Any]:
        """Lists of modules have their members."""
        if isinstance(value, Instance) and MEMBERS in value.names:
            return list(value.names[MEMBERS].values())
        return super().iterate(value, at)

    def binary(self, sign: str, left: Any, right: Any, at: str) -> Any:
        """What is computed with tensors is a tensor that comes from them."""
        if isinstance(left, View) or isinstance(right, View):
            return combined(at, *(part for part in (left, right) if isinstance(part, View) and part.buffer is None))
        if sign == "|" and isinstance(left, Instance) and left.cls is not None:
            return self.call(self.attribute(left, "__or__", at), [right], {}, at)
        return super().binary(sign, left, right, at)


def _passing(body: list[Node]) -> tuple[Node | None, list[Node]]:
    """The ``if test: continue`` that a loop begins with, and the rest of it."""
    first = body[0] if body else ["pass"]
    only = first[0] == "if" and len(first[3]) == 1 and first[3][0][0] == "continue" and not first[4]
    return (first, body[1:]) if only else (None, body)


def origins(item: Any, depth: int = 0) -> frozenset[str]:
    """The tensors an item of a loop carries: itself, in a tuple, or in a list that is yet to be gone through."""
    if isinstance(item, View):
        return item.origins
    parts = item.items if isinstance(item, Stream) else item
    found = _NONE
    if depth < 3 and isinstance(parts, (tuple, list)):
        for part in parts:
            if type(part) not in _CARRYING_NONE:
                found |= origins(part, depth + 1)
    return found


#: Items of mappings that loaders go through for every tensor.
_CARRYING_NONE = frozenset({str, int, bool, type(None)})
_NONE: frozenset[str] = frozenset()


def _configures(owner: Any) -> bool:
    """Whether an object is of a configuration class of the trees that extends the library's."""
    lineage = owner.cls.lineage() if isinstance(owner, Instance) and owner.cls is not None else []
    return any(isinstance(item, External) and item.name.endswith("PretrainedConfig") for item in lineage)


def class_of(machine: Machine, name: str, lineage: tuple[str, ...]) -> Class:
    """A class by name with its bases: the pack's own where it has them, so that ``isinstance`` means what it says."""
    made: Class | None = None
    for fqn in reversed((name, *lineage)):
        module, _, last = fqn.partition(":") if ":" in fqn else fqn.rpartition(".")
        known = machine.member(module, last) if module in machine.modules else None
        bases = tuple(base for base in (known, made) if isinstance(base, Class))
        made = Class(last, module, "", bases, {})
    return made if made is not None else Class("Module", "torch.nn", "", (), {})
