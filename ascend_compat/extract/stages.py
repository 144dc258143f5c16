"""Whether a model class can be cut into pipeline stages, as the engine asks it before it starts."""

from __future__ import annotations

import ast

from ascend_compat.extract.tree import Trees, assignments

INTERFACE = "vllm.model_executor.models.interfaces:SupportsPP"
FLAG = "supports_pp"
#: What ``forward`` takes from the stage before.
HANDED = "intermediate_tensors"
_DEEPEST = 12


def runs_in_stages(trees: Trees, module: str, name: str) -> bool | None:
    """``supports_pp`` of vLLM (0.23.0 vllm/model_executor/models/interfaces.py:684), ``None`` for an unknown class.

    The class has the interface (or its flag) among its bases, and its ``forward`` takes intermediate tensors.
    """
    found = trees.locate(f"{module}.{name}")
    if not isinstance(found.node, ast.ClassDef):
        return None
    lineage = resolution_order(trees, found.fqn)
    classes = [known[1] for known in map(trees.find_class, lineage) if known is not None]
    flags = [
        value.value for node in classes for flag, value in assignments(node.body)
        if flag == FLAG and isinstance(value, ast.Constant)
    ]  # fmt: skip
    if INTERFACE not in lineage and True not in flags[:1]:
        return False
    return _takes(classes)


def resolution_order(trees: Trees, fqn: str, depth: int = 0) -> list[str]:
    """The order Python asks a class and its bases in; bases that contradict each other are taken left first."""
    bases = [base.fqn for base in trees.bases(fqn)] if depth < _DEEPEST else []
    rows = [*(resolution_order(trees, base, depth + 1) for base in bases), bases]
    order = [fqn]
    while any(rows):
        heads = [row[0] for row in rows if row]
        free = (head for head in heads if not any(head in row[1:] for row in rows))
        taken = next(free, heads[0])
        order.append(taken)
        rows = [[name for name in row if name != taken] for row in rows]
    return order


def _takes(classes: list[ast.ClassDef]) -> bool:
    """Whether the first ``forward`` of a lineage takes intermediate tensors; true where none is in the trees."""
    methods = (item for node in classes for item in node.body if isinstance(item, ast.FunctionDef))
    forward = next((item.args for item in methods if item.name == "forward"), None)
    if forward is None or forward.kwarg is not None:
        return True
    return any(given.arg == HANDED for given in (*forward.posonlyargs, *forward.args, *forward.kwonlyargs))
