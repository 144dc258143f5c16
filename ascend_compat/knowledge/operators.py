"""The operator gate table: what the architecture's modules need and who implements it on the NPU."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ascend_compat.core.class_names import place
from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.core.finding import Evidence
from ascend_compat.core.profile import AttentionKind, ModelProfile
from ascend_compat.core.target import Target
from ascend_compat.knowledge.modules import Leaf, ModuleTree, replacement
from ascend_compat.knowledge.operator_findings import walk
from ascend_compat.knowledge.operator_rows import walked_rows
from ascend_compat.knowledge.places import at

#: Category by a part of the class name; the first that matches counts. The groups engineers use.
CATEGORIES = (
    ("vision", ("vision", "patchembed", "patchmerger", "mmencoder", "conv3d", "conv2d", "vit")),
    ("mamba-gdn", ("gateddelta", "mamba", "conv1d", "shortconv", "linearattention", "gdn")),
    ("attention", ("attention", "indexer")),
    ("moe", ("moe", "gate", "experts", "router")),
    ("norm", ("norm",)),
    ("rope", ("rotary", "rope")),
    ("activation", ("silu", "gelu", "relu", "act", "swiglu")),
    ("linear", ("linear", "parallel")),
    ("embedding", ("embedding", "lmhead")),
    ("sampling", ("logits", "sampler")),
)


@dataclass(frozen=True, slots=True)
class OperatorUse:
    """One operator.

    ``status`` is ``replaced``, ``native``, ``patched``, ``cuda-only``, ``unverified`` (a Triton kernel nobody has shown
    on an NPU, complex numbers), ``unresolved``, or ``not-reached`` for a kind of operator the walk did not meet.
    """

    category: str
    operator: str
    status: str
    implementation: str | None
    evidence: tuple[Evidence, ...]


def operator_table(
    pack: Mapping[str, Any], tree: ModuleTree, facts: CheckpointFacts, profile: ModelProfile, target: Target
) -> tuple[OperatorUse, ...]:
    """Every operator of the architecture once, grouped by category: what the walk met, then layers by their class."""
    found: dict[tuple[str, str], OperatorUse] = {}
    walked = list(_walked(pack, facts, profile, target))
    layers = (*_modules(pack, tree, target), *_calls(pack, tree, target))
    backends = () if any(use.operator.startswith("Attention backend") for use in walked) else _attention(
        pack, profile, target
    )  # fmt: skip
    for use in (*walked, *layers, *backends):
        found.setdefault((use.category, use.operator), use)
    order = [name for name, _ in CATEGORIES] + ["cuda", "triton", "other"]
    return tuple(sorted(found.values(), key=lambda use: (order.index(use.category), use.operator)))


def _walked(
    pack: Mapping[str, Any], facts: CheckpointFacts, profile: ModelProfile, target: Target
) -> Iterator[OperatorUse]:
    met = walk(pack, facts, profile, target)
    for category, name, status, by, evidence in walked_rows(*met) if met is not None else ():
        yield OperatorUse(category or _category(name), name, status, by, evidence)


def _modules(pack: Mapping[str, Any], tree: ModuleTree, target: Target) -> Iterator[OperatorUse]:
    for leaves in tree.leaves.values():
        for leaf in leaves:
            yield _use(pack, leaf, target)


def _use(pack: Mapping[str, Any], leaf: Leaf, target: Target) -> OperatorUse:
    name = _short(leaf.cls)
    category = _category(name)
    built = at(leaf.at, name)
    replaced = replacement(pack, name, target.soc.name)
    if replaced:
        return OperatorUse(category, name, "replaced", _short(replaced["class"]), (at(replaced.get("at")), built))
    patch = next((p for p in pack.get("patches", []) if f".{name}." in f".{p['target'].replace(':', '.')}."), None)
    if patch:
        return OperatorUse(category, name, "patched", str(patch.get("replacement")), (at(patch.get("at")), built))
    layer = pack.get("layer_classes", {}).get(leaf.cls)
    if leaf.cls.startswith(("torch.", "torch:")) or layer is None:
        status = "native" if leaf.cls.startswith("torch") else "unresolved"
        return OperatorUse(category, name, status, leaf.cls if status == "native" else None, (built,))
    has = set(layer.get("has", ()))
    if not layer.get("custom_op") or has & {"forward_native", "forward_oot"}:
        return OperatorUse(
            category, name, "native", f"{name}.forward_native" if has else name, (at(layer.get("at")), built)
        )
    status = "cuda-only" if "forward_cuda" in has else "native"
    return OperatorUse(category, name, status, None, (at(layer.get("at")), built))


def _calls(pack: Mapping[str, Any], tree: ModuleTree, target: Target) -> Iterator[OperatorUse]:
    """Factory calls such as ``get_rope``: the class they give is decided by configuration."""
    for fqn in _classes(tree):
        entry = tree.classes.get(fqn, {})
        for call in entry.get("calls", ()):
            name = call.rpartition(".")[2].rpartition(":")[2]
            if name == "get_rope":
                item = replacement(pack, "RotaryEmbedding", target.soc.name)
                asked = at(place(fqn, entry["at"]))
                evidence = (at(item.get("at")), asked) if item else (asked,)
                yield OperatorUse(
                    "rope",
                    "get_rope",
                    "replaced" if item else "native",
                    _short(item["class"]) if item else name,
                    evidence,
                )


def _classes(tree: ModuleTree) -> list[str]:
    """Classes of the architecture's own modules, by the chains that lead to the leaves."""
    names = {link[0] for leaves in tree.leaves.values() for leaf in leaves for link in leaf.chain}
    return [fqn for fqn in tree.classes if fqn.rpartition(":")[2] in names]


def _attention(pack: Mapping[str, Any], profile: ModelProfile, target: Target) -> Iterator[OperatorUse]:
    """The attention backend of the platform for (MLA, sparse) on this SoC."""
    kinds = {group.kind for group in profile.attention}
    full = {kind for kind in kinds if not kind.recurrent and kind is not AttentionKind.UNKNOWN}
    if not full:
        return
    mla = bool(kinds & {AttentionKind.MLA, AttentionKind.DSA})
    sparse = AttentionKind.DSA in kinds
    compressed = AttentionKind.COMPRESSED in kinds
    rows = [row for row in pack.get("attention_backends", []) if not row.get("soc") or target.soc.name in row["soc"]]
    special = [row for row in rows if row.get("soc")]
    for row in special or rows:
        key = row.get("key", {})
        same = key.get("mla") is mla and key.get("sparse") is sparse and not key.get("compress")
        if key.get("compress") if compressed else same:
            label = "Attention backend" + (" (MLA)" if mla else "") + (" (sparse)" if sparse else "")
            yield OperatorUse("attention", label, "replaced", _short(row["backend"]), (at(row.get("at")),))
            return
    if rows:
        label = f"Attention backend (mla={mla}, sparse={sparse})"
        yield OperatorUse("attention", label, "cuda-only", None, (at(rows[0].get("at")),))


def _category(name: str) -> str:
    lowered = name.lower()
    return next((category for category, parts in CATEGORIES if any(part in lowered for part in parts)), "other")


def _short(fqn: str) -> str:
    return fqn.rpartition(":")[2].rpartition(".")[2]
