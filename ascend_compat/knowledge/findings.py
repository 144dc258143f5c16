"""Failing edges of the rule graph as findings."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ascend_compat.core.finding import Evidence, Finding, Message, Param
from ascend_compat.core.verdict import Basis, Effect, Severity
from ascend_compat.knowledge.edges import failing, path_to

if TYPE_CHECKING:
    from networkx import DiGraph


def graph_findings(graph: DiGraph[str]) -> tuple[Finding, ...]:
    """One finding per edge that fails or can't be decided, with the path that leads to it."""
    out: list[Finding] = []
    for source, to, edge in failing(graph):
        path = (*path_to(graph, source), to)
        out.append(_RELATIONS[edge["relation"]](edge, path, _evidence(graph, path)))
    return tuple(out)


def _evidence(graph: DiGraph[str], path: tuple[str, ...]) -> tuple[Evidence, ...]:
    """Evidence along the path, the failing edge's own first."""
    edges = [graph.edges[a, b] for a, b in pairwise(path) if graph.has_edge(a, b)]
    found: list[Evidence] = []
    for edge in (edges[-1:], edges[:-1]):
        for item in edge:
            places = {(e.path, e.line) for e in found if e.line}
            found.extend(e for e in item["evidence"] if e not in found and (e.path, e.line) not in places)
    return tuple(found)


def _params(edge: dict[str, Any], *names: str) -> dict[str, Param]:
    return {name: edge["detail"].get(name) for name in names}


def _stores(edge: dict[str, Any], path: tuple[str, ...], evidence: tuple[Evidence, ...]) -> Finding:
    detail = edge["detail"]
    if detail.get("uninitialised"):
        return Finding(
            "AC305", Severity.WARNING, Effect.WRONG_OUTPUT, Basis.SOURCE, detail["example"],
            Message("AC305", _params(edge, "parameter", "scheme", "modules", "example")), evidence, None, path,
        )  # fmt: skip
    if detail.get("dequantized"):
        return Finding(
            "AC312", Severity.WARNING, Effect.DEGRADED, Basis.SOURCE, detail["example"],
            Message("AC312", _params(edge, "stored", "dtype", "modules", "example")), evidence, None, path,
        )  # fmt: skip
    if detail.get("absent") or detail.get("unplaced"):
        code = "AC311" if detail.get("absent") else "AC310"
        params = {} if detail.get("absent") else _params(edge, "template", "stored", "count")
        return Finding(
            code, Severity.BLOCKER, Effect.NONE, Basis.SOURCE, str(detail.get("template", "safetensors")),
            Message(code, params), evidence, None, path,
            undetermined=True,
        )  # fmt: skip
    if "keeps" not in detail:
        return Finding(
            "AC306", Severity.BLOCKER, Effect.FAILS_AT_STARTUP, Basis.SOURCE, detail["example"],
            Message("AC306", _params(edge, "parameter", "scheme", "modules", "example")), evidence, None, path,
            undetermined=True,
        )  # fmt: skip
    if detail["fits"] is False:
        return Finding(
            "AC308", Severity.BLOCKER, Effect.FAILS_AT_STARTUP, Basis.SOURCE, detail["example"],
            Message("AC308", _params(edge, "parameter", "scheme", "stored_shape", "allocated_shape", "example")),
            evidence, None, path,
        )  # fmt: skip
    names = ("scheme", "cls", "stored", "allocated", "parameter", "modules", "example", "template", "decided_by")
    variant = "AC301" if detail["cls"] else "AC301.unquantized"
    params = {**_params(edge, *names), "scheme": detail["scheme"] or detail["cls"]}
    return Finding(
        "AC301", Severity.BLOCKER, Effect.WRONG_OUTPUT, Basis.SOURCE, detail["template"],
        Message(variant, params), evidence, None, path,
    )  # fmt: skip


