"""The case under study: facts, profile and target with every launch setting resolved, and where each came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.core.finding import Evidence, EvidenceKind, Message
from ascend_compat.core.json_flag import read_json
from ascend_compat.core.profile import AttentionGroup, AttentionKind, ModelProfile
from ascend_compat.core.target import LONGEST, LaunchProfile, Target
from ascend_compat.errors import UsageError
from ascend_compat.memory.classes import Classes
from ascend_compat.memory.drafter import Drafter, open_drafter
from ascend_compat.memory.rules import MemoryRules
from ascend_compat.memory.towers import left_out

RULE_FILE = "rules/curated/memory.toml"
RECURRENT = tuple(kind for kind in AttentionKind if kind.recurrent)
LATENT = (AttentionKind.MLA, AttentionKind.DSA)
#: A prompt is one batch then.
WHOLE_PROMPTS = "--no-enable-chunked-prefill"
TRANSFER = "--kv-transfer-config"
_POSITIVE = (
    "tp", "dp", "pp", "pcp", "dcp", "max_num_seqs", "max_num_batched_tokens", "gpu_memory_utilization",
    "kv_cache_memory_bytes",
)  # fmt: skip
_DTYPE_BYTES = {"float32": 4, "float": 4, "bfloat16": 2, "float16": 2, "half": 2, "auto": 2}


@dataclass(frozen=True, slots=True)
class Factors:
    """What a log of this launch measured against the estimate of the same layout; ``None`` where it says nothing.

    ``weights`` and ``activation`` are shares of the estimate, ``non_torch`` bytes added to it, ``graph`` bytes.
    """

    source: str = ""
    weights: float = 1.0
    activation: float | None = None
    non_torch: int | None = None
    graph: int | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One question to the estimator. Lengths are tokens; ``element_bytes`` is the size of the model dtype.

    ``draft_layers`` counts MTP layers that are loaded, ``spec_tokens`` the speculative tokens per step; ``expert_bits``
    are the sizes of the weights of routed experts, 16 for floats; ``absent`` the prefixes of towers that are not built.
    """

    facts: CheckpointFacts
    profile: ModelProfile
    target: Target
    launch: LaunchProfile
    rules: MemoryRules
    utilization: float
    block_size: int
    max_model_len: int
    batched_tokens: int
    num_seqs: int
    element_bytes: int
    draft_layers: int
    spec_tokens: int
    evidence: tuple[Evidence, ...] = ()
    unknown: tuple[Message, ...] = ()
    factors: Factors = field(default_factory=Factors)
    classes: Classes = field(default_factory=Classes)
    drafter: Drafter | None = None
    expert_bits: tuple[int, ...] = ()
    absent: tuple[str, ...] = ()

    @property
    def budget(self) -> int:
        """Bytes vLLM allows itself: ``gpu_memory_utilization * device memory``."""
        return int(self.utilization * self.target.soc.memory_bytes)

    @property
    def padded_vocab(self) -> int:
        """Vocabulary rounded up to the padding of the embedding; 0 when the size is unknown."""
        step = self.rules.integer("vocabulary_padding")
        return cdiv(self.profile.vocab_size or 0, step) * step

    @property
    def attending(self) -> AttentionGroup | None:
        """The first group of layers that keeps keys per token, ``None`` when there is none."""
        return next((group for group in self.profile.attention if group.kind not in RECURRENT), None)

    def option(self, *path: str) -> Any:
        """A key of ``--additional-config``, ``None`` when it is not given."""
        value: Any = self.launch.additional_config
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        return value

    def flag(self, option: str, *variables: str) -> bool | None:
        """An option of ``--additional-config``, else the first variable that is set; ``None`` for neither."""
        value = self.option(option)
        if value is not None:
            return bool(value)
        texts = (self.launch.environment or {}).get
        found = next((text for text in map(texts, variables) if text is not None), None)
        return None if found is None else found.strip().lower() not in ("", "0", "false")

    def switch(self, name: str) -> float:
        """A release switch of the rules for this target."""
        return float(self.rules.switch(name, self.target).value)


