"""Where the translation of a release's decisions begins, and how far it goes."""

from __future__ import annotations

#: Where the replay of a server's start begins: ``module``, ``name`` (a class brings the methods in ``ENTRY_METHODS``).
ENTRIES = (
    ("vllm_ascend.platform", "NPUPlatform"),
    ("vllm_ascend.quantization.utils", "maybe_auto_detect_quantization"),
    ("vllm.config", "ModelConfig"),
    ("vllm.config", "VllmConfig"),
    ("vllm.model_executor.model_loader.weight_utils", "get_quant_config"),
    ("vllm.model_executor.layers.quantization", "get_quantization_config"),
    ("vllm.model_executor.layers.quantization", "register_quantization_config"),
    ("vllm.model_executor.layers.linear", "UnquantizedLinearMethod"),
    ("vllm.config", "SpeculativeConfig"),
    ("vllm.transformers_utils.model_arch_config_convertor", "ModelArchConfigConvertorBase"),
)
#: Where the classes of ``PARTIAL`` may be defined.
ENTRY_PACKAGES = ("vllm.config", "vllm_ascend.platform", "vllm.transformers_utils.model_arch_config_convertor")
ENTRY_METHODS = frozenset(
    "__init__ pre_register_and_update supported_quantization verify_quantization _verify_quantization "
    "_get_quantization_config get_quant_config override_quantization_method from_config get_quant_method "
    "create_weights maybe_update_config apply_vllm_mapper get_config_filenames get_supported_act_dtypes "
    "get_min_capability get_name is_cuda is_rocm is_cpu is_xpu is_tpu is_out_of_tree get_device_capability "
    "packed_modules_mapping get_computed_params".split()
)
#: What runs per request or on real tensors; no start-up decision reads it.
NEVER_METHODS = frozenset("apply forward process_weights_after_loading embedding apply_monolithic __repr__".split())
#: Modules whose functions are followed; elsewhere a class is kept as a name with its bases.
FOLLOWED = (
    "vllm_ascend.quantization",
    "vllm_ascend._310p.quantization",
    "vllm_ascend.platform",
    "vllm_ascend.utils",
    "vllm_ascend.device",
    "vllm.platforms.interface",
    "vllm.config.model",
    "vllm.config.vllm",
    "vllm.model_executor.model_loader.weight_utils",
    "vllm.model_executor.layers.quantization.base_config",
    "vllm.model_executor.layers.quantization.compressed_tensors.utils",
    "vllm.model_executor.layers.quantization.utils.quant_utils",
    "vllm.utils.math_utils",
)
#: Modules whose import has effects that the replay needs (registrations); their top level is kept.
EFFECTFUL = ("vllm_ascend.quantization", "vllm_ascend._310p.quantization")
#: Packages whose own methods are read only where they can override another format's choice.
OVERRIDES_ONLY = "vllm.model_executor.layers.quantization"
QUANTIZATION_CONFIG = f"{OVERRIDES_ONLY}.base_config:QuantizationConfig"
OVERRIDE_METHODS = frozenset({"override_quantization_method", "get_name"})
#: Entry classes too large to follow whole: only these methods count, and what they call on ``self``.
PARTIAL = {
    "ModelConfig": frozenset({"_verify_quantization"}),
    "VllmConfig": frozenset({"_get_quantization_config"}),
    "SpeculativeConfig": frozenset({"hf_config_override"}),
    "ModelArchConfigConvertorBase": frozenset({"get_quantization_config"}),
    "NPUPlatform": frozenset(
        "_enum device_name device_type pre_register_and_update verify_quantization supported_quantization is_cuda "
        "is_rocm is_cpu is_xpu is_tpu is_out_of_tree is_cuda_alike get_device_capability has_device_capability".split()
    ),
}
