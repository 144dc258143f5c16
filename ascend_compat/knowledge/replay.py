"""Replay what a server decides as it starts: which quantization method, which scheme per layer, which parameters."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ascend_compat.knowledge.config_objects import (
    ascend_config,
    convert,
    engine_config,
    made_mapper,
    model_config,
    quantization_config,
    record,
)
from ascend_compat.knowledge.environment import Environment
from ascend_compat.knowledge.evaluate.machine import Machine
from ascend_compat.knowledge.evaluate.values import (
    Class,
    EnumMember,
    External,
    Function,
    Instance,
    Native,
    Raised,
    Tensor,
    Undecided,
    Unknown,
)
from ascend_compat.knowledge.layer_method import allocate_weights, computed_params, read_method
from ascend_compat.knowledge.outcomes import ATTENTION, LayerOutcome, LayerSpec, Startup, Trouble
from ascend_compat.knowledge.specs import layer_class

CONFIG = "vllm.config"
PLUGIN = "vllm_ascend."
PLATFORM = ("vllm_ascend.platform", "NPUPlatform")
#: What a configuration object is told of projections that the model stores as one.
FUSED = "packed_modules_mapping"
DTYPES = {"bfloat16": "torch.bfloat16", "float16": "torch.float16", "float32": "torch.float32"}


class Replay:
    """One server start on one device type with one checkpoint's files."""

    def __init__(
        self, code: Mapping[str, Any], environment: Environment, kernels: Mapping[str, Any] | None = None
    ) -> None:
        self.environment = environment
        self.kernels = kernels or {}
        self.machine = Machine(code, environment.externals())
        self.dtype = External(DTYPES.get(environment.dtype, "torch.bfloat16"))
        # The engine hands out the platform lazily: modules that bind it as they load see it complete later.
        self.platform = Instance(None, {}, closed=False, label="current_platform")
        self.machine.externals["vllm.platforms.current_platform"] = self.platform
        known = self.machine.member(CONFIG, "ModelConfig")
        self.model_config = model_config(environment, known if isinstance(known, Class) else None, self.dtype)
        self.load_config = Instance(None, {"download_dir": None}, closed=False, label="load_config")
        self.vllm_config = engine_config(environment, self.model_config, self.load_config)
        self.machine.externals["vllm.model_executor.models.utils.WeightsMapper"] = Native("WeightsMapper", made_mapper)
        for name in ("get_current_vllm_config", "get_current_vllm_config_or_none"):
            self.machine.externals[f"vllm.config.{name}"] = Native(name, lambda args, keywords, at: self.vllm_config)
        self.machine.externals["vllm_ascend.ascend_config.get_ascend_config"] = Native(
            "get_ascend_config", lambda args, keywords, at: ascend_config(environment)
        )

    def start(self) -> Startup:
        """Registration, verification, configuration, auto-detection: in the order a server runs them."""
        out = Startup()
        stages = (
            ("registration", self._register),
            ("verification", self._verify),
            ("configuration", self._configure),
            ("auto-detection", self._detect),
        )
        for name, run in stages:
            trouble = self._attempt(name, run)
            if trouble is not None:
                out.trouble = trouble
                break
        quantization = self.model_config.names["quantization"]
        if isinstance(quantization, Unknown) and out.trouble is None:
            out.trouble = Trouble("auto-detection", None, quantization.reason, quantization.at)
        out.method = quantization if isinstance(quantization, str) else None
        config = self.vllm_config.names["quant_config"]
        out.config = config if isinstance(config, Instance) else None
        if out.method and out.config is None and out.trouble is None:
            at, reason = (config.at, config.reason) if isinstance(config, Unknown) else ("", "no configuration object")
            out.trouble = Trouble("configuration", None, reason, at)
        out.auto_detected = out.method is not None and self.environment.quantization is None and not self._declared()
        out.returns = list(self.machine.returns)
        out.supported = self._supported()
        return out

    def _supported(self) -> tuple[str, ...]:
        """Values of ``--quantization`` that the platform accepts."""
        listed: Any = None
        with contextlib.suppress(Raised, Undecided):
            listed = self.machine.attribute(self.platform, "supported_quantization", "")
        return tuple(name for name in listed if isinstance(name, str)) if isinstance(listed, list) else ()

    def _declared(self) -> bool:
        declared = quantization_config(self.environment.config)
        return bool(declared and declared.get("quant_method"))

    def _attempt(self, stage: str, run: Any) -> Trouble | None:
        try:
            run()
        except Raised as error:
            return Trouble(stage, error.kind, error.message, error.at)
        except Undecided as error:
            return Trouble(stage, None, error.reason, error.at)
        except RecursionError:
            return Trouble(stage, None, "evaluation nests too deeply", "")
        if self.machine.lost:
            return Trouble(stage, None, self.machine.lost[0].reason, self.machine.lost[0].at)
        return None

    def _register(self) -> None:
        platform = self.machine.member(*PLATFORM)
        if not isinstance(platform, Class):
            raise Undecided("vllm_ascend/platform.py", "the platform class was not found")
        self.platform.cls, self.platform.closed = platform, True
        self._method(platform, "pre_register_and_update", [])

    def _verify(self) -> None:
        convert(self.machine, self.model_config)
        self._method(self._class(CONFIG, "ModelConfig"), "_verify_quantization", [self.model_config])

    def _configure(self) -> None:
        self._require_kernels()
        owner = self._class(CONFIG, "VllmConfig")
        config = self._method(owner, "_get_quantization_config", [self.model_config, self.load_config])
        self.vllm_config.names["quant_config"] = config

    def _require_kernels(self) -> None:
        """A format that the engine's own class serves needs a kernel table with an entry for this platform."""
        method = self.model_config.names["quantization"]
        finder = self.machine.member("vllm.model_executor.layers.quantization", "get_quantization_config")
        if not isinstance(method, str) or not self.kernels or not isinstance(finder, Function):
            return
        serves = self.machine.call(finder, [method], {}, "")
        platform = self.machine.attribute(self.platform, "_enum", "")
        if not isinstance(serves, Class) or not isinstance(platform, EnumMember) or serves.module.startswith(PLUGIN):
            return
        if not any(platform.name in table["platforms"] for table in self.kernels.values()):
            first = next(iter(self.kernels.values()))
            message = f"{method} is served by {serves.name}, whose kernels are listed for {first['platforms']} only"
            raise Raised(first["raises"], f"{platform.name}: {message}", first["at"])

    def _detect(self) -> None:
        module, name = "vllm_ascend.quantization.utils", "maybe_auto_detect_quantization"
        detect = self.machine.member(module, name)
        if isinstance(detect, External):  # releases before auto-detection have no such function
            return
        try:
            self.machine.call(detect, [self.vllm_config], {}, module)
        except Undecided:
            self._require_kernels()  # the engine's own configuration is not followed, but it may end there
            raise
        self._require_kernels()

    def _class(self, module: str, name: str) -> Class:
        found = self.machine.member(module, name)
        if not isinstance(found, Class):
            raise Undecided(module, f"{name} was not found in the tree")
        return found

    def _method(self, owner: Class, name: str, args: list[Any]) -> Any:
        return self.machine.call(self.machine.attribute(owner, name, owner.at), args, {}, owner.at)

    def draft(self) -> tuple[str | None, str | None]:
        """The draft architecture that MTP would run with, and the line that names it; ``(None, None)`` when none is."""
        owner = self.machine.member(CONFIG, "SpeculativeConfig")
        if not isinstance(owner, Class):
            return None, None
        config = record(copy.deepcopy(dict(self.environment.config)), "hf_config")
        seen: list[str] = []

        def update(args: list[Any], keywords: dict[str, Any], at: str) -> None:
            config.names.update(args[0] if args and isinstance(args[0], dict) else {})
            seen.append(at)

        config.names["update"] = Native("update", update)
        outcome = config
        with contextlib.suppress(Raised, Undecided):
            outcome = self._method(owner, "hf_config_override", [config])
        names = outcome.names.get("architectures") if isinstance(outcome, Instance) else None
        found = names[0] if isinstance(names, list) and names and isinstance(names[0], str) else None
        return (found, seen[-1]) if seen else (None, None)

    # layers ------------------------------------------------------------------------------------------------------

    def prepare(self, packed: Mapping[str, Any], mapper: Instance | None) -> Trouble | None:
        """What model construction does to the configuration object before the first layer asks it."""
        config = self.vllm_config.names["quant_config"]
        if not isinstance(config, Instance):
            return None
        config.names[FUSED] = copy.deepcopy(dict(packed))
        if mapper is None or config.cls is None:
            return None
        return self._attempt(
            "configuration",
            lambda: self.machine.call(self.machine.attribute(config, "apply_vllm_mapper", ""), [mapper], {}, ""),
        )

    @contextlib.contextmanager
    def inside(self, part: str, packed: Mapping[str, list[str]] | None) -> Iterator[None]:
        """While a nested model is made: the engine's configuration has that part of config.json in the place of the
        whole, and the configuration object the nested class's fused names.

        Source: ``VllmConfig.with_hf_config`` and ``initialize_model`` of vLLM.
        """
        nested = self.model_config.names["hf_config"].names.get(part)
        if isinstance(nested, Instance) and "model_type" in nested.names:
            names = {**self.model_config.names, "hf_config": nested}
            self.vllm_config.names["model_config"] = replace(self.model_config, names=names)
        config = self.vllm_config.names["quant_config"]
        changed = config.names if packed is not None and isinstance(config, Instance) else {}
        held = {FUSED: changed.get(FUSED)}
        changed[FUSED] = copy.deepcopy(dict(packed or {}))
        try:
            yield
        finally:
            self.vllm_config.names["model_config"] = self.model_config
            changed.update(held)

    def layer(self, spec: LayerSpec, allocate: bool = True) -> LayerOutcome:
        """Ask the configuration object for the module's method and let it allocate the parameters.

        Without tensors the sizes are not known: ``allocate=False`` only asks.
        """
        out = LayerOutcome()
        start = len(self.machine.returns)
        layer = self._layer_object(spec, out)
        config = self.vllm_config.names["quant_config"]
        if not isinstance(config, Instance):
            return out
        result: list[Any] = []

        def ask() -> None:
            ask_method = self.machine.attribute(config, "get_quant_method", "")
            result.append(self.machine.call(ask_method, [layer, spec.prefix], {}, ""))

        out.trouble = self._attempt("layer", ask)
        if out.trouble is None:
            read_method(result[0], out)
        if spec.kind == ATTENTION and out.trouble is None and out.scheme is not None:
            out.params.update(self._assigned(result[0], layer, spec))
        elif allocate and out.trouble is None and out.scheme is not None:
            out.trouble = self._attempt(
                "allocation", lambda: allocate_weights(self.machine, result[0], layer, spec, self.dtype)
            )
            out.computed = computed_params(self.machine, result[0])
        out.returns = self.machine.returns[start:]
        return out

    def _assigned(self, method: Instance, layer: Instance, spec: LayerSpec) -> dict[str, Tensor]:
        """What ``create_weights`` of an attention layer's method assigns; empty where that can't be followed."""
        known = set(layer.names)
        trouble = self._attempt("allocation", lambda: allocate_weights(self.machine, method, layer, spec, self.dtype))
        if trouble is not None:
            return {}
        return {k: v for k, v in layer.names.items() if k not in known and isinstance(v, Tensor)}

    def _layer_object(self, spec: LayerSpec, out: LayerOutcome) -> Instance:
        def register(args: list[Any], keywords: dict[str, Any], at: str) -> None:
            if len(args) == 2 and isinstance(args[0], str) and isinstance(args[1], Tensor):
                out.params[args[0]] = args[1]

        names = {"register_parameter": Native("register_parameter", register), "prefix": spec.prefix}
        return Instance(layer_class(self.machine, spec), names, closed=False, label=spec.cls)
