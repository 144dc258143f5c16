"""What a name or an attribute stands for: modules, classes, functions, settings with their defaults."""

from __future__ import annotations

import ast
from typing import Any

from ascend_compat.extract.statements import nodes
from ascend_compat.extract.tree import Binding, Module
from ascend_compat.extract.walk.names import STAR, Bound, Frame
from ascend_compat.extract.walk.settings import SETTINGS, Settings, is_field
from ascend_compat.extract.walk.values import (
    CONFIG,
    DATA,
    NOBODY,
    NONE,
    TENSOR,
    UNKNOWN,
    Alts,
    ClassV,
    Code,
    Const,
    DictV,
    ExtV,
    FuncV,
    ManyV,
    ModV,
    Obj,
    SeqV,
    SuperV,
    Sym,
    conj,
    merged,
    name_text,
    offers,
)

CURRENT_PLATFORM = "vllm.platforms.current_platform"
PLATFORM = "vllm_ascend.platform:NPUPlatform"
ENVIRONMENTS = ("vllm.envs", "vllm_ascend.envs")
HAS_TRITON = "HAS_TRITON"


class Resolve(Settings):
    """Lookups; :meth:`call` is the interpreter's."""

    def __init__(self) -> None:
        super().__init__()
        self._dotted: dict[str, Alts] = {}
        self._codes: dict[int, Code] = {}
        self._elsewhere: dict[tuple[str, str], bool] = {}
        #: Dictionaries of modules as functions have filled them, and how often that happened, by module.
        self.tables: dict[tuple[str, str], DictV] = {}
        self.versions: dict[str, int] = {}

    # names -------------------------------------------------------------------------------------------------------

    def named(self, module: Module, name: str) -> Alts | None:
        """A module-level name; ``None`` when the module does not have it."""
        if name == HAS_TRITON:
            mask = self.world.triton
            sides = ((mask, True), (self.world.full & ~mask, False))
            return tuple(((side, ()), Const.of(answer)) for side, answer in sides if side)
        if name == "TYPE_CHECKING":
            return self.one(Const.of(False))
        table = self.tables.get((module.name, name))
        if table is not None:
            return self.one(table)
        space = self.space(module)
        if name not in space and not self._starred(module, name):
            return None
        return self.dotted(f"{module.name}.{name}")

    def dotted(self, name: str, depth: int = 0) -> Alts:
        """An absolute dotted name, with patches applied at every hop."""
        known = self._dotted.get(name)
        if self.before is not None and name in self.world.patches:
            return self._find(name, depth)  # what a patch keeps of before is nobody else's
        if known is None:
            self._dotted[name] = self.one(NOBODY)  # a name defined through itself
            known = self._dotted[name] = self._find(name, depth)
        return known

    def _find(self, name: str, depth: int) -> Alts:
        if name.endswith(".TYPE_CHECKING"):
            return self.one(Const.of(False))
        if name.endswith(".current_platform"):
            return self.one(self.setting(PLATFORM))
        if depth > 30:
            return self.one(NOBODY)
        out: list[Any] = []
        left = self.world.full
        for row in self.patched(name):
            mask = self.patch_mask(row) & left
            if mask:
                out.extend((both, v) for c, v in self.replacement(row, depth) if (both := conj((mask, ()), c)))
                left &= ~mask
        if left:
            out.extend((both, v) for c, v in self._defined(name, depth) if (both := conj((left, ()), c)))
        return merged(out)

    def replacement(self, row: dict[str, Any], depth: int = 0) -> Alts:
        """What a patch puts in place."""
        text = row["replacement"]
        if not text.startswith(("vllm.", "vllm_ascend.")):
            try:
                return self.one(Const.of(ast.literal_eval(text)))
            except (ValueError, SyntaxError, TypeError):
                return self.one(ExtV(text) if text.startswith(("torch", "functools")) else TENSOR)
        return self.one(TENSOR) if text.endswith("()") else self.dotted(text, depth + 1)

    def _defined(self, name: str, depth: int) -> Alts:
        module = self.world.trees.module(name)
        if module is not None:
            return self.one(ModV(name))
        home, _, last = name.rpartition(".")
        if home in ENVIRONMENTS:
            return self._variable(last)
        owner = self.world.trees.module(home)
        if owner is not None:
            bound = self.space(owner).get(last) or self._starred(owner, last)
            if not bound:
                lazy = self.space(owner).get("__getattr__")
                return self.one(NOBODY if lazy or not self.world.absent(name) else ExtV(name))
            out: list[Any] = []
            for cond, binding in bound:
                found = self._bound(owner, last, binding, depth)
                out.extend((both, v) for c, v in found if (both := conj(cond, c)) is not None)
            return merged(out)
        if home and home.partition(".")[0] in ("vllm", "vllm_ascend"):
            got: list[Any] = []
            for cond, value in self.dotted(home, depth + 1):
                if not isinstance(value, (ExtV, Sym)):
                    got.extend((both, v) for c, v in self.attribute(value, last, None, None)
                               if (both := conj(cond, c)) is not None)  # fmt: skip
            if got:
                return merged(got)
        return self.one(ExtV(name))

    def _starred(self, module: Module, name: str) -> Bound:
        """A name that ``from x import *`` brings in."""
        for key, bound in self.space(module).items():
            if key.startswith(STAR) and not name.startswith("_"):
                source = self.world.trees.module(key[1:])
                if source is not None and (name in self.space(source) or self._starred(source, name)):
                    return [(cond, Binding("import", binding.node, f"{key[1:]}.{name}")) for cond, binding in bound]
        return []

    def _variable(self, name: str) -> Alts:
        known = self.world.environment
        if name in known and isinstance(known[name], (str, int, float, bool, type(None))):
            return self.one(Const.of(known[name]))
        return self.one(NOBODY)

    def _bound(self, module: Module, name: str, binding: Binding, depth: int) -> Alts:
        if binding.kind == "import":
            if binding.target == f"{module.name}.{name}":  # a package that imports its own module
                found = self.world.trees.module(binding.target)
                return self.one(ModV(binding.target) if found else ExtV(binding.target))
            return self.dotted(binding.target, depth + 1)
        if binding.kind == "class":
            return self.one(ClassV(f"{module.name}:{name}"))
        if binding.kind == "function":
            return self.one(FuncV(self.code(module, binding.node, f"{module.name}:{name}")))
        value = binding.node.value if isinstance(binding.node, (ast.Assign, ast.AnnAssign)) else None
        number = isinstance(value, ast.Constant) and type(value.value) in (int, float)
        if not number and self._assigned_elsewhere(module, name):  # a number counts or limits: it starts as written
            return self.one(NOBODY)
        saved, self.before = self.before, module.path if isinstance(value, ast.Attribute) else None
        held = self.value(value, self.module_frame(module))
        self.before = saved
        return held

    def initial(self, module: Module, name: str) -> Alts | None:
        """A global that the function at hand sets when it finds it unset: what it holds before."""
        bound = self.space(module).get(name, [])
        node = bound[0][1].node if bound else None
        value = node.value if isinstance(node, (ast.Assign, ast.AnnAssign)) else None
        return self.one(Const.of(None)) if isinstance(value, ast.Constant) and value.value is None else None

    def _assigned_elsewhere(self, module: Module, name: str) -> bool:
        """A global that one function sets for others: what it holds when they run is not known."""
        known = self._elsewhere.get((module.name, name))
        if known is not None:
            return known
        users = [
            node
            for node in module.tree.body
            if isinstance(node, ast.FunctionDef)
            and any(isinstance(n, ast.Global) and name in n.names for n in nodes(node))
        ]
        silent = any(not any(isinstance(n, ast.Return) for n in nodes(u)) for u in users)
        known = self._elsewhere[module.name, name] = len(users) > 1 or silent
        return known

    def code(self, module: Module, node: Any, fqn: str, cls: str = "") -> Code:
        """The one code object of a definition."""
        if id(node) not in self._codes:
            self._codes[id(node)] = Code(fqn, module.name, node, cls)
        return self._codes[id(node)]

    # attributes --------------------------------------------------------------------------------------------------

    def attribute(self, owner: Any, name: str, frame: Frame | None, node: ast.AST | None) -> Alts:
        """``owner.name``."""
        if isinstance(owner, ModV):
            return self.dotted(f"{owner.name}.{name}")
        if isinstance(owner, ExtV):
            return self.one(ExtV(f"{owner.name}.{name}"))
        if isinstance(owner, Obj):
            return self._field(owner, name, frame, node)
        if isinstance(owner, SuperV):
            found = self._member(owner.bound, owner.cls, name, frame, node, after=True)
            return found if found is not None else self.one(ExtV(f"object.{name}"))
        if isinstance(owner, ClassV):
            return self._of_class(owner, name, frame, node)
        if isinstance(owner, Sym):
            if owner.kind == CONFIG:
                return self.one(Sym(CONFIG, f"{owner.text}.{name}"))
            return self.one(owner if owner.kind == DATA else Sym(UNKNOWN, f"{owner.text}.{name}"[:120]))
        if isinstance(owner, (SeqV, ManyV, DictV, Const)):
            absent = TENSOR if owner == NONE else NOBODY  # something sets it before the server asks
            return self.one(ExtV(f"builtins.{name}") if offers(owner, name) else absent)
        return self.one(NOBODY)

    def _field(self, owner: Obj, name: str, frame: Frame | None, node: ast.AST | None) -> Alts:
        if name in owner.attrs:
            return owner.attrs[name]  # type: ignore[no-any-return]  # attributes are alternatives
        if owner.settings:
            known = SETTINGS.get((owner.cls.rpartition(":")[2], name))
            if known is not None:
                return self.one(known)
        if name == "__class__":
            return self.one(ClassV(owner.cls))
        found = self._member(owner, owner.cls, name, frame, node)
        if found is not None:
            return found
        forwarded = self.forwarded(owner, name, frame, node)
        if forwarded is not None:
            return forwarded
        if owner.settings:
            return self._computed_field(owner.cls, name) or self.one(NOBODY)
        return self.one(TENSOR)

    def forwarded(self, owner: Obj, name: str, frame: Frame | None, node: ast.AST | None) -> Alts | None:
        """What a class's own ``__getattr__`` gives."""
        found = self._member(owner, owner.cls, "__getattr__", frame, node) if frame is not None else None
        for _, value in found or ():
            if isinstance(value, FuncV) and frame is not None and node is not None:
                return self.call(value, [self.one(Const.of(name))], {}, frame, node)
        return None

    def _member(
        self, bound: Any, cls: str, name: str, frame: Frame | None, node: ast.AST | None, after: bool = False
    ) -> Alts | None:
        start = bound.cls if isinstance(bound, Obj) else bound.fqn if isinstance(bound, ClassV) else cls
        found = list(self.find_member(start, name, cls if after else None))
        out: list[Any] = []
        for mask, home, definition in found:
            out.extend((both, v) for c, v in self._held(bound, home, name, definition, frame, node)
                       if (both := conj((mask, ()), c)) is not None)  # fmt: skip
        return merged(out) if found else None

    def _held(self, bound: Any, home: str, name: str, definition: Any, frame: Any, node: Any) -> Alts:
        """What a member of a class gives for an instance or the class."""
        if isinstance(definition, str):
            rows = self.world.patches[f"{home.replace(':', '.')}.{name}"]
            row = next(r for r in rows if r["replacement"] == definition)
            return merged((both, v) for c, made in self.replacement(row)
                          for more, v in self.wrapped(made, bound, row.get("wrapper"), frame, node)
                          if (both := conj(c, more)) is not None)  # fmt: skip
        found = self.world.trees.find_class(home)
        assert found is not None
        module = found[0]
        if isinstance(definition, (ast.FunctionDef, ast.AsyncFunctionDef)):
            marks = {name_text(d).rpartition(".")[2].partition("(")[0] for d in definition.decorator_list}
            code = self.code(module, definition, f"{home}.{name}", home)
            wrapper = next(
                (w for w in ("property", "cached_property", "staticmethod", "classmethod") if w in marks), ""
            )
            return self.wrapped(FuncV(code), bound, wrapper, frame, node or definition)
        if isinstance(definition, ast.ClassDef):
            return self.one(NOBODY)
        if isinstance(bound, Obj) and bound.settings:
            return self._default(module, home, name, definition)
        value = getattr(definition, "value", None)
        if is_field(value):
            return self.given_by_field(module, value, frame)
        return self.value(value, self.module_frame(module)) if value is not None else self.one(TENSOR)

    def _of_class(self, owner: ClassV, name: str, frame: Frame | None, node: ast.AST | None) -> Alts:
        last = owner.fqn.rpartition(":")[2]
        if name == "__name__":
            return self.one(Const.of(last))
        if self.inherits(owner.fqn, "Enum", "IntEnum", "StrEnum", "Flag") and name in self.members(owner.fqn):
            return self.one(Const((last, name.lstrip("_")), "enum"))
        found = self._member(owner, owner.fqn, name, frame, node)
        return found if found is not None else self.one(NOBODY)
