"""Settings of a server that is started without options: configuration classes with their defaults."""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import Any, TypeGuard

from ascend_compat.extract.statements import every
from ascend_compat.extract.tree import Module
from ascend_compat.extract.walk.names import Frame, Names
from ascend_compat.extract.walk.values import (
    CONFIG,
    NOBODY,
    NONE,
    TENSOR,
    Alts,
    ClassV,
    Const,
    DictV,
    ExtV,
    FuncV,
    Obj,
    SeqV,
    Sym,
    merged,
    name_text,
)

#: The HF configuration of the model at hand, and the part of it that describes the text model.
ROOT, TEXT = "config", "text_config"
#: Settings of a server that is started without options and without quantization.
SETTINGS: dict[tuple[str, str], Any] = {
    ("ModelConfig", "hf_config"): Sym(CONFIG, ROOT),
    ("ModelConfig", "hf_text_config"): Sym(CONFIG, TEXT),
    ("ModelConfig", "dtype"): ExtV("torch.bfloat16"),
    ("ModelConfig", "model"): TENSOR,
    ("ModelConfig", "quantization"): NONE,
    ("ModelConfig", "model_weights"): TENSOR,
    ("VllmConfig", "quant_config"): NONE,
    ("VllmConfig", "additional_config"): DictV(()),
    ("VllmConfig", "lora_config"): NONE,
    ("VllmConfig", "speculative_config"): NONE,
    ("VllmConfig", "kv_transfer_config"): NONE,
    ("CacheConfig", "cache_dtype"): Const.of("auto"),
    # The server decides these for the model at hand.
    ("CacheConfig", "enable_prefix_caching"): TENSOR,
    ("PoolerConfig", "pooling_type"): TENSOR,
    ("ParallelConfig", "tensor_parallel_size"): TENSOR,
    ("ParallelConfig", "data_parallel_size"): TENSOR,
    ("ParallelConfig", "pipeline_parallel_size"): TENSOR,
    ("ParallelConfig", "enable_expert_parallel"): TENSOR,
}
#: Annotations whose values are decided by the running server.
PLAIN = frozenset({"int", "float", "Tensor"})


