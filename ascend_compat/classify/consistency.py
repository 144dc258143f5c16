"""Sizes that configuration and tensors must agree on: embedding, output head, number of layers."""

from __future__ import annotations

from collections.abc import Iterator

from ascend_compat.classify.attention import HIDDEN
from ascend_compat.classify.body import EMBEDDING, HEAD, LAYERS
from ascend_compat.classify.config import ConfigView
from ascend_compat.classify.findings import contradiction
from ascend_compat.classify.quant.stored import FLOAT_DTYPES
from ascend_compat.classify.tensors import DRAFT, TOWER, decoder_tensors, layers_of, matching
from ascend_compat.core.facts import CheckpointFacts, TensorGroup
from ascend_compat.core.finding import Finding
from ascend_compat.core.verdict import Effect, Severity

#: Model classes that produce tokens; others (embedding, reward, classification) need no output head.
_GENERATES = ("ForCausalLM", "ForConditionalGeneration")


def shape_findings(view: ConfigView, facts: CheckpointFacts, layers: int | None) -> tuple[Finding, ...]:
    """Contradictions of sizes; nothing where headers are missing or damaged, or hold the part of a rank."""
    if not facts.has_weights or facts.problems or facts.ranks:
        return ()
    return (*_embedding(view, facts.tensors), *_layers(view, facts.tensors, layers), *_head(view, facts))


def _embedding(view: ConfigView, tensors: tuple[TensorGroup, ...]) -> Iterator[Finding]:
    """Columns are the hidden size; rows at least the vocabulary, for it may be padded."""
    hidden, vocabulary = view.size(*HIDDEN), view.size("vocab_size")
    for tensor in matching(tensors, EMBEDDING):
        outside = matching((tensor,), DRAFT) or matching((tensor,), TOWER)
        if outside or tensor.layers or len(tensor.shape) != 2 or tensor.dtype not in FLOAT_DTYPES:
            continue
        wrong = (hidden is not None and tensor.shape[1] != hidden) or (vocabulary or 0) > tensor.shape[0]
        if wrong:
            declared = view.evidence(*HIDDEN, "vocab_size")
            shape = f"{tensor.shape[0]} x {tensor.shape[1]}"
            params = {"shape": shape, "vocabulary": vocabulary, "hidden": hidden}
            yield contradiction("AC212", Severity.BLOCKER, Effect.FAILS_AT_STARTUP, tensor, declared, **params)


def _layers(view: ConfigView, tensors: tuple[TensorGroup, ...], layers: int | None) -> Iterator[Finding]:
    """Every declared layer has at least one tensor."""
    stack = decoder_tensors(tensors)
    if not layers or not stack or not view.evidence(*LAYERS) or view.has("block_configs"):  # blocks may be empty
        return
    absent = sorted(set(range(layers)) - set(layers_of(stack)))
    if absent:
        params = {"declared": layers, "absent": len(absent), "first": absent[0]}
        declared = view.evidence(*LAYERS)
        yield contradiction("AC213", Severity.BLOCKER, Effect.WRONG_OUTPUT, stack[0], declared, **params)


def _head(view: ConfigView, facts: CheckpointFacts) -> Iterator[Finding]:
    """A generating model whose head is not tied has one."""
    names = facts.config.get("architectures")
    generates = isinstance(names, list) and bool(names) and str(names[0]).endswith(_GENERATES)
    if not generates or view.flag("tie_word_embeddings") is not False or matching(facts.tensors, HEAD):
        return
    for tensor in matching(facts.tensors, EMBEDDING)[:1]:
        declared = view.evidence("tie_word_embeddings")
        yield contradiction("AC217", Severity.WARNING, Effect.WRONG_OUTPUT, tensor, declared)
