"""What the walk knows of functions outside the trees, and of the few functions of the trees that hold runtime state."""

from __future__ import annotations

import ast
from typing import Any

from ascend_compat.extract.walk.binding import Args, Words
from ascend_compat.extract.walk.calls import LAYER
from ascend_compat.extract.walk.choices import Choices
from ascend_compat.extract.walk.names import Frame
from ascend_compat.extract.walk.stores import LAYERS
from ascend_compat.extract.walk.summary import Met
from ascend_compat.extract.walk.values import (
    NOBODY,
    NONE,
    TENSOR,
    Alts,
    ClassV,
    Const,
    ExtV,
    FuncV,
    ManyV,
    Obj,
    SeqV,
    merged,
)

#: Packages whose functions hold the state of a running server or handle files: their calls are data.
RUNTIME = (
    "vllm.distributed", "vllm.model_executor.model_loader", "vllm.lora", "vllm.multimodal",
    "vllm.logger", "vllm.inputs", "vllm.engine", "vllm.v1.core", "vllm.v1.worker", "vllm.v1.engine", "vllm.v1.executor",
    "vllm.compilation", "vllm.tokenizers", "vllm.tracing", "vllm.profiler", "vllm.entrypoints", "vllm.v1.kv_offload",
    "vllm.model_executor.offloader", "vllm.model_executor.parameter", "vllm.model_executor.utils", "vllm.v1.metrics",
    "vllm_ascend.distributed", "vllm_ascend.eplb", "vllm_ascend.worker", "vllm_ascend.compilation", "vllm_ascend.lora",
    "vllm.usage", "vllm.model_executor.model_loader", "vllm_ascend.spec_decode", "vllm.v1.spec_decode",
    "vllm.transformers_utils.config", "vllm.transformers_utils.configs", "vllm.transformers_utils.processor",
    "vllm.transformers_utils.utils", "vllm.transformers_utils.repo_utils", "vllm.transformers_utils.dynamic_module",
)  # fmt: skip
ALL_REDUCE = "tensor_model_parallel_all_reduce"
CURRENT_CONFIG = frozenset(
    {"get_current_vllm_config", "get_current_vllm_config_or_none", "get_cached_compilation_config"}
)
PLUGIN_CONFIG, PLUGIN_CONFIGS = "get_ascend_config", "vllm_ascend.ascend_config"
NESTED = frozenset({"init_vllm_registered_model"})
DEVICE_CALLS = frozenset({"get_ascend_device_type", "get_ascend_soc_version"})
COMPLEX = frozenset({"torch.polar", "torch.view_as_complex", "torch.complex"})
#: Functions that give what they are given, by the argument that it is.
SAME = {"typing.cast": -1, "copy.copy": 0, "copy.deepcopy": 0}
VARIABLE_CALLS = frozenset({"os.environ.get", "os.getenv"})
PLUGIN_OPS = "_C_ascend"
REPLACEABLE = ("CustomOp", "PluggableLayer")