class Settings(Names):
    """Configuration objects."""

    def __init__(self) -> None:
        super().__init__()
        self._settings: dict[str, Obj] = {}
        self._fields: dict[tuple[str, str], Alts] = {}
        self._stores: dict[str, dict[str, ast.expr | None]] = {}
        self._count = 0

    def call(self, func: Any, args: Any, keywords: Any, frame: Frame, node: ast.AST, under: Any = None) -> Alts:
        """Overridden by calls."""
        raise NotImplementedError

    def value(self, node: ast.expr | None, frame: Frame) -> Alts:
        """Overridden by expressions."""
        raise NotImplementedError

    def one(self, value: Any) -> Alts:
        """A single value without conditions."""
        return (((self.world.full, ()), value),)

    def fresh(self, cls: str, settings: bool = False) -> Obj:
        """A new instance."""
        self._count += 1
        return Obj(cls, self._count, {}, settings)

    def setting(self, cls: str) -> Obj:
        """The one configuration object of a class that nobody constructs here."""
        if cls not in self._settings:
            self._settings[cls] = self.fresh(cls, True)
        return self._settings[cls]

    def _default(self, module: Module, cls: str, name: str, node: Any) -> Alts:
        """The default of a field of a configuration class."""
        value = getattr(node, "value", None)
        annotation = getattr(node, "annotation", None)
        if is_field(value):
            words = {k.arg: k.value for k in value.keywords}
            factory = words.get("default_factory")
            if factory is not None:
                text = ast.unparse(factory)
                if text in ("dict", "list", "set"):
                    return self.one(DictV(()) if text == "dict" else SeqV(()))
                return self.annotated(factory, module)
            value = words.get("default", value.args[0] if value.args else None)
            if isinstance(value, ast.Constant) and value.value is Ellipsis:
                value = None
        if value is None or (isinstance(value, ast.Constant) and value.value is None):
            optional = annotation is not None and "None" in ast.unparse(annotation)
            computed = self._computed_field(cls, name)
            if computed is not None:
                return computed
            if self._set_later(cls, name):
                typed = self.annotated(annotation, module)
                return typed if any(isinstance(v, Obj) for _, v in typed) else self.one(TENSOR)
            return self.one(NONE) if optional and value is not None else self.annotated(annotation, module)
        return self.value(value, self.module_frame(module))

    def wrapped(self, func: Any, bound: Any, wrapper: str | None, frame: Any, node: Any) -> Alts:
        """A function as a member of a class: bound to the instance or the class, or called where it is a property."""
        if not isinstance(func, FuncV):
            return self.one(func)
        owner: Any = bound if isinstance(bound, Obj) else None
        if owner is not None and wrapper in ("property", "cached_property"):
            made = FuncV(func.code, owner, func.given)
            return self.call(made, [], {}, frame, node) if frame is not None else self.one(NOBODY)
        if wrapper == "staticmethod":
            owner = None
        elif wrapper == "classmethod":
            owner = ClassV(owner.cls) if owner is not None else bound
        return self.one(FuncV(func.code, owner, func.given))

    def given_by_field(self, module: Module, value: ast.Call, frame: Frame | None) -> Alts:
        """What ``field(default=..., default_factory=...)`` gives an instance that is made without the field."""
        words = {k.arg: k.value for k in value.keywords}
        where = self.module_frame(module)
        if "default_factory" in words:
            return merged(a for c, f in self.value(words["default_factory"], where)
                          for a in self.call(f, [], {}, frame or where, value, c))  # fmt: skip
        return self.value(words["default"], where) if "default" in words else self.one(TENSOR)

    def _computed_field(self, cls: str, name: str) -> Alts | None:
        """A field that the class sets to what a method of its own gives, without arguments."""
        made = self._stored(cls).get(name)
        if not isinstance(made, ast.Call) or made.args or not name_text(made.func).startswith("self."):
            return None
        known = self._fields.get((cls, name))
        found = self.world.trees.find_class(cls)
        if known is None and found is not None:
            self._fields[cls, name] = self.one(NOBODY)  # a field that is computed from itself
            frame = replace(self.module_frame(found[0]), env={"self": self.one(self.setting(cls))})
            known = self._fields[cls, name] = self.value(made, frame)
        return known

    def _stored(self, cls: str) -> dict[str, ast.expr | None]:
        """Attributes that methods of a class assign to ``self``, with the last value."""
        known = self._stores.get(cls)
        if known is None:
            known = self._stores[cls] = {}
            found = self.world.trees.find_class(cls)
            for node in every(found[1]) if found else ():
                targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
                for target in targets:
                    if isinstance(target, ast.Attribute) and isinstance(target.ctx, ast.Store):
                        known[target.attr] = getattr(node, "value", None)
        return known

    def _set_later(self, cls: str, name: str) -> bool:
        """Whether the class itself assigns a field after construction."""
        return name in self._stored(cls)

    def annotated(self, annotation: ast.expr | None, module: Module) -> Alts:
        """A value of an annotated type: settings of a configuration class, else data or nobody's guess."""
        text = annotation
        if isinstance(text, ast.Constant) and isinstance(text.value, str):
            try:
                text = ast.parse(text.value, mode="eval").body
            except SyntaxError:
                return self.one(NOBODY)
        if isinstance(text, ast.BinOp):
            return self.annotated(text.left, module)
        if isinstance(text, ast.Subscript):
            head = ast.unparse(text.value).rpartition(".")[2]
            return self.annotated(text.slice, module) if head == "Optional" else self.one(NOBODY)
        if isinstance(text, (ast.Name, ast.Attribute)):
            dotted = ast.unparse(text)
            if dotted.rpartition(".")[2] in PLAIN:
                return self.one(TENSOR)
            found = self.world.trees.resolve(module, dotted)
            if found is not None and isinstance(found.node, ast.ClassDef) and _is_setting(found.fqn):
                return self.one(self.setting(found.fqn))
        return self.one(NOBODY)


def is_field(value: Any) -> TypeGuard[ast.Call]:
    """Whether a class body gives a default as ``field(...)``."""
    return isinstance(value, ast.Call) and ast.unparse(value.func).rpartition(".")[2] in ("field", "Field")


def _is_setting(fqn: str) -> bool:
    """Whether a class holds settings of the server, not a model's configuration."""
    return fqn.startswith("vllm") and fqn.endswith("Config") and "transformers_utils" not in fqn
