"""Edges of the rule graph: how they are added, and what is asked of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ascend_compat.core.finding import Evidence

if TYPE_CHECKING:
    from networkx import DiGraph

ROOT = "checkpoint"
#: Places kept per edge: enough to check, few enough to read.
EVIDENCE_LIMIT = 3


def add(
    graph: DiGraph[str], source: str, to: str, relation: str, evidence: Evidence, ok: bool | None = True, **detail: Any
) -> None:
    """An edge with evidence; a second one between the same nodes adds its evidence and keeps the worse outcome."""
    if graph.has_edge(source, to):
        edge = graph.edges[source, to]
        known = {(e.path, e.line) if e.line else e for e in edge["evidence"]}
        if ((evidence.path, evidence.line) if evidence.line else evidence) not in known and len(known) < EVIDENCE_LIMIT:
            edge["evidence"] = (*edge["evidence"], evidence)
        edge["ok"] = False if False in (edge["ok"], ok) else None if None in (edge["ok"], ok) else True
        edge["detail"]["modules"] = edge["detail"].get("modules", 0) + detail.get("modules", 0)
        return
    graph.add_edge(source, to, relation=relation, ok=ok, evidence=(evidence,), detail=detail)


def path_to(graph: DiGraph[str], node: str) -> tuple[str, ...]:
    """The shortest path from the checkpoint to a node."""
    import networkx

    try:
        return tuple(networkx.shortest_path(graph, ROOT, node))
    except (networkx.NetworkXNoPath, networkx.NodeNotFound):
        return (node,)


def failing(graph: DiGraph[str]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Edges that fail or can't be decided, in the order they were added."""
    for source, to, data in graph.edges(data=True):
        if data["ok"] is not True:
            yield source, to, data
