"""Real layouts of ModelSlim checkpoints with their descriptions."""

from __future__ import annotations

from classify_tables import facts, group
from real_layouts import (
    ALL,
    BASE,
    MLA,
    Layout,
    bf16,
    described,
    draft,
    model,
    moe_config,
    slim,
)


def slim_static_and_cache() -> Layout:
    tensors = model(slim("static"), slim("static"))
    cache = [
        group(f"model.layers.*.self_attn.{n}_proj.kv_cache_{part}", "F32", (256,), ALL)
        for n in ("k", "v")
        for part in ("scale", "offset")
    ]
    description = described([*tensors, *cache], {"_proj": "W8A8"}, model_quant_type="W8A8", kv_cache_type="C8")
    return Layout(facts(BASE, [*tensors, *cache], description=description))


def slim_mixed_mla_with_mtp() -> Layout:
    tensors = model(
        slim("static", also=("dynamic",)), slim("dynamic"), kind="mla", experts=slim("dynamic"), layers=range(5)
    )
    kept = [t for t in tensors if ".kv_b_proj." not in t.template]
    floats = [*bf16("model.layers.*.self_attn.kv_b_proj", *MLA["kv_b_proj"], range(5)), *draft("model.layers.*", [4])]
    kinds = {".self_attn.": "W8A8", ".mlp.": "W8A8_DYNAMIC"}
    description = described([*kept, *floats], kinds, model_quant_type="W8A8_DYNAMIC", version="1.0.0")
    config = moe_config(q_lora_rank=768, kv_lora_rank=512, num_nextn_predict_layers=1)
    return Layout(facts(config, [*kept, *floats], description=description))


def slim_four_bits(packs: bool) -> Layout:
    second = {
        "weight_scale_second": ("F32", "second"),
        "weight_offset_second": ("F32", "second"),
        "scale_bias": ("F32", "column"),
    }
    experts = slim("dynamic", pack=(2, 1) if packs else (1, 1), more=second)
    tensors = model(slim("dynamic"), slim("dynamic"), experts=experts, shared=slim("dynamic"))
    kinds = {".experts.": "W4A8_DYNAMIC", "_proj": "W8A8_DYNAMIC"}
    keys = {"version": "1.0.0"} if packs else {}
    description = described(tensors, kinds, model_quant_type="W4A8_DYNAMIC", group_size=256, **keys)
    return Layout(facts(moe_config(), tensors, description=description))


def slim_mx(kind: str, dtype: str, pack: int) -> Layout:
    store = slim("mx", dtype=dtype, pack=(1, pack))
    tensors = model(store, store, experts=store)
    return Layout(facts(moe_config(), tensors, description=described(tensors, {"_proj": kind}, model_quant_type=kind)))
