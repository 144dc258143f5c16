"""Rows about what the release does with the model: operators, quantization, features, gates."""

from __future__ import annotations

from ascend_compat.core.report import NamesPart, OperatorRow, QuantRow
from ascend_compat.report.view import Sentence, Table, View, code, codes, joined, number, plain

#: Worst first: the state of a category is that of its worst operator.
_STATUS_ORDER = ("cuda-only", "unresolved", "unverified", "patched", "native", "replaced", "not-reached")
_FAILING = ("cuda-only",)
_OPEN = ("unresolved", "unverified")
_GATES = ("blocked", "open", "passed")


def operators(view: View) -> Table:
    """One row per operator, grouped by category, worst category first."""
    rows = []
    for category, group in by_category(view).items():
        for index, row in enumerate(group):
            label = plain(view.choice("category", category)) if index == 0 else plain(" ")
            rows.append((label, code(row.operator), _status(view, row.status), code(row.implementation), _where(row)))
    return view.table("category operator status implementation evidence", rows)


def operator_gate(view: View) -> Table:
    """One row per category: passed, open or blocked, and how its operators are served."""
    rows = []
    for category, group in by_category(view).items():
        statuses = [row.status for row in group]
        counts = [
            f"{view.choice('operator', name)} {statuses.count(name)}" for name in _STATUS_ORDER if name in statuses
        ]
        others = sorted({status for status in statuses if status not in _STATUS_ORDER})
        how = plain(", ".join([*counts, *others]))
        rows.append((plain(view.choice("category", category)), plain(view.word(f"gate.{_GATES[_gate(group)]}")), how))
    return view.table("category status how", rows)


def operator_conclusion(view: View) -> Sentence:
    """Whether an operator stands in the way, by name."""
    blocking = sorted({row.operator for row in view.doc.operators if row.status in _FAILING})
    unsettled = sorted({row.operator for row in view.doc.operators if row.status in _OPEN})
    if blocking:
        return (*view.say("operators.blocked"), *codes(blocking))
    if unsettled:
        return (*view.say("operators.open"), *codes(unsettled))
    return view.say("operators.passed" if view.doc.operators else "operators.none")


def claims(view: View) -> Table:
    """What the release's documents and tests, and reports, say of the model."""
    rows = [
        (
            plain(view.choice("claim", row.kind)),
            plain(row.name),
            plain(view.choice("says", row.says)),
            codes([evidence.place for evidence in row.evidence]),
        )
        for row in view.doc.claims
    ]
    return view.table("origin name says evidence", rows)


def by_category(view: View) -> dict[str, list[OperatorRow]]:
    """Operators by category: blocked before open before passed, within that in the order of the report."""
    groups: dict[str, list[OperatorRow]] = {}
    for row in view.doc.operators:
        groups.setdefault(row.category, []).append(row)
    return dict(sorted(groups.items(), key=lambda item: _gate(item[1])))


def quantization(view: View) -> Table:
    """Declared, stored and allocated, side by side, with the class that does it."""
    rows = [_quant_row(view, row) for row in view.doc.quantization.groups]
    return view.table("layer_type declared stored scheme allocated outcome implementation evidence", rows)


def names(view: View, part: NamesPart) -> Table:
    """One row per name template and fate, what is not loaded first."""
    order = {name: number for number, name in enumerate(("raises", "empty", "dropped", "unknown", "loaded"))}
    rows = []
    for row in sorted(part.rows, key=lambda item: order.get(item.result, 0)):
        shown = plain(view.choice("loading", row.result))
        detail = joined(code(row.at), plain(row.detail)) if row.detail else code(row.at)
        rows.append((code(row.template), plain(row.dtype), plain(number(row.tensors)), shown, code(row.into), detail))
    return view.table("name dtype tensors fate parameter evidence", rows)


def quantization_facts(view: View) -> list[Sentence]:
    """What is declared, what the release resolves it to, and what is left out."""
    part = view.doc.quantization
    if part.method is None and part.resolved_method is None:
        return [view.say("quantization.float")]
    found = "quantization.detected" if part.auto_detected else "quantization.given"
    found = found if part.resolved_method else "quantization.unresolved"
    facts = [
        view.say("quantization.declared", method=part.method or "-", format=part.format or "-"),
        view.say(found, method=part.resolved_method, config=part.config_class and _short(part.config_class)),
        view.say("quantization.kv_cache", kv_cache=part.kv_cache)
        if part.kv_cache
        else view.say("quantization.kv_float"),
    ]
    if part.ignore:
        facts.append((*view.say("quantization.ignored", count=len(part.ignore)), *codes(_some(part.ignore))))
    return facts


def features(view: View) -> Table:
    """Every feature of the serving stack that was looked at."""
    rows = [
        (plain(view.choice("feature", row.feature)), plain(view.choice("status", row.status)), view.text(row.reason))
        for row in view.doc.features
    ]
    return view.table("feature status reason", rows)


def gates(view: View) -> Table:
    """What each validation stage will show."""
    rows = [
        (
            plain(view.choice("stage", row.stage)),
            plain(view.choice("prediction", row.prediction.value)),
            view.text(row.reason),
        )
        for row in view.doc.gates
    ]
    return view.table("stage prediction reason", rows)


def _quant_row(view: View, row: QuantRow) -> tuple[Sentence, ...]:
    return (
        joined(plain(row.layer_type), codes(_some(row.targets, 3)), plain(f"x {number(row.modules)}")),
        plain(row.declared),
        code(row.stored_dtype),
        code(row.scheme),
        code(row.allocated_dtype),
        plain(view.choice("outcome", row.outcome)),
        code(row.implementation and _short(row.implementation)),
        code(row.at),
    )


def _status(view: View, status: str) -> Sentence:
    return plain(view.choice("operator", status))


def _where(row: OperatorRow) -> Sentence:
    return codes([evidence.place for evidence in row.evidence[:2]])


def _gate(group: list[OperatorRow]) -> int:
    """Index into the gate states: the worst operator decides."""
    statuses = {row.status for row in group}
    return 0 if statuses & set(_FAILING) else 1 if statuses & set(_OPEN) else 2


def _short(name: str) -> str:
    """The class at the end of a dotted name; its file stands in the evidence."""
    return name.rpartition(":")[2].rpartition(".")[2]


def _some(names: list[str], limit: int = 6) -> list[str]:
    return names if len(names) <= limit else [*names[:limit], "..."]
