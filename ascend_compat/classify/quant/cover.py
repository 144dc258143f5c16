"""Which weights a declaration covers: targets, ignored modules, and the group each weight falls to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from ascend_compat.classify.quant.names import NameList
from ascend_compat.classify.quant.stored import QUANTIZED_DTYPES, Weight, concrete, is_weight
from ascend_compat.core.facts import TensorGroup
from ascend_compat.core.profile import QuantArgs, QuantGroup


class Rule(NamedTuple):
    """One declared scheme. ``names`` is empty where the targets are classes (``Linear``): it covers what is left."""

    targets: tuple[str, ...]
    declared: str
    weights: QuantArgs | None
    activations: QuantArgs | None
    names: NameList


class Cover(NamedTuple):
    """A declaration applied to the tensors: weights per rule, and those that are ignored or that nothing targets."""

    rules: tuple[Rule, ...]
    covered: tuple[tuple[Weight, ...], ...]
    ignored: tuple[Weight, ...]
    untargeted: tuple[Weight, ...]
    ignore: NameList


def cover(tensors: Iterable[TensorGroup], rules: Sequence[Rule], ignore: NameList) -> Cover:
    """Sort every weight: ignored, covered by the first rule that names it, by the first for a class, or by none.

    Source of the order: vLLM 0.18.0, compressed_tensors/utils.py ``find_matched_target``.
    """
    shares: list[list[Weight]] = [[] for _ in range(len(rules) + 2)]
    by_class = next((n for n, rule in enumerate(rules) if not rule.names), len(rules) + 1)
    named = [(n, rule.names) for n, rule in enumerate(rules) if rule.names]
    for tensor in tensors:
        if is_weight(tensor):
            for place, layers in _placed(tensor, ignore, named, by_class, len(rules)).items():
                shares[place].append(Weight(tensor, tuple(layers)))
    covered = tuple(tuple(share) for share in shares[: len(rules)])
    return Cover(tuple(rules), covered, tuple(shares[-2]), tuple(shares[-1]), ignore)


def _placed(
    tensor: TensorGroup, ignore: NameList, named: list[tuple[int, NameList]], by_class: int, ignored: int
) -> dict[int, list[int]]:
    """Layers of one group by the place they fall to."""
    places: dict[int, list[int]] = {}
    for layer, name in concrete(tensor, tensor.module):
        if ignore.holds(name):
            place = ignored
        else:
            place = next((n for n, names in named if names.holds(name)), by_class)
        places.setdefault(place, []).extend([] if layer is None else [layer])
    return places


def groups(found: Cover) -> tuple[QuantGroup, ...]:
    """One group per rule, with the modules that are stored quantized."""
    return tuple(_group(rule, share) for rule, share in zip(found.rules, found.covered, strict=True))


def _group(rule: Rule, share: Iterable[Weight]) -> QuantGroup:
    quantized = [weight for weight in share if weight.tensor.dtype in QUANTIZED_DTYPES]
    return QuantGroup(
        rule.targets, rule.declared, rule.weights, rule.activations, main_dtype(quantized),
        tuple(dict.fromkeys(modules(quantized))), sum(weight.count for weight in quantized),
    )  # fmt: skip


def modules(weights: Iterable[Weight]) -> Iterator[str]:
    """Module templates; for fused experts the parameter is the module."""
    for weight in weights:
        fused = weight.tensor.parameter not in ("weight", "weight_packed", "qweight", "W_q")
        yield weight.tensor.template if fused else weight.tensor.module


def main_dtype(weights: Iterable[Weight]) -> str | None:
    """The dtype that holds most bytes."""
    total: dict[str, int] = {}
    for weight in weights:
        total[weight.tensor.dtype] = total.get(weight.tensor.dtype, 0) + weight.tensor.bytes
    return max(total, key=lambda name: (total[name], name)) if total else None
