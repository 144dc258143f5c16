"""Follow what loading a checkpoint runs, across modules: which functions, methods, tables and constructor parts."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from typing import Any

from ascend_compat.extract.dataclass import dataclass_init
from ascend_compat.extract.loaders.asked import INIT, AskedAttributes
from ascend_compat.extract.scope import (
    asked_name,
    attributes,
    binds,
    bodies,
    code_nodes,
    is_compound,
    module_names,
    under,
)
from ascend_compat.extract.statements import own
from ascend_compat.extract.translate import Node, block, expression, function, statement
from ascend_compat.extract.tree import Module, Trees, absolute

#: Members that make a class part of loading.
STARTS = frozenset({"load_weights", "hf_to_vllm_mapper"})
#: Methods that operators call.
OPERATORS = frozenset({"__or__", "__ior__"})
#: Modules whose functions and classes are followed; anything else stays a name.
FOLLOWED = (
    "vllm.model_executor.models",
    "vllm.models",
    "vllm_ascend.models",
    "vllm.model_executor.model_loader.weight_utils",
    "vllm.model_executor.layers.fused_moe.layer",
    "vllm.model_executor.layers.fused_moe.routed_experts",
    "vllm.model_executor.layers.fused_moe.runner",
    "vllm.model_executor.layers.fused_moe.utils",
    "vllm.model_executor.layers.fused_moe.shared_fused_moe",
    "vllm.model_executor.layers.fused_moe.config",
    "vllm.model_executor.layers.quantization.base_config",
    "vllm.distributed.eplb.eplb_state",
    "vllm.utils.math_utils",
    "vllm.model_executor.layers.quantization.compressed_tensors.compressed_tensors",
    "vllm_ascend.ops.fused_moe",
    "vllm_ascend._310p.fused_moe",
    "vllm_ascend.quantization",
    "vllm_ascend._310p.quantization",
    "vllm_ascend.patch",
)
#: Packages that only hand on what their modules define.
HANDING_ON = frozenset({"vllm.model_executor.layers.fused_moe", "vllm.model_executor.layers.quantization"})
#: What runs per request, or has an effect on no name: never part of loading.
NEVER = frozenset(
    "forward __call__ process_weights_after_loading create_weights __repr__ forward_impl forward_native "
    "forward_cuda embed_input_ids compute_logits get_language_model get_input_embeddings embed_multimodal "
    "get_mm_mapping run sample named_parameters __new__ get_all_weights "
    "download_model create_weights _prepare_weights _get_weights_iterator".split()
)
#: Names of functions whose meaning the interpreter gives: their bodies compute with real tensors or processes.
GIVEN = frozenset(
    "default_weight_loader row_parallel_weight_loader sharded_weight_loader composed_weight_loader "
    "is_pp_missing_parameter make_layers get_pp_missing_layer_names init_vllm_registered_model".split()
)


class Collected:
    """The closure: module-level names wanted per module, and attribute names anything asks for."""

    def __init__(
        self, trees: Trees, classes: Iterable[str], patched: Iterable[str], always: Iterable[str] = ()
    ) -> None:
        self.trees = trees
        self.names: dict[str, set[str]] = {}
        self.asked: set[str] = {*STARTS, *OPERATORS}
        self.attributes = AskedAttributes(trees)
        self.classes = [found for fqn in sorted(classes) if (found := trees.find_class(fqn)) is not None]
        self.patched = sorted(patched)
        self.scanned: set[int] = set()
        #: Constructors of dataclasses, by their class.
        self.made: dict[int, ast.FunctionDef | None] = {}
        self.changed = True
        #: Modules whose code is taken: those above, and what classes that always count extend.
        self.followed: tuple[str, ...] = FOLLOWED
        for module, node in filter(None, map(trees.find_class, sorted(always))):
            self._need(module.name, node.name)
            lineage = trees.lineage(f"{module.name}:{node.name}")
            homes = {name.partition(":")[0] for name in lineage if ":" in name}
            self.followed = (*self.followed, *sorted(h for h in homes if not under(h, self.followed)))

    def run(self) -> dict[str, Any]:
        """Grow until nothing new is mentioned; then every module with something to evaluate, translated."""
        while self.changed or self.attributes.changed:
            self.changed = self.attributes.changed = False
            for module, node in self.classes:
                if self._loads(node) or self._inherits(node, f"{module.name}:{node.name}"):
                    self._need(module.name, node.name)
            for name in self.patched:
                self._patches(name)
            for name in list(self.names):
                self._scan_module(name)
        return {name: made for name in sorted(self.names) if (made := self._translate(name)) is not None}

    def _loads(self, node: ast.ClassDef) -> bool:
        """Whether a class has a method a loader calls, or is one."""
        called = self.asked - NEVER
        return any(
            (isinstance(item, ast.FunctionDef) and item.name in called and item.name != INIT) or (binds(item) & STARTS)
            for item in node.body
        )

    def _inherits(self, node: ast.ClassDef, fqn: str) -> bool:
        """Whether the constructor of a class may set what loading reads: off it, or in one of its bases."""
        homes = (base.partition(":") for base in self.attributes.lineage(fqn)[1:])
        return self.attributes.sets(node) or any(name in self.names.get(home, ()) for home, _, name in homes)

    def _patches(self, name: str) -> None:
        """A patch module counts where it sets something loading uses on a class that is part of it."""
        module = self.trees.module(name)
        for node in module.tree.body if module else ():
            for target in _set_on(node):
                owner = ast.unparse(target.value)
                found = self.trees.resolve(module, owner) if module and target.attr in self.asked - NEVER else None
                if found and found.module and found.fqn.rpartition(":")[2] in self.names.get(found.module.name, ()):
                    self._need(name, owner.partition(".")[0])

    def _need(self, module: str, name: str) -> None:
        known = self.names.setdefault(module, set())
        if name not in known:
            known.add(name)
            self.changed = True

    def _ask(self, name: str) -> None:
        if name not in self.asked:
            self.asked.add(name)
            self.changed = True

    # scanning ----------------------------------------------------------------------------------------------------

    def _scan_module(self, name: str) -> None:
        module = self.trees.module(name)
        for node in self._kept(module.tree.body, module) if module else ():
            self._scan(node, module)  # type: ignore[arg-type]  # the loop is empty without a module

    def _kept(self, body: list[ast.stmt], module: Module) -> Iterator[ast.stmt]:
        wanted = self.names.get(module.name, set())
        for node in body:
            if is_compound(node):
                if any(True for part in bodies(node) for _ in self._kept(part, module)):
                    yield node
            elif binds(node) & wanted or any(self._overrides(t, wanted) for t in _set_on(node)):
                yield node

    def _overrides(self, target: ast.Attribute, wanted: set[str]) -> bool:
        return isinstance(target.value, ast.Name) and target.value.id in wanted and target.attr in self.asked - NEVER

    def _scan(self, node: ast.stmt, module: Module) -> None:
        if isinstance(node, ast.ImportFrom):
            self._imported(node, module)
        elif isinstance(node, ast.ClassDef):
            self._scan_class(node, module)
        elif is_compound(node):
            for part in bodies(node):
                for inner in self._kept(part, module):
                    self._scan(inner, module)
        elif not isinstance(node, ast.FunctionDef) or self._followed(node, module):
            self._mention(node, module)

    def _followed(self, node: ast.FunctionDef, module: Module) -> bool:
        return under(module.name, self.followed) and node.name not in GIVEN

    def _imported(self, node: ast.ImportFrom, module: Module, everything: bool = False) -> None:
        source = absolute(module, node)
        wanted = self.names.get(module.name, set())
        for alias in node.names:
            asked = everything or (alias.asname or alias.name) in wanted
            followed = source in HANDING_ON or under(source, self.followed)
            if asked and (followed or self._constant(source, alias.name)):
                self._need(source, alias.name)

    def _constant(self, source: str, name: str) -> bool:
        """Whether a name is a literal of a module of the trees."""
        module = self.trees.module(source)
        binding = module.bindings.get(name) if module else None
        return binding is not None and isinstance(getattr(binding.node, "value", None), ast.Constant)

    def _scan_class(self, node: ast.ClassDef, module: Module) -> None:
        if not under(module.name, self.followed):
            return
        for base in node.bases:
            self._mention(base, module)
        for item in self._members(node, module):
            self._mention(item, module)
            self.attributes.note(item, f"{module.name}:{node.name}")

    def _members(self, node: ast.ClassDef, module: Module) -> Iterator[ast.stmt]:
        """What loading uses of a class: methods and attributes by name, and the constructor's part that sets some."""
        if id(node) not in self.made:
            self.made[id(node)] = dataclass_init(self.trees, module, node)
        made = self.made[id(node)]
        if made is not None:
            yield made
        for item in node.body:
            if isinstance(item, ast.FunctionDef):
                if item.name == INIT:
                    part = self.attributes.part(item, f"{module.name}:{node.name}")
                    if part is not None:
                        yield part
                elif item.name in self.asked and item.name not in NEVER and not _runs(item):
                    yield item
            elif isinstance(item, (ast.Assign, ast.AnnAssign)) and item.value is not None and binds(item) & self.asked:
                yield item

    def _mention(self, root: ast.AST, module: Module) -> None:
        sliced_init = getattr(root, "name", "") == INIT
        if id(root) in self.scanned:
            return
        self.scanned.add(id(root))
        bound = module_names(module)
        for node in code_nodes(root):
            if isinstance(node, ast.Name) and node.id in bound:
                self._need(module.name, node.id)
            elif isinstance(node, ast.ImportFrom):
                self._imported(node, module, everything=True)
            elif isinstance(node, ast.Attribute):
                if not sliced_init or own(node):
                    self._ask(node.attr)
                source = bound.get(node.value.id) if isinstance(node.value, ast.Name) else None
                if source and under(source, self.followed):
                    self._need(source, node.attr)
            elif isinstance(node, ast.Call) and not sliced_init and (asked := asked_name(node)) is not None:
                self._ask(asked)
                self.attributes.ask(asked)

    # translation -------------------------------------------------------------------------------------------------

    def _translate(self, name: str) -> dict[str, Any] | None:
        module = self.trees.module(name)
        if module is None:
            return None
        out: dict[str, Any] = {"path": module.path, "body": self._block(module.tree.body, module)}
        if module.is_package:
            out["package"] = True
        return out if out["body"] else None

    def _block(self, body: list[ast.stmt], module: Module) -> list[Node]:
        return [self._statement(node, module) for node in self._kept(body, module)]

    def _statement(self, node: ast.stmt, module: Module) -> Node:
        if isinstance(node, ast.If):
            decided = self.trees.decided(node.test)
            if decided is not None:
                return [
                    "if",
                    node.lineno,
                    ["const", True],
                    self._block(node.body if decided else node.orelse, module),
                    [],
                ]
            return ["if", node.lineno, expression(node.test), *(self._block(p, module) for p in bodies(node))]
        if isinstance(node, ast.Try):
            return ["if", node.lineno, ["const", True], self._block([*node.body, *node.orelse], module), []]
        if isinstance(node, ast.ClassDef):
            return self._class(node, module)
        if isinstance(node, ast.ImportFrom):
            wanted = self.names.get(module.name, set())
            names = [[a.name, a.asname or a.name] for a in node.names if (a.asname or a.name) in wanted]
            return ["from", node.lineno, node.level, node.module or "", names]
        if isinstance(node, ast.FunctionDef) and not self._followed(node, module):
            return ["pass", node.lineno]
        if isinstance(node, ast.FunctionDef):
            return ["def", node.lineno, node.name, function(node), []]
        return statement(node)

    def _class(self, node: ast.ClassDef, module: Module) -> Node:
        body: list[Node] = []
        kept = list(self._members(node, module)) if under(module.name, self.followed) else []
        for item in kept:
            if isinstance(item, ast.FunctionDef):
                body.append(["def", item.lineno, item.name, function(item), []])
            else:
                body.extend(block([item]))
        have = {name for item in kept for name in attributes(item)}
        defined = (item for item in node.body if not (isinstance(item, ast.AnnAssign) and item.value is None))
        omitted = sorted({name for item in defined for name in attributes(item)} - have - NEVER - {INIT})
        return ["class", node.lineno, node.name, [expression(base) for base in node.bases], body, [], omitted]


def _runs(node: ast.FunctionDef) -> bool:
    """Whether a method is only declared, or computes with a layer (``apply`` of a quantization method)."""
    computes = node.name == "apply" and any(a.arg in ("layer", "x") for a in (*node.args.args, *node.args.kwonlyargs))
    return computes or any(ast.unparse(d).rpartition(".")[2] == "overload" for d in node.decorator_list)


def _set_on(node: ast.stmt) -> list[ast.Attribute]:
    """``Class.attribute = ...`` at module level."""
    targets = node.targets if isinstance(node, ast.Assign) else []
    return [t for t in targets if isinstance(t, ast.Attribute) and isinstance(t.value, (ast.Name, ast.Attribute))]