class Natives(Choices):
    """Known functions."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: dict[Any, Obj] = {}
        #: What the model runner hands to a forward pass.
        self.context = self.fresh("vllm.forward_context:ForwardContext")

    def native(self, name: str, args: Args, words: Words, frame: Frame, node: ast.AST) -> Alts | None:
        """A call of something outside the trees."""
        if name.startswith("builtins."):
            return self.builtin(name.removeprefix("builtins."), args, words, frame, node)
        if name in ("functools.partial", "partial"):
            return self._partial(args, words)
        if name.startswith("torch.ops."):
            return self._torch_op(name, args, words, frame, node)
        if name in SAME and args:
            return args[SAME[name]]
        if name in COMPLEX:
            self.meet(Met("dtype", name, self.place(frame, node)), frame)
        elif name.startswith("torch_npu."):
            self.meet(Met("npu", name, self.place(frame, node)), frame)
        elif name.startswith(("torch.nn.ModuleList", "nn.ModuleList")):
            return self.one(ManyV(self.elements(args[0]))) if args else self.one(ManyV(()))
        elif name.endswith(".Sequential"):
            made = self.fresh("torch.nn:Sequential")
            made.attrs["items"] = tuple(a for arg in args for a in self.flat(arg))
            return self.one(made)
        elif name in VARIABLE_CALLS and args and isinstance(args[0][0][1], Const):
            return self._unset(str(args[0][0][1].value), args)
        elif name == "importlib.util.find_spec" and args and isinstance(args[0][0][1], Const):
            return self.one(NONE if self.world.absent(str(args[0][0][1].value)) else TENSOR)
        elif name == "dataclasses.replace":
            return self.one(self._altered(args, words))
        elif self._missing(name, frame):
            self.meet(Met("package", name, self.place(frame, node)), frame)
        return self.passed(args)

    def _missing(self, name: str, frame: Frame) -> bool:
        """Whether a package is not there; what the plugin itself calls was written for the device it runs on."""
        outside = "." in name and not name.startswith(("object.", "builtins."))
        return outside and not frame.module.name.startswith("vllm_ascend.") and self.world.absent(name)

    def _altered(self, args: Args, words: Words) -> Any:
        """A configuration object with other fields, the same one for the same fields."""
        base = args[0][0][1] if args and len(args[0]) == 1 else None
        if not isinstance(base, Obj):
            return NOBODY
        key = (base, tuple(sorted(words.items())))
        if key not in self._parts:
            made = self._parts[key] = self.fresh(base.cls, base.settings)
            made.attrs.update({**base.attrs, **words})
        return self._parts[key]

    def _unset(self, name: str, args: Args) -> Alts:
        """An environment variable: what the trees make of it, else unset."""
        known = self.world.environment.get(name)
        if isinstance(known, str):
            return self.one(Const.of(known))
        return args[1] if len(args) > 1 else self.one(NONE)

    def flat(self, alts: Alts) -> Alts:
        """Elements of a sequence argument, or the argument."""
        return self.elements(alts) if any(isinstance(v, (SeqV, ManyV)) for _, v in alts) else alts

    def _partial(self, args: Args, words: Words) -> Alts:
        out = []
        for cond, func in args[0] if args else ():
            if isinstance(func, FuncV):
                names = [a.arg for a in func.code.node.args.args][1 if func.bound is not None else 0 :]
                given = dict(func.given) | dict(zip(names, args[1:], strict=False)) | words
                func = FuncV(func.code, func.bound, tuple(sorted(given.items())))
            out.append((cond, func))
        return tuple(out) or self.one(NOBODY)

    def _torch_op(self, name: str, args: Args, words: Words, frame: Frame, node: ast.AST) -> Alts:
        space, _, op = name.removeprefix("torch.ops.").partition(".")
        op = op.partition(".")[0]
        if space == "vllm" or (not op and space):
            target = self.world.torch_op(op)
            if target is None:
                return self.one(TENSOR)
            out: list[Any] = []
            saved, own = frame.env.get(LAYER), frame.self_
            if own is not None:
                frame.env[LAYER] = self.one(self.layer_of(own))
            for cond, func in self.dotted(target):
                if isinstance(func, FuncV):
                    out.extend((cond, v) for _, v in self.call(func, args, words, frame, node, cond))
            if saved is None:
                frame.env.pop(LAYER, None)
            else:
                frame.env[LAYER] = saved
            return self.one(TENSOR)
        if space == PLUGIN_OPS:
            built = self.world.built.get(op, self.world.full)
            self.meet(Met("plugin-op", f"{space}.{op}", self.place(frame, node)), frame, built)
            if built != self.world.full:
                self.meet(Met("not-built", f"{space}.{op}", self.place(frame, node)), frame, self.world.full & ~built)
        elif space.startswith("_") and op:
            self.meet(Met("cuda", f"torch.ops.{space}.{op}", self.place(frame, node)), frame)
        return self.one(TENSOR)

    # functions of the trees --------------------------------------------------------------------------------------

    def native_function(self, func: FuncV, args: Args, words: Words, frame: Frame, node: ast.AST) -> Alts | None:
        """Functions of the trees whose meaning the walk knows."""
        name = func.code.fqn.rpartition(":")[2]
        module = func.code.module
        if name in CURRENT_CONFIG:
            return self.config_setting(name)
        if name == "get_forward_context":
            return self.one(self.context)
        if name == PLUGIN_CONFIG:
            return self._plugin_config(frame, node)
        if name == "replace" and module == "vllm.config.utils":
            return self.one(self._altered(args, words))
        if name.endswith("VllmConfig.with_hf_config") and args:
            return self._with_config(args[0])
        if name.endswith("ModelConfig.using_transformers_backend"):
            return self.one(Const.of(False))  # the class of the registry is what runs
        if name == "get_attn_backend":
            return self.backend(func, args, words, frame, node)
        if name in NESTED:
            self._nested(args, words, frame, node)
            return self.one(TENSOR)
        if name in DEVICE_CALLS:
            return self.devices(name)
        if name == "is_310p":
            return self.by_device([s == "310P" for s in self.world.socs])
        profile = self.profile(func) if not args and not words else None
        if profile is not None:
            return profile
        if name == "vllm_version_is" and args and isinstance(args[0][0][1], Const):
            return self.one(Const.of(str(args[0][0][1].value) == self.world.vllm_version))
        if module.startswith(RUNTIME):
            if name == ALL_REDUCE and frame.self_ is not None and self._unreduced(frame.self_):
                self.meet(Met("all-reduce", frame.self_.cls, self.place(frame, node)), frame)
            return self.passed(args)
        return None

    def _unreduced(self, owner: Obj) -> bool:
        """Whether a module holds experts that leave the reduction to it."""
        parts = [v for alts in owner.attrs.values() for _, v in alts if isinstance(v, Obj) and not v.settings]
        return any(
            self.inherits(part.cls, "FusedMoE")
            and any(v == Const.of(False) for _, v in part.attrs.get("reduce_results", ()))
            for part in parts
        )

    def config_setting(self, name: str) -> Alts:
        """The configuration of the running server, or a part of it."""
        found = self.dotted("vllm.config.VllmConfig")
        cls = next((v.fqn for _, v in found if isinstance(v, ClassV)), None)
        if cls is None:
            return self.one(NOBODY)
        made = self.setting(cls)
        return self._field(made, "compilation_config", None, None) if "compilation" in name else self.one(made)

    def _plugin_config(self, frame: Frame, node: ast.AST) -> Alts:
        """The plugin's configuration: its class made for the server's, or what the function that makes it gives."""
        given = [self.config_setting("")]
        for _, cls in self.dotted(f"{PLUGIN_CONFIGS}.AscendConfig"):
            if isinstance(cls, ClassV) and next(self.find_member(cls.fqn, "__init__"), None) is not None:
                return self.instance(cls, given, {}, frame, node)
        return merged(a for _, func in self.dotted(f"{PLUGIN_CONFIGS}.init_ascend_config")
                      for a in self.call(func, given, {}, frame, node)) or self.one(NOBODY)  # fmt: skip

    def _with_config(self, alts: Alts) -> Alts:
        """The server's configuration with another part of config.json as the model's."""
        out: list[Any] = []
        for cond, config in alts:
            known = self._parts.get(config)
            for _, base in self.config_setting("") if known is None else ():
                model = self._field(base, "model_config", None, None)[0][1]
                part, known = self.fresh(model.cls, settings=True), self.fresh(base.cls, settings=True)
                part.attrs.update(hf_config=self.one(config), hf_text_config=self.one(config))
                known.attrs["model_config"] = self.one(part)
                self._parts[config] = known
            out.append((cond, known))
        return merged(out)

    def made(self, cls: str, frame: Frame, node: ast.AST) -> list[tuple[int, str]]:
        """Classes that are made where one is named: the plugin's, by the exact name."""
        if not self.inherits(cls, *REPLACEABLE):
            return [(self.world.full, cls)]
        last = cls.rpartition(":")[2]
        out: list[tuple[int, str]] = []
        left = self.world.full
        at = self.place(frame, node)
        for mask, other, where in self.world.replaced.get(last, ()):
            out.append((mask, other))
            left &= ~mask
            self.meet(Met("replaced", last, at, other, where), frame, mask)
        if left:
            out.append((left, cls))
            if not cls.startswith("vllm_ascend"):
                self.meet(Met("native", last, at, cls, self.class_at(cls)), frame, left)
        return out

    def attribute(self, owner: Any, name: str, frame: Frame | None, node: ast.AST | None) -> Alts:
        """Attributes with the state of a running server behind them."""
        if name in LAYERS and frame is not None and LAYER in frame.env:
            return self.one(ManyV(frame.env[LAYER]))
        if (
            isinstance(owner, Obj)
            and not owner.settings
            and name == "_forward_method"
            and self.inherits(owner.cls, *REPLACEABLE)
        ):
            return super().attribute(owner, "forward_oot", frame, node)
        if isinstance(owner, ExtV) and owner.name == "torch" and name in ("complex64", "complex128") and frame and node:
            self.meet(Met("dtype", f"torch.{name}", self.place(frame, node)), frame)
        return super().attribute(owner, name, frame, node)
