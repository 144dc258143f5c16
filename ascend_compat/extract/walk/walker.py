"""The walk of one architecture: its class is made and run once; everything it calls is read on the way."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ascend_compat.extract.tree import Module
from ascend_compat.extract.walk.names import Frame
from ascend_compat.extract.walk.natives import Natives
from ascend_compat.extract.walk.summary import Summary
from ascend_compat.extract.walk.values import TENSOR, Code, FuncV, Obj
from ascend_compat.extract.walk.world import World

#: What a server calls on a model.
ENTRIES = (
    "forward", "compute_logits", "embed_input_ids", "get_input_embeddings", "embed_multimodal",
    "get_multimodal_embeddings", "pooler",
)  # fmt: skip
#: A call of the trees takes about twenty of the interpreter's own.
RECURSION = 20000


class Walker(Natives):
    """Walks architectures of one pair of trees; what two share is read once."""

    def __init__(self, world: World) -> None:
        self.world = world
        super().__init__()
        self._frames: dict[str, Frame] = {}

    def module_frame(self, module: Module) -> Frame:
        """A frame of a module's top level."""
        known = self._frames.get(module.name)
        if known is None:
            node = ast.parse("None", mode="eval")
            code = Code(module.name, module.name, node)
            summary = Summary(module.name, module.path)
            known = self._frames[module.name] = Frame(module, {}, (self.world.full, ()), code, summary)
        return known

    def architecture(self, entry: dict[str, Any]) -> Summary | None:
        """The root of an architecture; ``None`` when its class is not in the trees."""
        found = self.world.trees.locate(f"{entry['module']}.{entry['class']}")
        if found.module is None or not isinstance(found.node, ast.ClassDef):
            return None
        module, node = found.module, found.node
        root = Summary(entry["class"], entry["at"])
        code = Code(found.fqn, module.name, node)
        frame = Frame(module, {}, (self.world.full, ()), code, root)
        config = self.config_setting("get_current_vllm_config")
        with deep():
            made = self.object(found.fqn, [], {"vllm_config": config, "prefix": self.one(TENSOR)}, frame, node)
            for name in ENTRIES:
                self._enter(made, name, frame, node)
        return root

    def _enter(self, made: Obj, name: str, frame: Frame, node: ast.AST) -> None:
        for _, value in self.attribute(made, name, frame, node):
            if isinstance(value, (FuncV, Obj)):
                self.call(value, [], {}, frame, node)

    def born(self, made: Obj, frame: Frame, node: ast.AST) -> None:
        """Nothing more to do."""


@contextmanager
def deep() -> Iterator[None]:
    """Room for nested calls."""
    was = sys.getrecursionlimit()
    sys.setrecursionlimit(max(was, RECURSION))
    try:
        yield
    finally:
        sys.setrecursionlimit(was)
