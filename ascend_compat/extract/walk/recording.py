"""What a path is recorded to do: calls, meetings, refusals, kernels."""

from __future__ import annotations

import ast
from typing import Any

from ascend_compat.extract.statements import every
from ascend_compat.extract.walk.names import Frame
from ascend_compat.extract.walk.statements import Statements
from ascend_compat.extract.walk.summary import Met, Summary
from ascend_compat.extract.walk.values import (
    Code,
    Cond,
    conj,
    name_text,
)

TRITON_MARKS = ("triton.jit", "triton.autotune", "triton.heuristics")


class Recording(Statements):
    """Keeps what the current path runs into."""

    def place(self, frame: Frame, node: ast.AST) -> str:
        """``path:line``."""
        return frame.module.at(node)

    def meet(self, met: Met, frame: Frame, mask: int | None = None) -> None:
        """Record what the current path runs into."""
        cond = frame.cond if mask is None or frame.cond is None else conj(frame.cond, (mask, ()))
        if cond is not None and not frame.caught:
            frame.summary.met.append((cond, frame.data > 0, met))

    def follow(self, summary: Summary, cond: Cond, frame: Frame, node: ast.AST) -> None:
        """Record a call."""
        both = conj(frame.cond, cond) if frame.cond is not None else None
        if both is not None:
            frame.summary.edges.append((both, frame.data > 0, summary, self.place(frame, node)))

    def is_kernel(self, code: Code) -> bool:
        """Whether a function is a Triton kernel."""
        marks = getattr(code.node, "decorator_list", ())
        return any(name_text(mark).startswith(TRITON_MARKS) or name_text(mark) == "triton" for mark in marks)

    def kernel(self, code: Code, frame: Frame, node: ast.AST) -> None:
        """A Triton kernel is launched: on a device without Triton none can be."""
        own = code.module.startswith("vllm_ascend.")
        module = self.world.trees.module(code.module)
        at = module.at(code.node) if module else ""
        met = Met("triton-plugin" if own else "triton", code.fqn, self.place(frame, node), by_at=at)
        self.meet(met, frame)

    def class_at(self, fqn: str) -> str:
        """Where a class is defined."""
        found = self.world.trees.find_class(fqn)
        return found[0].at(found[1]) if found else ""

    def refused(self, node: Any, frame: Frame) -> None:
        """A ``raise`` or a failing ``assert`` on this path."""
        given = node.exc if isinstance(node, ast.Raise) else node.msg
        words = " ".join(str(n.value) for n in every(given) if isinstance(n, ast.Constant)) if given else ""
        name = name_text(given.func) if isinstance(given, ast.Call) else "AssertionError"
        if given is None and isinstance(node, ast.Raise):
            return
        if frame.code.fqn.endswith("CustomOp.forward_native"):
            own = frame.self_.cls if frame.self_ is not None else frame.code.cls
            self.meet(Met("no-native", own.rpartition(":")[2], self.place(frame, node), own, self.class_at(own)), frame)
            return
        kind = "refused" if frame.platform else "raise"
        note = words if words else ast.unparse(getattr(node, "test", node))
        self.meet(Met(kind, name, self.place(frame, node), note=" ".join(note.split())[:200]), frame)
