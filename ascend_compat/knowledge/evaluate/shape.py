"""Questions about the form of statements: what they bind, call, and whether they may leave their block."""

from __future__ import annotations

from ascend_compat.knowledge.evaluate.values import Node


def assigned(nodes: list[Node]) -> list[str]:
    """Names that statements would bind."""
    found: list[str] = []
    for node in nodes:
        if node[0] in ("def", "class"):
            found.append(node[2])
        elif node[0] == "from":
            found.extend(alias for _, alias in node[4])
        elif node[0] == "import":
            found.extend(alias or dotted.partition(".")[0] for dotted, alias in node[2])
        else:
            found.extend(item[1] for item in targets([node]) if item[0] == "name")
    return found


def targets(nodes: list[Node]) -> list[Node]:
    """Assignment targets in statements, nested blocks included."""
    found: list[Node] = []
    for node in nodes:
        if node[0] == "assign":
            found.extend(node[2])
        elif node[0] == "aug":
            found.append(node[3])
        elif node[0] in ("if", "try", "for", "while", "with"):
            for part in node[2:]:
                if isinstance(part, list) and part and isinstance(part[0], list):
                    found.extend(targets([p for p in part if p and isinstance(p[0], str)]))
    return found


_HARMLESS = frozenset({"pass", "assign", "aug", "expr", "import", "from", "if", "with", "for"})


def calls(nodes: list[Node]) -> list[Node]:
    """Call nodes of expression statements, nested blocks included."""
    found: list[Node] = []
    for node in nodes:
        if node[0] == "expr" and node[2][0] == "call":
            found.append(node[2])
        for part in node[2:] if node[0] in ("if", "for", "with") else ():
            if (
                isinstance(part, list)
                and part
                and isinstance(part[0], list)
                and part[0]
                and isinstance(part[0][0], str)
            ):
                found.extend(calls(part))
    return found


def leaves(nodes: list[Node]) -> bool:
    """Whether a statement may leave the block (return, raise, break) or do what can't be undone."""
    for node in nodes:
        if node[0] not in _HARMLESS:
            return True
        if node[0] == "if" and leaves([*node[3], *node[4]]):
            return True
        if node[0] == "with" and leaves(node[3]):
            return True
        if node[0] == "for" and leaves([*node[4], *node[5]]):
            return True
    return False
