"""A model before loading: instances of its classes with their children and empty parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ascend_compat.core.class_names import full, shorten
from ascend_compat.knowledge.evaluate.values import Class, External, Instance, Native, Unknown
from ascend_compat.knowledge.loading.machine import MEMBERS, LoadingMachine, class_of
from ascend_compat.knowledge.loading.stand_ins import Buffer, View, opaque, parameter_data
from ascend_compat.knowledge.modules import Leaf, ModuleTree

MISSING_LAYER = "PPMissingLayer"


@dataclass(slots=True)
class Node:
    """One module of the model: its instance, its path, the index of its layer, and what hangs below it.

    ``tree_path`` is where the module tree has a layer that the model wraps in another module. ``buffers`` are assumed:
    what the checkpoint has for a module itself, which only a loader that asks for buffers sees. A module is ``spare``
    when it is of a class that another one was chosen for, and of ``several`` classes where the configuration picks one.
    """

    path: str
    instance: Instance
    index: int | None = None
    leaf: Leaf | None = None
    tree_path: str = ""
    spare: bool = False
    several: bool = False
    children: dict[str, Node] = field(default_factory=dict)
    parameters: dict[str, View] = field(default_factory=dict)
    buffers: dict[str, View] = field(default_factory=dict)

    def walk(self, prefix: str = "") -> Iterator[tuple[str, Node]]:
        """This module and all below it, with the path from here."""
        yield prefix, self
        for name, child in self.children.items():
            yield from child.walk(f"{prefix}.{name}" if prefix else name)

    def named_parameters(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, View]]:
        """Parameters as torch names them."""
        for path, node in self.walk(prefix) if recurse else [(prefix, self)]:
            for name, view in node.parameters.items():
                yield f"{path}.{name}" if path else name, view

    def named_buffers(self) -> Iterator[tuple[str, View]]:
        """Buffers as torch names them."""
        for path, node in self.walk():
            for name, view in node.buffers.items():
                yield f"{path}.{name}" if path else name, view


class Skeleton:
    """The modules of one architecture, for the layers that stand for all others."""

    def __init__(self, machine: LoadingMachine, tree: ModuleTree, indices: Mapping[str, list[int]]) -> None:
        self.machine = machine
        self.tree = tree
        self.indices = indices
        self.root = self._node("", None, self._class([tree.root and full(tree.root)]))
        #: Modules that are layers, and single parameters with the module that has them.
        self.leaves: list[Node] = []
        layers = tree.pack.get("layer_classes", {})
        self.outer = {e["layer"]: tuple(e["outer"]) for e in layers.values() if "outer" in e}
        self.loose: list[tuple[Node, str, Leaf]] = []
        #: Paths where one of several classes was chosen, and its name.
        self.chosen: dict[str, str] = {}

    def build(self, choose: Any) -> Node:
        """Create all nodes; ``choose(template, names, index)`` says which of several classes a layer is of."""
        for template in sorted(self.tree.models, key=lambda path: path.count(".")):
            if template:
                for path, index in self._concrete(template):
                    names = choose(template, self.tree.models[template], index)
                    cls = self._class(names)
                    if cls is not None:
                        if len(names) > 1:
                            self.chosen[path] = cls.name
                        node = self._at(path, index)
                        node.instance.cls = cls
                        node.instance.label = cls.name
        for template, leaves in self.tree.leaves.items():
            for path, index in self._concrete(template):
                self._leaf(path, index, leaves[0], len(leaves) > 1)
        for template in (*self.tree.dynamic, *self._hollow()):
            for path, index in self._concrete(template):
                node = self._at(path, index)
                node.instance.names["load_weights"] = _taking_all(self.machine, node)
        for _, node in self.root.walk():
            self._equip(node)
        return self.root

    def _hollow(self) -> Iterator[str]:
        """Models nothing of which is known, their parts being made where the extractor does not follow them."""
        known = [*self.tree.models, *self.tree.leaves, *self.tree.dynamic]
        for template, names in self.tree.models.items():
            cls = self._class(names) if template else None
            alone = not any(path.startswith(f"{template}.") for path in known)
            if alone and cls is not None and not _has(cls, "load_weights"):
                yield template

    def _leaf(self, path: str, index: int | None, leaf: Leaf, several: bool) -> None:
        if leaf.cls.endswith(".Parameter"):
            parent, _, name = path.rpartition(".")
            self.loose.append((self._at(parent, index) if parent else self.root, name, leaf))
            return
        outer, attr = self.outer.get(leaf.cls, ("", ""))
        if outer:  # a module around the layer that a factory gives: parameters are named below it
            around = self._at(path, index)
            around.instance.cls = class_of(self.machine, outer, ())
        node = self._at(f"{path}.{attr}" if outer else path, index)
        node.leaf, node.tree_path, node.several = leaf, path, several
        chain = {name for name, _ in leaf.chain}
        node.spare = any(path.startswith(f"{above}.") and name not in chain for above, name in self.chosen.items())
        node.instance.cls = class_of(self.machine, leaf.cls, leaf.lineage)
        node.instance.label = node.instance.cls.name
        self.leaves.append(node)

    def _concrete(self, template: str) -> Iterator[tuple[str, int | None]]:
        """A path template with the indices of the layers that are built."""
        if "*" not in template:
            yield template, None
            return
        stem = template.partition(".*")[0].rpartition(".")[2]
        for index in self.indices.get(stem) or self.indices.get("", [0]):
            path = template.replace("*", str(index), 1)
            if "*" in path:
                yield from ((path.replace("*", str(inner)), index) for inner in (0, 1))
            else:
                yield path, index

    def _class(self, names: list[str]) -> Class | None:
        """The first of some names that is a model class, of the loading code or with bases there."""
        for alias in names:
            name = full(self.tree.classes.get(shorten(alias), {}).get("is", alias))
            module, _, last = name.partition(":")
            found = self.machine.member(module, last) if module in self.machine.modules else None
            if isinstance(found, Class) and found.name != MISSING_LAYER and _is_module(found):
                return found
            bases = tuple(full(base) for base in self.tree.bases(name))
            if bases and last != MISSING_LAYER:
                return class_of(self.machine, name, bases)
        return None

    def _at(self, path: str, index: int | None) -> Node:
        """The node at a path, created with what lies above it."""
        node = self.root
        done, layer = "", None  # what lies above the list of layers is of none of them
        for name in path.split("."):
            done = f"{done}.{name}" if done else name
            layer = index if name == str(index) else layer
            if name not in node.children:
                node.children[name] = self._node(done, layer, None)
            node = node.children[name]
        node.index = index if node.index is None else node.index
        return node

    def _node(self, path: str, index: int | None, cls: Class | None) -> Node:
        instance = Instance(cls, {}, closed=False, label=cls.name if cls else path or "model")
        return Node(path, instance, index)

    def _equip(self, node: Node) -> None:
        """Give an instance what every torch module has."""
        names = node.instance.names
        names.update({name: child.instance for name, child in node.children.items()})
        if node.children and all(name.isdigit() for name in node.children):
            names[MEMBERS] = {name: child.instance for name, child in node.children.items()}
        if node.instance.cls is None:
            node.instance.cls = Class("Module", "torch.nn", "", (), {})
        found = node.instance.cls.find("load_weights")
        if (
            not isinstance(found, Unknown)
            and "load_weights" not in names
            and not _has(node.instance.cls, "load_weights")
        ):
            names["load_weights"] = None
        names.update(_methods(node))


def _taking_all(machine: LoadingMachine, node: Node) -> Native:
    """The loader of a model that only the configuration names: every tensor is assumed to have its parameter."""

    def load(args: list[Any], keywords: dict[str, Any], at: str) -> Any:
        names = set()
        for name, view in machine.iterate(args[0], at):
            if isinstance(view, View):
                buffer = Buffer(f"{node.path}.{name}", (Unknown(at, "a model that is not known"),), True)
                buffer.written.append(((), view.origins, at))
                node.parameters[name] = parameter_data(buffer, None)
                names.add(name)
        return names

    return Native("load_weights", load)


def _is_module(cls: Class) -> bool:
    """Whether a class may be a torch module: plain classes of the trees (mappers, outputs) are not."""
    lineage = cls.lineage()
    settings = any(isinstance(item, External) and item.name.endswith("Config") for item in lineage)
    return not settings and any(not isinstance(item, Class) or item.module.startswith("torch") for item in lineage)


def _has(cls: Class, name: str) -> bool:
    return any(isinstance(item, Class) and name in item.names for item in cls.lineage())


def _methods(node: Node) -> dict[str, Native]:
    def parameters(args: list[Any], keywords: dict[str, Any], at: str) -> Any:
        prefix = keywords.get("prefix", args[0] if args else "")
        recurse = keywords.get("recurse", args[1] if len(args) > 1 else True)
        return list(node.named_parameters(prefix or "", recurse is not False))

    def children(args: list[Any], keywords: dict[str, Any], at: str) -> Any:
        return [(name, child.instance) for name, child in node.children.items()]

    def modules(args: list[Any], keywords: dict[str, Any], at: str) -> Any:
        return [(path, inner.instance) for path, inner in node.walk()]

    def submodule(args: list[Any], keywords: dict[str, Any], at: str) -> Any:
        found = next((inner.instance for path, inner in node.walk() if path == args[0]), None)
        return found or Unknown(at, f"no module {args[0]}")

    calls: dict[str, Any] = {
        "named_parameters": parameters,
        "parameters": lambda args, kw, at: [view for _, view in node.named_parameters()] or [opaque(at)],
        "state_dict": lambda args, kw, at: dict(node.named_parameters()),
        "named_buffers": lambda args, kw, at: list(node.named_buffers()),
        "buffers": lambda args, kw, at: [],
        "named_children": children,
        "children": lambda args, kw, at: [child for _, child in children(args, kw, at)],
        "named_modules": modules,
        "modules": lambda args, kw, at: [inner for _, inner in modules(args, kw, at)],
        "get_submodule": submodule,
        "get_parameter": lambda args, kw, at: dict(node.named_parameters()).get(args[0], Unknown(at, "no parameter")),
        "_get_name": lambda args, kw, at: node.instance.label,
        "register_parameter": lambda args, kw, at: None,
        "register_buffer": lambda args, kw, at: None,
    }
    return {name: Native(name, call) for name, call in calls.items()}
