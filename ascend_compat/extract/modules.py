"""The modules each architecture builds: a tree of attributes and classes, read off the code that constructs them."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any

from ascend_compat.core.class_names import shorten
from ascend_compat.extract.class_values import MAPPER, PACKED, class_mapping
from ascend_compat.extract.construction import INIT, QUANT, Construction
from ascend_compat.extract.custom_ops import creates_weights, layer_class
from ascend_compat.extract.made import Made, is_model
from ascend_compat.extract.statements import nodes
from ascend_compat.extract.tree import Module, NotConstant, Trees, assignments

IN_TREES = ("vllm.", "vllm_ascend.")


def extract_modules(trees: Trees, architectures: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """``model_classes`` and ``layer_classes``: what is reachable from the registered architectures.

    A child is ``[class, line, flags, {parameter: class}]``, what is empty at its end left out. The line is one of the
    file of the class that builds it. Flags: ``l`` one of many, ``q`` given the quantization configuration, ``n`` built
    without it. A class is a name (``:X`` of the same module), ``$name`` what a parameter holds, ``@name`` what an
    attribute of the class holds or a method returns, ``dynamic`` a registered architecture that the configuration
    names. ``takes`` gives the parameters that hold classes with position and default, ``super`` what is
    handed to the base class; ``is`` names the class that a name imports.
    """
    walk = _Walk(trees)
    for entry in architectures.values():
        walk.open(f"{entry['module']}:{entry['class']}")
    layers = {fqn: layer_class(trees, fqn) for fqn in walk.leaves}
    inner = {entry["layer"] for entry in layers.values() if "layer" in entry}
    layers.update({fqn: layer_class(trees, fqn) for fqn in inner})
    return walk.result(), {k: v for k, v in sorted(layers.items()) if v}


class _Walk:
    def __init__(self, trees: Trees) -> None:
        self.trees = trees
        self.classes: dict[str, _Opened] = {}
        self.aliases: dict[str, str] = {}
        self.leaves: set[str] = set()

    def open(self, fqn: str) -> None:
        """Record a model class and everything it builds; a class that is not found stays out."""
        pending = [fqn]
        while pending:
            name = pending.pop()
            found = self._definition(name)
            if found is None or name in self.classes:
                continue
            defined = f"{found[0].name}:{found[1].name}"
            if defined != name:
                self.aliases[name] = defined
                pending.append(defined)
                continue
            opened = _Opened(self.trees, *found)
            if not is_model(name) and not self._composite(name, opened):
                continue
            self.classes[name] = opened
            for made in opened.every():
                pending.extend(made.classes())
                self.leaves.update(ref for ref in made.classes() if not is_model(ref))
            pending.extend(opened.bases)

    def _composite(self, fqn: str, opened: _Opened) -> bool:
        """Whether a class outside the model packages is a block of layers: it builds some, and is not one itself."""
        if isinstance(opened.node, ast.FunctionDef) or not fqn.startswith(IN_TREES):
            return False
        if any(creates_weights(self.trees, base) for base in self.trees.lineage(fqn)):
            return False
        return any(ref.startswith(IN_TREES) for made in opened.built_now() for ref in made.classes())

    def _definition(self, fqn: str) -> tuple[Module, ast.ClassDef | ast.FunctionDef] | None:
        """A class or a function that builds one; a registry entry may name a class its module only imports."""
        home, _, name = fqn.partition(":")
        module = self.trees.module(home)
        binding = module.bindings.get(name) if module else None
        if module is not None and binding is not None and isinstance(binding.node, (ast.ClassDef, ast.FunctionDef)):
            return module, binding.node
        resolved = self.trees.locate(f"{home}.{name}")
        return self.trees.find_class(resolved.fqn)

    def result(self) -> dict[str, Any]:
        """Every opened class that says anything, in the form of the pack."""
        for opened in self.classes.values():
            opened.settle(self.classes)
        asked = self._asked()
        entries = {name: opened.entry(asked) for name, opened in sorted(self.classes.items())}
        kept = {name: entry for name, entry in entries.items() if len(entry) > 1}
        for entry in kept.values():
            if "bases" in entry:
                entry["bases"] = [shorten(base) for base in entry["bases"] if base in kept]
        kept.update({name: {"is": shorten(real)} for name, real in self.aliases.items() if real in kept})
        return {shorten(name): entry for name, entry in sorted(kept.items())}

    def _asked(self) -> set[str]:
        """Names of parameters, attributes and methods that constructions go through, until nothing new is named."""
        asked = {m.ref[1:] for opened in self.classes.values() for m in opened.built_now() if m.ref[:1] in ("$", "@")}
        while True:
            more = set(asked)
            for opened in self.classes.values():
                handed = [*opened.built_now(), Made("", 0, given=opened.built.handed)]
                for name in asked & opened.methods.keys():
                    handed.extend(opened.methods[name])
                for made in handed:
                    more.update({made.ref[1:]} if made.ref[:1] in ("$", "@") else ())
                    more.update(ref[1:] for key, ref in made.given.items() if ref[:1] == "$" and key in asked)
            if more == asked:
                return asked
            asked = more


class _Opened:
    """One model class that has been read."""

    def __init__(self, trees: Trees, module: Module, node: ast.ClassDef | ast.FunctionDef) -> None:
        self.trees = trees
        self.module = module
        self.node = node
        fqn = f"{module.name}:{node.name}"
        self.bases = [base.fqn for base in trees.bases(fqn) if is_model(base.fqn)]
        self.built = Construction(trees, module, node)
        self.children = self.built.children()
        self.methods = self.built.returned()
        self.attributes = self.built.class_attributes()
        self.parameters = self.built.defaults()

    def built_now(self) -> Iterator[Made]:
        """What constructing the class builds; of a function, what it returns."""
        for made in (*self.children.values(), self.methods.get("", [])):
            yield from made

    def every(self) -> Iterator[Made]:
        """Everything the class builds, hands on or holds."""
        for made in (*self.children.values(), *self.methods.values()):
            yield from made
        if self.built.handed:
            yield Made("", 0, given=self.built.handed)
        for ref in (*self.attributes.values(), *(default for _, default in self.parameters.values())):
            if ref is not None:
                yield Made(ref, 0)

    def entry(self, asked: set[str]) -> dict[str, Any]:
        """The class as data; of methods, attributes and arguments those that somebody asks for."""
        own = self.module.path.removesuffix(".py").replace("/", ".") == self.module.name
        out: dict[str, Any] = {"at": self.node.lineno if own else self.module.at(self.node)}
        parts: dict[str, Any] = {
            "bases": self.bases,
            "init": INIT in self.built.methods,
            "takes": self._takes(asked),
            "super": self._given(self.built.handed, asked),
            "attrs": {name: self._short(ref) for name, ref in self.attributes.items() if name in asked},
            "children": {name: [self._made(m, asked) for m in made] for name, made in self.children.items() if made},
            "methods": {
                n: [self._made(m, asked) for m in made] for n, made in self.methods.items() if n in {*asked, ""}
            },
            "calls": sorted(self.built.calls),
            **dict(self._literals()),
        }
        out.update({name: value for name, value in parts.items() if value})
        if set(out) == {"at", "init"}:
            del out["init"]
        return out

    def settle(self, classes: Mapping[str, _Opened]) -> None:
        """A model that could be given the quantization configuration and is not is built without it."""
        for made in self.every():
            callee = classes.get(made.ref)
            init = callee.built.methods.get(INIT) if callee else None
            if made.quant is None and made.positional is not None and init is not None:
                names = [a.arg for a in (*init.args.posonlyargs, *init.args.args)][1:]
                keywords = [a.arg for a in init.args.kwonlyargs]
                passed = names[: made.positional]
                if QUANT[0] in [*names, *keywords] and QUANT[0] not in passed and QUANT[1] not in [*names, *keywords]:
                    made.quant = False

    def _takes(self, asked: set[str]) -> dict[str, list[Any]]:
        """``{parameter: [position, default class]}`` of the parameters of ``__init__`` that hold classes."""
        return {
            name: [place, self._short(ref)] if ref else [place]
            for name, (place, ref) in sorted(self.parameters.items())
            if name in asked
        }

    def _short(self, ref: str) -> str:
        home, _, name = ref.partition(":")
        return f":{name}" if home == self.module.name else shorten(ref)

    def _given(self, given: Mapping[str, str], asked: set[str]) -> dict[str, str]:
        return {name: self._short(ref) for name, ref in given.items() if name in asked or name.isdigit()}

    def _made(self, made: Made, asked: set[str]) -> list[Any]:
        given: Any = made.literal if made.literal is not None else self._given(made.given, asked)
        out = [self._short(made.ref), made.line, made.flags(is_model(made.ref)), given, made.socs]
        while len(out) > 2 and not out[-1]:
            out.pop()
        return out

    def _literals(self) -> Iterator[tuple[str, Any]]:
        for name, value in assignments(self.node.body) if isinstance(self.node, ast.ClassDef) else ():
            try:
                if name == PACKED:
                    known = class_mapping(self.trees, self.module, value, name)
                    yield name, {**known, **dict(self._added(name))} if isinstance(known, dict) else known
                elif name == MAPPER and not isinstance(value, ast.Constant):
                    yield name, class_mapping(self.trees, self.module, value, name)
            except NotConstant as stop:
                self.trees.unfollowed.append(str(stop))

    def _added(self, name: str) -> Iterator[tuple[Any, Any]]:
        """What methods add to a mapping of the class (``self.name[key] = value``), for whatever configuration."""
        for node in (node for node in nodes(self.node) if isinstance(node, ast.Assign)):
            target = node.targets[0]
            if isinstance(target, ast.Subscript) and ast.unparse(target.value) == f"self.{name}":
                try:
                    yield self.trees.constant(self.module, target.slice), self.trees.constant(self.module, node.value)
                except NotConstant as stop:
                    self.trees.unfollowed.append(str(stop))
