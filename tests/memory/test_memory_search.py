"""The minimum card count, its proof, the validity checks and the findings that follow."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_models import RULES, Model, deepseek_v3, glm47, launch, qwen3, qwen3_moe, qwen35, rules, target

from ascend_compat.core.facts import TensorGroup
from ascend_compat.core.plan import Layout, MemoryPlan
from ascend_compat.core.profile import AttentionGroup, AttentionKind
from ascend_compat.core.target import Target
from ascend_compat.core.units import GIB
from ascend_compat.core.verdict import Effect, Severity
from ascend_compat.errors import RuleError, UsageError
from ascend_compat.memory.findings import memory_findings
from ascend_compat.memory.plan import make_plan
from ascend_compat.memory.rules import load_memory_rules
from ascend_compat.memory.soc import load_socs, resolve_soc
from ascend_compat.report.catalog import templates


def plan(model: Model, on: Target | None = None, **options: object) -> MemoryPlan:
    return make_plan(*model, on or target(), launch(**options), rules(), {})


@pytest.mark.parametrize(
    ("model", "npus"),
    [
        (glm47(), 16),
        (glm47(w8=True), 8),
        (deepseek_v3(w8=True), 16),
        (deepseek_v3(), 32),
        (qwen3_moe(w8=True), 8),
        (qwen3_moe(), 16),
        (qwen3(1024, 28, 16, 8, 3072, True), 1),
        (qwen3(5120, 40, 40, 8, 17408, False), 1),
        (qwen35(), 1),
    ],
)
def test_published_minimums(model: Model, npus: int) -> None:
    minimum = plan(model).minimum
    assert minimum is not None and minimum.npus == npus
    assert minimum.npus == minimum.tp * minimum.dp * minimum.pp
    assert minimum.tp <= 8


def test_the_proof_names_why_every_smaller_count_fails() -> None:
    result = plan(glm47())
    assert result.minimum == Layout(16, 2, 8, 2, 1, True)
    assert [a.layout.npus for a in result.tried] == sorted(a.layout.npus for a in result.tried)
    assert {a.layout.npus for a in result.tried} == {1, 2, 4, 8, 16}
    assert all(not a.fits and a.first_failure is not None for a in result.tried[:-1])
    eight = next(a for a in result.tried if a.layout == Layout(8, 1, 8, 1, 1, True))
    failure = eight.first_failure
    assert failure is not None and failure.id == "AC401.budget"
    assert list(failure.params)[:3] == ["required", "limit", "available"]
    assert failure.params["weights_gib"] == 82.47
    assert failure.params["limit"] == int(0.9 * 65_464_696_832)


def test_more_utilization_buys_fewer_cards() -> None:
    barely = plan(qwen3_moe(), gpu_memory_utilization=0.95, max_num_seqs=32)
    assert barely.minimum is not None and barely.minimum.npus == 8
    assert barely.recommended is not None and barely.recommended.npus == 16


def test_a_node_bounds_tensor_parallelism() -> None:
    assert max(a.layout.tp for a in plan(glm47(), target("A3")).tried) <= 16
    dense = plan(qwen3(16384, 126, 128, 8, 53248, False))
    assert dense.minimum is not None
    assert dense.minimum.dp == 1 and dense.minimum.tp == 8 and dense.minimum.pp > 1


def test_default_utilization_comes_from_the_release() -> None:
    release = {"gpu_memory_utilization": {"value": 0.5, "at": "vllm/config/cache.py:41"}}
    result = make_plan(*qwen3_moe(), target(), launch(tp=8), rules(), release)
    assert result.studied is not None and result.studied.rank is not None
    assert result.studied.rank.budget == int(0.5 * 65_464_696_832)
    assert any(e.path == "vllm/config/cache.py" and e.line == 41 for e in result.evidence)


@pytest.mark.parametrize(("vllm", "share"), [("0.18.0", 0.9), ("0.20.2", 0.92), ("0.23.0", 0.92), (None, 0.9)])
def test_fallback_utilization_by_interval(vllm: str | None, share: float) -> None:
    on = replace(target(), vllm=vllm)
    result = plan(qwen3_moe(), on, tp=8)
    assert result.studied is not None and result.studied.rank is not None
    assert result.studied.rank.budget == int(share * on.soc.memory_bytes)


def refusal(model: Model, on: Target | None = None, **options: object) -> str:
    studied = plan(model, on, **options).studied
    assert studied is not None and studied.first_failure is not None and studied.rank is None
    return studied.first_failure.id


def test_layouts_the_engine_refuses() -> None:
    mtp = {"method": "mtp", "num_speculative_tokens": 1}
    dense = qwen3(1024, 28, 16, 8, 3072, True)
    assert refusal(dense, tp=3) == "AC410.heads"
    assert refusal(dense, tp=1, ep=True) == "AC411.none"
    assert refusal(dense, tp=1, pp=29) == "AC413.stages"
    assert refusal(dense, tp=1, max_model_len=40961) == "AC412.length"
    assert refusal(dense, tp=1, speculative={"method": "ngram", "num_speculative_tokens": 16}) == "AC413.speculative"
    middle = target(release="0.23.0", vllm="0.23.0")
    assert refusal(glm47(), middle, tp=8, pp=2, speculative=mtp) == "AC413.mtp_stages"
    assert refusal(glm47(), tp=8, dp=3) == "AC411.count"
    assert refusal(glm47(), tp=12) == "AC410.kv_heads"
    assert refusal(deepseek_v3(), target("310P"), tp=8) == "AC414.latent"
    assert refusal(qwen35(), tp=32) == "AC410.state_heads"


def test_expert_width_matters_without_expert_parallelism() -> None:
    facts, prof = glm47()
    assert prof.moe is not None
    narrow = replace(prof, moe=replace(prof.moe, intermediate_size=1500))
    assert refusal((facts, narrow), tp=8, ep=False) == "AC411.intermediate"


def test_an_asked_layout_that_is_short_is_a_conditional_blocker() -> None:
    result = plan(glm47(), tp=8)
    (finding,) = memory_findings(result, target(), launch(tp=8))
    assert (finding.code, finding.severity, finding.effect) == ("AC401", Severity.BLOCKER, Effect.OUT_OF_MEMORY)
    assert finding.conditional and finding.remedy is not None
    assert finding.remedy.params["npus"] == 16 and finding.remedy.params["layout"] == "TP8 DP2 EP"


def test_a_model_that_fits_has_no_blocker() -> None:
    assert memory_findings(plan(glm47()), target(), launch()) == ()


def test_a_model_for_no_layout_is_a_blocker() -> None:
    tiny = target(memory=0.5)
    (finding,) = memory_findings(plan(qwen3(5120, 40, 40, 8, 17408, False), tiny), tiny, launch())
    assert finding.message.id == "AC401.nowhere" and not finding.conditional


def test_a_refused_length_is_not_called_a_memory_problem() -> None:
    options = {"max_model_len": 50_000}
    result = plan(qwen3(1024, 28, 16, 8, 3072, True), **options)
    (finding,) = memory_findings(result, target(), launch(**options))
    assert (finding.code, finding.effect) == ("AC412", Effect.FAILS_AT_STARTUP)


def test_tight_and_short_of_concurrency() -> None:
    options = {"tp": 8, "gpu_memory_utilization": 0.95, "max_num_seqs": 32, "max_num_batched_tokens": 8096}
    codes = [f.code for f in memory_findings(plan(qwen3_moe(), **options), target(), launch(**options))]
    assert codes == ["AC402", "AC404"]


def test_a_fixed_kv_size_is_held_against_the_device() -> None:
    result = plan(qwen35(), tp=1, max_model_len=512, kv_cache_memory_bytes=100 * GIB)
    assert result.studied is not None and result.studied.first_failure is not None
    assert result.studied.first_failure.id == "AC401.device"


def test_without_tensors_the_answer_is_unknown() -> None:
    facts, prof = glm47()
    empty = plan((replace(facts, tensors=(), has_weights=False), prof))
    assert (empty.studied, empty.minimum, empty.tried) == (None, None, ())
    (finding,) = memory_findings(empty, target(), launch())
    assert finding.code == "AC409" and finding.undetermined


def test_unknown_attention_is_unknown_memory() -> None:
    facts, prof = glm47()
    odd = AttentionGroup(AttentionKind.UNKNOWN, tuple(range(92)))
    result = plan((facts, replace(prof, attention=(odd,))))
    assert [m.id for m in result.unknown] == ["AC409.attention"] and result.studied is None


def test_assumptions_are_said() -> None:
    assert {m.id for m in plan(glm47()).unknown} >= {"AC409.length", "AC409.batch"}
    assert not plan(glm47(), tp=8, max_model_len=4096, max_num_batched_tokens=4096).unknown


@pytest.mark.parametrize("name", ["A2", "910B", "Ascend910B3", "910_93", "910C", "950", "_310P", "310p"])
def test_soc_aliases(name: str) -> None:
    assert resolve_soc(name, None, RULES).memory_bytes > 0


def test_soc_errors_and_memory_sizes() -> None:
    assert resolve_soc("A2", "64G", RULES).memory_bytes == 65_464_696_832
    assert resolve_soc("generic", 80, RULES).memory_bytes == 80 * GIB
    assert load_socs(RULES)["a3"].npus_per_node == 16
    for name, memory in (("H100", None), ("generic", None), ("A2", "lots"), ("A2", 0)):
        with pytest.raises(UsageError) as caught:
            resolve_soc(name, memory, RULES)
        assert "\n" not in str(caught.value) and caught.value.hint


def test_rule_files_are_checked(tmp_path: object) -> None:
    from pathlib import Path

    folder = Path(str(tmp_path))
    for name in ("memory.toml", "memory_modules.toml", "layouts.toml"):
        (folder / name).write_text((RULES / name).read_text(encoding="utf-8"), encoding="utf-8")
    assert load_memory_rules(folder).integer("vocabulary_padding") == 64
    with (folder / "memory.toml").open("a", encoding="utf-8") as file:
        file.write("\n[surprise]\nvalue = 1\n")
    with pytest.raises(RuleError, match="surprise"):
        load_memory_rules(folder)
    with pytest.raises(RuleError):
        load_memory_rules(folder / "absent.toml")
    with pytest.raises(RuleError):
        rules().number("absent")


def test_every_message_has_a_template() -> None:
    assert {m.id for m in _every_message()} <= templates("en").keys()


def _every_message() -> list[object]:
    seen = []
    for model in (glm47(), qwen35(), qwen3_moe()):
        for options in ({}, {"tp": 8}, {"tp": 3}, {"tp": 8, "gpu_memory_utilization": 0.95, "max_num_seqs": 32}):
            result = plan(model, **options)
            seen += [*result.unknown, *(a.first_failure for a in result.tried if a.first_failure)]
            for finding in memory_findings(result, target(), launch(**options)):
                seen += [finding.message, *([finding.remedy] if finding.remedy else [])]
    return seen


shapes = st.lists(st.integers(0, 300), max_size=3).map(tuple)
names = st.text("abc.*_experts", min_size=1, max_size=30) | st.sampled_from(
    ["model.layers.*.mlp.experts.*.up_proj.weight", "model.layers.*.self_attn.k_proj.weight", "lm_head.weight"]
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(names, shapes, st.sampled_from(["BF16", "I8", "F8_E4M3", "I32", "U8", "BOOL", "I64"]))))
def test_hostile_tensors_never_raise(rows: list[tuple[str, tuple[int, ...], str]]) -> None:
    facts, prof = glm47()
    odd = tuple(TensorGroup(name, dtype, shape, 1, 0, (0,) if "*" in name else ()) for name, shape, dtype in rows)
    result = plan((replace(facts, tensors=(*facts.tensors, *odd)), prof), tp=8)
    assert result.studied is not None and result.studied.rank is not None
    assert result.studied.rank.weights >= 82 * GIB


@pytest.mark.parametrize(
    "options",
    [{"tp": 0}, {"dp": -1}, {"gpu_memory_utilization": 1.5}, {"max_model_len": 0}, {"kv_cache_memory_bytes": -1}],
)
def test_impossible_settings_are_usage_errors(options: dict[str, object]) -> None:
    with pytest.raises(UsageError) as caught:
        plan(glm47(), **options)
    assert "--" in str(caught.value) and caught.value.hint


sizes = st.none() | st.integers(0, 1 << 40)
kinds = st.sampled_from([kind for kind in AttentionKind if kind.counted])


@settings(max_examples=30, deadline=None)
@given(
    kinds, kinds, st.lists(sizes, min_size=10, max_size=10), st.integers(0, 200), st.integers(0, 300), sizes, sizes,
)  # fmt: skip
def test_hostile_profiles_never_raise(
    first: AttentionKind, second: AttentionKind, s: list[int | None], layers: int, routed: int, vocab: int, width: int
) -> None:
    facts, prof = glm47()
    assert prof.moe is not None
    groups = (
        AttentionGroup(first, tuple(range(layers)), *s[:8], window=s[8], conv_kernel=s[9]),
        AttentionGroup(second, tuple(range(layers, 2 * layers)), *reversed(s[:8]), window=s[9], conv_kernel=s[8]),
    )
    moe = replace(prof.moe, routed=routed, top_k=s[0], intermediate_size=width or 0)
    odd = replace(
        prof, attention=groups, moe=moe, layers=2 * layers, vocab_size=vocab, hidden_size=width, max_positions=s[1]
    )
    for options in ({}, {"tp": 8}, {"tp": 4, "pp": 2}):
        result = plan((facts, odd), **options)
        assert result.studied is None or result.studied.fits == (result.studied.first_failure is None)
        memory_findings(result, target(), launch(**options))


@pytest.mark.parametrize(
    ("options", "flags"),
    [
        ({"tp": 8, "gpu_memory_utilization": 0.7}, "--gpu-memory-utilization 0.9"),
        ({"tp": 8, "gpu_memory_utilization": 0.96, "max_model_len": 202_752, "max_num_seqs": 512}, None),
        ({"tp": 4}, None),
    ],
)
def test_a_layout_that_is_short_names_the_flags_with_which_it_fits(
    options: dict[str, object], flags: str | None
) -> None:
    result = plan(glm47(True), **options)
    assert result.studied is not None
    assert (result.fix.params["flags"] if result.fix else None) == flags
    if flags is None:
        return
    (finding,) = [item for item in memory_findings(result, target(), launch(**options)) if item.code == "AC401"]
    assert finding.conditional and finding.remedy is not None and finding.remedy.params["flags"] == flags
    share = float(flags.split()[-1])
    again = plan(glm47(True), **{**options, "gpu_memory_utilization": share}).studied
    assert again is not None and again.fits


def test_a_context_that_is_too_long_names_the_longest_that_fits() -> None:
    small, on = qwen3(1024, 28, 16, 8, 3072, True), target(memory=6)
    options = {"tp": 1, "max_num_batched_tokens": 1024, "max_num_seqs": 16, "enforce_eager": True}
    result = plan(small, on, max_model_len=40_960, **options)
    assert result.studied is not None and result.studied.first_failure is not None
    assert result.studied.first_failure.id == "AC401.kv" and result.fix is not None
    flag, tokens = str(result.fix.params["flags"]).split()
    assert flag == "--max-model-len"
    fits, longer = (plan(small, on, max_model_len=int(tokens) + more, **options).studied for more in (0, 128))
    assert fits is not None and longer is not None
    assert fits.fits and not longer.fits
