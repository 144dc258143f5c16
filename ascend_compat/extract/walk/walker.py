"""The walk of one architecture: its class is made and run once; everything it calls is read on the way."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ascend_compat.extract.tree import Module
from ascend_compat.extract.walk.binding import REST, Words
from ascend_compat.extract.walk.names import Frame
from ascend_compat.extract.walk.natives import Natives
from ascend_compat.extract.walk.summary import Summary
from ascend_compat.extract.walk.values import TENSOR, Alts, ClassV, Code, Cond, FuncV, Obj
from ascend_compat.extract.walk.world import World

#: What a server calls on a model.
ENTRIES = (
    "forward", "compute_logits", "embed_input_ids", "get_input_embeddings", "embed_multimodal",
    "get_multimodal_embeddings", "pooler",
)  # fmt: skip
#: The plugin's function that fills the forward context, and its parameters that differ from step to step.
CONTEXT = "vllm_ascend.ascend_forward_context.set_ascend_forward_context"
NUMBERED = {"num_tokens", "num_actual_tokens", "num_tokens_across_dp", "attn_metadata", "aclgraph_runtime_mode",
            "in_profile_run"}  # fmt: skip
#: A call of the trees takes about twenty of the interpreter's own.
RECURSION = 20000


class Walker(Natives):
    """Walks architectures of one pair of trees; what two share is read once."""

    def __init__(self, world: World) -> None:
        self.world = world
        super().__init__()
        self._frames: dict[str, Frame] = {}
        self._draft: Alts | None = None

    def module_frame(self, module: Module) -> Frame:
        """A frame of a module's top level."""
        known = self._frames.get(module.name)
        if known is None:
            node = ast.parse("None", mode="eval")
            code = Code(module.name, module.name, node)
            summary = Summary(module.name, module.path)
            known = self._frames[module.name] = Frame(module, {}, (self.world.full, ()), code, summary)
        return known

    def reset(self) -> None:
        """After a walk that stopped halfway."""
        self._depth = 0

    def architecture(self, entry: Mapping[str, Any]) -> Summary | None:
        """The root of an architecture; ``None`` when its class is not in the trees."""
        found = self.world.trees.locate(f"{entry['module']}.{entry['class']}")
        if found.module is None or not isinstance(found.node, ast.ClassDef):
            return None
        module, node = found.module, found.node
        root = Summary(entry["class"], entry["at"])
        code = Code(found.fqn, module.name, node)
        frame = Frame(module, {}, (self.world.full, ()), code, root)
        config = self.drafting() if entry.get("kind") == "speculative" else self.config_setting("")
        with deep():
            words: Words = {"vllm_config": config, "prefix": self.one(TENSOR)}
            made = self._picked(found.fqn, words, frame, node)
            self.enter_context(frame, node)
            for frame.cond, model in made:
                for name in ENTRIES:
                    self._enter(model, name, frame, node)
        return root

    def _picked(self, cls: str, words: Words, frame: Frame, node: ast.AST) -> Alts:
        """Models that ``__new__`` of a class gives, each under what picks it; where it picks no other, the class."""
        found = self._member(ClassV(cls), cls, "__new__", frame, node) or ()
        own, full = [self.one(ClassV(cls))], (self.world.full, ())
        made = [a for _, v in found if isinstance(v, FuncV) for a in self.call(v, own, words, frame, node)]
        out: list[tuple[Cond, Any]] = []
        for frame.cond, value in made or self.one(TENSOR):
            model = value if isinstance(value, Obj) else self.object(cls, [], words, frame, node)
            out.append((frame.cond, model))
        frame.cond = full
        return tuple(out)

    def drafting(self) -> Alts:
        """The configuration of a server whose draft model this is."""
        cls = next((v.fqn for _, v in self.config_setting("") if isinstance(v, Obj) for v in [ClassV(v.cls)]), "")
        made = self.fresh(cls, settings=True)
        found = self.dotted("vllm.config.SpeculativeConfig")
        drafts = self.fresh(next((v.fqn for _, v in found if isinstance(v, ClassV)), ""), settings=True)
        model = self._field(made, "model_config", None, None)
        drafts.attrs.update(draft_model_config=model, target_model_config=model)
        made.attrs["speculative_config"] = self.one(drafts)
        self._draft = self.one(made) if self._draft is None else self._draft
        return self._draft

    def enter_context(self, frame: Frame, node: ast.AST) -> None:
        """What the plugin adds to the forward context: computed by its own function."""
        for _, func in self.dotted(CONTEXT):
            module = self.world.trees.module(func.code.module) if isinstance(func, FuncV) else None
            if isinstance(func, FuncV) and module is not None:
                env = self.bind(func, [], {"vllm_config": self.config_setting("")}, module)
                for name in NUMBERED & env.keys():
                    env[name] = self.one(TENSOR)
                self.versions[module.name] = self.versions.get(module.name, 0) + 1
                self.context.attrs.clear()
                self.read(func.code, None, env, module)
                self.versions[module.name] += 1

    def _enter(self, made: Obj, name: str, frame: Frame, node: ast.AST) -> None:
        for _, value in self.attribute(made, name, frame, node):
            if isinstance(value, (FuncV, Obj)):
                self.call(value, [], {REST: self.one(TENSOR)}, frame, node)

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