def _requires(edge: dict[str, Any], path: tuple[str, ...], evidence: tuple[Evidence, ...]) -> Finding:
    detail = edge["detail"]
    code = "AC302" if edge["ok"] is False else "AC304"
    return Finding(
        code, Severity.BLOCKER, Effect.FAILS_AT_STARTUP, Basis.SOURCE, str(detail["method"]),
        Message(code, _params(edge, "exception", "message", "stage", "method")), evidence, None, path,
        undetermined=edge["ok"] is None,
    )  # fmt: skip


def _dispatches(edge: dict[str, Any], path: tuple[str, ...], evidence: tuple[Evidence, ...]) -> Finding:
    code = "AC303" if edge["ok"] is False else "AC304.layer"
    return Finding(
        code[:5], Severity.BLOCKER, Effect.FAILS_AT_STARTUP, Basis.SOURCE, str(edge["detail"]["example"]),
        Message(code, _params(edge, "exception", "message", "example", "modules")), evidence, None, path,
        undetermined=edge["ok"] is None,
    )  # fmt: skip


def _active(edge: dict[str, Any], path: tuple[str, ...], evidence: tuple[Evidence, ...]) -> Finding:
    documented = edge["detail"]["level"] != "inferred"
    if edge["ok"] is None:
        return Finding(
            "AC309", Severity.WARNING, Effect.FAILS_AT_STARTUP, Basis.INFERRED, str(edge["detail"]["scheme"]),
            Message("AC309", _params(edge, "dtype", "soc", "scheme")), evidence, None, path, undetermined=True,
        )  # fmt: skip
    instead = edge["detail"].get("instead")
    if instead:
        return Finding(
            "AC307", Severity.BLOCKER, Effect.FAILS_AT_STARTUP, Basis.DOCUMENTED if documented else Basis.INFERRED,
            "torch_dtype", Message("AC307.dtype", _params(edge, "dtype", "soc")), evidence,
            Message("AC307.dtype.remedy", {"dtype": instead}), path, conditional=True,
        )  # fmt: skip
    return Finding(
        "AC307", Severity.BLOCKER, Effect.FAILS_AT_STARTUP, Basis.DOCUMENTED if documented else Basis.INFERRED,
        str(edge["detail"]["scheme"]), Message("AC307", _params(edge, "dtype", "soc", "scheme", "modules")), evidence,
        None, path,
    )  # fmt: skip


def _registered(edge: dict[str, Any], path: tuple[str, ...], evidence: tuple[Evidence, ...]) -> Finding:
    return Finding(
        "AC201", Severity.BLOCKER, Effect.FAILS_AT_STARTUP, Basis.SOURCE, str(edge["detail"]["name"]),
        Message("AC201", _params(edge, "name")), evidence, None, path,
    )  # fmt: skip


def _removed(edge: dict[str, Any], path: tuple[str, ...], evidence: tuple[Evidence, ...]) -> Finding:
    return Finding(
        "AC202", Severity.BLOCKER, Effect.FAILS_AT_STARTUP, Basis.SOURCE, str(edge["detail"]["name"]),
        Message("AC202", _params(edge, "name", "last")), evidence, None, path,
    )  # fmt: skip


def _declares(edge: dict[str, Any], path: tuple[str, ...], evidence: tuple[Evidence, ...]) -> Finding:
    return Finding(
        "AC203", Severity.BLOCKER, Effect.FAILS_AT_STARTUP, Basis.SOURCE, "architectures",
        Message("AC203", _params(edge, "reason")), evidence, None, path, undetermined=True,
    )  # fmt: skip


_RELATIONS: dict[str, Callable[[dict[str, Any], tuple[str, ...], tuple[Evidence, ...]], Finding]] = {
    "stores-as": _stores,
    "requires": _requires,
    "dispatches-to": _dispatches,
    "active-on": _active,
    "registered-in": _registered,
    "removed-by": _removed,
    "declares": _declares,
}