def cdiv(number: int, divisor: int) -> int:
    """Ceiling division."""
    return -(-number // divisor)


def text_config(facts: CheckpointFacts, profile: ModelProfile) -> Mapping[str, Any]:
    """The part of ``config.json`` that describes the language model."""
    return part_of(facts.config, profile.text_config_path)


def part_of(config: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    """The object at a dotted path of ``config.json``, empty where there is none; the whole for an empty path."""
    value: Any = config
    for key in filter(None, path.split(".")):
        value = value.get(key, {}) if isinstance(value, Mapping) else {}
    return value if isinstance(value, Mapping) else {}


def produces(case: Case) -> bool:
    """Whether the instance is the prefill side of a disaggregated pair."""
    value = read_json((case.launch.flags or {}).get(TRANSFER))
    return isinstance(value, Mapping) and value.get("kv_role") == "kv_producer"


def stream_count(case: Case) -> int:
    """Residual streams of a model with hyper-connections, 1 without."""
    count = text_config(case.facts, case.profile).get("hc_mult")
    return max(1, count) if isinstance(count, int) else 1


def residual_blocks(case: Case) -> int:
    """Blocks of layers whose hidden states a model with attention residuals keeps beside the stream, 0 without them.

    One for every ``attn_res_block_size`` layers (V 0.30.0 models/kimi_k3/nvidia/model.py, ``num_attn_res_blocks``).
    """
    size = text_config(case.facts, case.profile).get("attn_res_block_size")
    return cdiv(case.profile.layers or 0, size) if isinstance(size, int) and size > 0 else 0


def make_case(
    facts: CheckpointFacts,
    profile: ModelProfile,
    target: Target,
    launch: LaunchProfile,
    rules: MemoryRules,
    release: Mapping[str, Any],
    classes: Classes | None = None,
) -> Case:
    """Resolve every setting: the launch profile wins, then the release's own default, then the curated fallback.

    Raises :class:`UsageError` for a launch setting that is not positive or a utilization outside (0, 1].
    """
    _check(launch)
    evidence: list[Evidence] = []
    unknown: list[Message] = []
    utilization = launch.gpu_memory_utilization
    if utilization is None:
        utilization = _default("gpu_memory_utilization", release, rules, target, evidence)
    block = _block_size(launch) or int(_default("block_size", release, rules, target, evidence))
    length = launch.max_model_len
    if length is None or length == LONGEST:
        asked, length = length, rules.integer("search_model_len")
        length = min(length, profile.max_positions or length)
        if asked is None:
            unknown.append(Message("AC409.length", {"tokens": length}))
    batched, seqs = _batch(launch, length, rules)
    if launch.max_num_batched_tokens is None:
        unknown.append(Message("AC409.batch", {"tokens": batched}))
    draft, spec = _speculation(profile, launch)
    other = None if draft else open_drafter(launch.speculative)
    if isinstance(other, str):
        unknown.append(Message("AC409.drafter", {"model": str((launch.speculative or {})["model"]), "reason": other}))
    if launch.kv_cache_memory_bytes is not None and not rules.switch("kv_cache_memory_honoured", target).value:
        unknown.append(Message("AC409.kv_option", {"release": target.vllm_ascend}))
    absent = left_out(profile, launch, rules, target)
    if absent:
        profile = replace(profile, towers=tuple(t for t in profile.towers if not t.prefix.startswith(absent)))
    return Case(
        facts, profile, target, launch, rules, float(utilization), block, length, batched,
        seqs, _element_bytes(profile, launch), draft, spec,
        tuple(evidence), tuple(unknown), classes=classes or Classes(),
        drafter=other if isinstance(other, Drafter) else None, absent=absent,
    )  # fmt: skip


def _batch(launch: LaunchProfile, length: int, rules: MemoryRules) -> tuple[int, int]:
    """Batched tokens and sequences; what is not given is what vLLM takes (V 0.23.0 vllm/engine/arg_utils.py:2480)."""
    tokens, seqs = launch.max_num_batched_tokens, launch.max_num_seqs
    most = seqs or rules.integer("default_num_seqs")
    if tokens is None:
        floor = length if WHOLE_PROMPTS in (launch.flags or {}) else 0
        tokens = min(max(rules.integer("default_batched_tokens"), floor), most * length)
    return tokens, seqs or min(most, tokens)


def _block_size(launch: LaunchProfile) -> int | None:
    """``--block-size`` as given, ``None`` when it is not or is no number."""
    text = (launch.flags or {}).get("--block-size") or ""
    return int(text) if text.isdigit() and int(text) else None


def _check(launch: LaunchProfile) -> None:
    for name in _POSITIVE:
        value = getattr(launch, name)
        if value is not None and value <= 0:
            raise UsageError(f"--{name.replace('_', '-')} {value} is not positive", "give a number above 0")
    length = launch.max_model_len
    if length is not None and length <= 0 and length != LONGEST:
        raise UsageError(f"--max-model-len {length} is not positive", "give a number above 0, or auto")
    share = launch.gpu_memory_utilization
    if share is not None and share > 1:
        raise UsageError(f"--gpu-memory-utilization {share} is above 1", "give a share such as 0.9")


def _default(
    name: str, release: Mapping[str, Any], rules: MemoryRules, target: Target, evidence: list[Evidence]
) -> float:
    """A default of the release by name, from its pack where the pack has it; the origin goes to ``evidence``."""
    entry = release.get(name)
    place = entry.get("at") if isinstance(entry, Mapping) else None
    value = entry.get("value") if isinstance(entry, Mapping) else entry
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0:
        path, _, line = str(place or "").rpartition(":")
        path, number = (path, int(line)) if path and line.isdigit() else (str(place or "pack"), None)
        evidence.append(Evidence(EvidenceKind.SOURCE, path, number, f"{name} = {value}"))
        return float(value)
    rule = rules.switch(name, target)
    evidence.append(Evidence(EvidenceKind.RULE, RULE_FILE, None, f"{name} = {rule.value} ({rule.source})"))
    return float(rule.value)


def _speculation(profile: ModelProfile, launch: LaunchProfile) -> tuple[int, int]:
    """MTP layers that are loaded and speculative tokens per step."""
    asked = launch.speculative
    if not asked:
        return 0, 0
    count = asked.get("num_speculative_tokens", 1)
    tokens = count if isinstance(count, int) and count > 0 else 1
    if "mtp" in str(asked.get("method", "")) and profile.mtp is not None and profile.mtp.present:
        return max(1, len(profile.mtp.layers)), tokens
    return 0, tokens


def draft_case(case: Case) -> Case | None:
    """The draft model as a case of its own, with the settings of the model; ``None`` without one."""
    own = case.drafter
    if own is None:
        return None
    launch = replace(case.launch, speculative=None, environment=None)
    return replace(
        case, facts=own.facts, profile=own.profile, launch=launch, draft_layers=0, spec_tokens=0, drafter=None,
        factors=Factors(), classes=Classes(),
    )  # fmt: skip


def _element_bytes(profile: ModelProfile, launch: LaunchProfile) -> int:
    """Bytes of the model dtype; vLLM's ``auto`` serves float32 checkpoints in 16 bit."""
    asked = (launch.dtype or "").removeprefix("torch.")
    if asked and asked != "auto":
        return _DTYPE_BYTES.get(asked, 2)
    return 2
