"""Names of the facts a curated condition may read, with what each holds."""

from __future__ import annotations

from collections.abc import Mapping

#: Fact names with what they hold; docs/rules.md shows this table.
FACTS: Mapping[str, str] = {
    "architecture": "first entry of `architectures`",
    "model_type": "`model_type` of config.json",
    "checkpoint.missing_code": "Python files that `auto_map` names and that are not beside config.json",
    "checkpoint.tokenizer": "`tokenizer_class` of tokenizer_config.json",
    "modality": "`text` and the modality of every tower",
    "dtype": "the dtype the model runs in",
    "attention.kind": "attention kinds of the layers",
    "attention.head_dim": "head sizes of the softmax attention layers (not MLA)",
    "attention.heads_per_rank": "query heads on one tensor-parallel rank of the layout under study",
    "model.class": "classes of vLLM or vllm-ascend that make up the model, and what they extend: `glm4:Glm4Attention`",
    "rotation.share": "rotated share of a head in full-attention layers",
    "rotation.sections": "`mrope_section` of multimodal positions, as `[16, 24, 24]`",
    "moe": "whether there are routed experts",
    "moe.experts": "routed experts of a layer",
    "moe.gate_up_surplus": "columns of the gate and up projections of an expert beyond its inputs; negative when fewer",
    "pooling": "whether the model is served for its pooled output: by `--runner`, `--task`, or its architecture",
    "lora.narrow": "last name of modules split over ranks with an output narrower than `--max-lora-rank`",
    "linear.single": "last name of float linear modules whose weight is one row or one column on a rank",
    "mtp": "whether MTP tensors are in the checkpoint",
    "mtp.float": "whether the MTP layers of a quantized checkpoint are stored in float",
    "quantization.method": "declared method; `none` for a float checkpoint",
    "quantization.declared": "declared schemes in the format's own words",
    "quantization.kv_cache": "declared quantization of the KV cache",
    "quantization.place": "where quantized modules lie: `body`, `tower`",
    "quantization.module": "last name of the quantized modules (`kv_b_proj`)",
    "dispatch.method": "method the release ends up with; `none` for unquantized",
    "dispatch.linear": "scheme types the release chose for linear modules",
    "dispatch.moe": "scheme types the release chose for experts",
    "dispatch.class": "classes of the chosen schemes",
    "dispatch.module": "last name of the modules that got a scheme",
    "target.vllm": "vLLM version the release is paired with",
    "target.cann": "CANN version of the release",
    "target.soc": "the device, by its name in soc.toml",
    "launch.tp": "tensor parallel size of the layout under study",
    "launch.dp": "data parallel size of the layout under study",
    "launch.pp": "pipeline parallel size of the layout under study",
    "launch.ep": "expert parallel in the layout under study",
    "launch.quantization": "`--quantization`",
    "launch.speculative": "speculative method that was asked for",
    "launch.speculative_tokens": "`num_speculative_tokens` that was asked for",
    "launch.additional_config": "additional-config keys set and not false, nested with dots, also as `key=value`",
    "launch.eager": "`--enforce-eager`",
    "launch.graphs": "`cudagraph_mode` of `--compilation-config`; `NONE` with `--enforce-eager`",
    "launch.prefix_caching": "whether prefix caching was switched on or off",
    "launch.environment": "variables that are set: `NAME=value`, and `NAME` where the value is not empty, 0 or false",
    "launch.flag": "other flags, each as `--name` and, with a value, also as `--name=value`",
}
#: Beginnings of fact names whose rest is a key of its own.
FAMILIES: Mapping[str, str] = {
    "config.": "a value of config.json by its dotted path; of a table, the names of its keys",
    "description.": "a top-level value of quant_model_description.json",
    "pack.": "names of a section of the pack: `pack.environment`, `pack.flags`, `pack.scheme_reads`, ...",
}
#: Sections of a pack that are tables of names.
SECTIONS = (
    "additional_config", "architectures", "code", "custom_ops", "environment", "flags", "reasoning_parsers",
    "removed_architectures", "scheme_reads", "tool_parsers",
)  # fmt: skip


def known(name: str) -> bool:
    """Whether a condition may name this fact."""
    if name.startswith("pack."):
        return name.removeprefix("pack.") in SECTIONS
    return name in FACTS or any(name.startswith(family) and name != family for family in FAMILIES)
