"""Source trees as parsed modules: find a module, follow a name through imports, evaluate a literal."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ascend_compat.extract.platform import CURRENT, decided, predicates
from ascend_compat.extract.source_tree import SourceTree
from ascend_compat.extract.statements import every

SIZE_LIMIT = 4 << 20


class NotConstant(Exception):
    """An expression that is not a literal: where, and what stopped it."""

    def __init__(self, at: str, reason: str) -> None:
        super().__init__(f"{at}: {reason}")
        self.at = at
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Binding:
    """What a module-level name is bound to: a definition, an imported name (``target``), or an assigned expression."""

    kind: str
    node: ast.AST
    target: str = ""
    guard: str = ""


@dataclass(slots=True)
class Module:
    """A parsed module; ``path`` is relative to its tree with forward slashes."""

    name: str
    path: str
    tree: ast.Module
    is_package: bool
    bindings: dict[str, Binding] = field(default_factory=dict)
    #: What :func:`ascend_compat.extract.scope.module_names` found.
    names: dict[str, str | None] | None = None

    def at(self, node: ast.AST) -> str:
        """``path:line`` of a node."""
        return f"{self.path}:{getattr(node, 'lineno', 1)}"


@dataclass(frozen=True, slots=True)
class Resolved:
    """A name followed to where it is defined. ``node`` is ``None`` for something outside the trees."""

    fqn: str
    module: Module | None
    node: ast.AST | None


class Trees:
    """vllm-ascend and vllm side by side."""

    def __init__(self, vllm_ascend: Path, vllm: Path) -> None:
        self.trees = (SourceTree(vllm_ascend, "vllm_ascend"), SourceTree(vllm, "vllm"))
        self.unfollowed: list[str] = []
        self._modules: dict[str, Module | None] = {}
        self._platform: dict[str, bool] | None = None

    @property
    def vllm_ascend(self) -> SourceTree:
        """The plugin's tree."""
        return self.trees[0]

    @property
    def vllm(self) -> SourceTree:
        """The engine's tree."""
        return self.trees[1]

    def module(self, name: str) -> Module | None:
        """A module by dotted name, ``None`` when neither tree has it or it can't be parsed (in ``unfollowed``)."""
        if name not in self._modules:
            self._modules[name] = self._load(name)
        return self._modules[name]

    def _load(self, name: str) -> Module | None:
        tree = next((t for t in self.trees if name == t.package or name.startswith(t.package + ".")), None)
        found = tree.find(name) if tree else None
        if tree is None or found is None:
            return None
        path, package = found
        relative = tree.relative(name)
        try:
            if path.stat().st_size > SIZE_LIMIT:
                raise ValueError("file is too large")
            parsed = ast.parse(path.read_text(encoding="utf-8-sig"))
        except (SyntaxError, ValueError, RecursionError, OSError) as error:
            self.unfollowed.append(f"{relative}: {type(error).__name__}")
            return None
        module = Module(name, relative, parsed, package)
        _bind(module, parsed.body, "", self.decided)
        return module

    def decided(self, test: ast.expr) -> bool | None:
        """Whether a test of the platform holds on an NPU; ``None`` for tests of anything else."""
        if not any(CURRENT in (getattr(node, "id", ""), getattr(node, "attr", "")) for node in every(test)):
            return None
        if self._platform is None:
            self._platform = {}  # the platform's own modules are bound without it
            self._platform = predicates(self)
        return decided(test, self._platform)

    def read(self, relative: str) -> str | None:
        """A text file of the plugin's tree (a Dockerfile, a requirements file), ``None`` when absent."""
        path = self.vllm_ascend.root / relative
        return path.read_text(encoding="utf-8-sig", errors="replace") if path.is_file() else None

    def resolve(self, module: Module, dotted: str, depth: int = 0) -> Resolved | None:
        """Follow a dotted name from inside a module; ``None`` when the module does not bind it."""
        head, _, rest = dotted.partition(".")
        binding = module.bindings.get(head)
        if binding is None or depth > 20:
            return None
        if binding.kind == "import":
            return self.locate(f"{binding.target}.{rest}" if rest else binding.target, depth + 1)
        if binding.kind == "assign" and not rest:
            alias = binding.node.value if isinstance(binding.node, (ast.Assign, ast.AnnAssign)) else None
            if isinstance(alias, (ast.Name, ast.Attribute)):
                return self.resolve(module, ast.unparse(alias), depth + 1)
        return Resolved(f"{module.name}:{head}" + (f".{rest}" if rest else ""), module, binding.node)

    def locate(self, dotted: str, depth: int = 0) -> Resolved:
        """An absolute dotted name: the longest module prefix, then names inside it."""
        parts = dotted.split(".")
        for cut in range(len(parts), 0, -1):
            module = self.module(".".join(parts[:cut]))
            if module is None:
                continue
            if cut == len(parts):
                return Resolved(module.name, module, module.tree)
            found = self.resolve(module, ".".join(parts[cut:]), depth)
            if found is not None:
                return found
            break
        return Resolved(dotted, None, None)

    def bases(self, fqn: str) -> list[Resolved]:
        """The resolved bases of a class ``module:Class``; of a base that a factory makes, the classes it is given."""
        found = self.find_class(fqn)
        if found is None:
            return []
        module, node = found
        out: list[Resolved] = []
        for base in node.bases:
            if isinstance(base, ast.Call):
                given = [self.resolve(module, ast.unparse(arg)) for arg in base.args]
                out.extend(made for made in given if made is not None and isinstance(made.node, ast.ClassDef))
                continue
            text = ast.unparse(base.value if isinstance(base, ast.Subscript) else base)
            out.append(self.resolve(module, text) or Resolved(text, None, None))
        return out

    def find_class(self, fqn: str) -> tuple[Module, ast.ClassDef] | None:
        """A class by ``module:Class``."""
        name, _, cls = fqn.partition(":")
        module = self.module(name)
        binding = module.bindings.get(cls) if module else None
        return (module, binding.node) if module and binding and isinstance(binding.node, ast.ClassDef) else None

    def lineage(self, fqn: str) -> list[str]:
        """A class and its bases, left first, each once; classes outside the trees by their dotted name."""
        seen: list[str] = []
        pending = [fqn]
        while pending:
            name = pending.pop()
            if name not in seen:
                seen.append(name)
                pending.extend(base.fqn for base in reversed(self.bases(name)))
        return seen

    def constant(self, module: Module, node: ast.expr | None, depth: int = 0) -> Any:
        """A literal, followed through module constants; raises :class:`NotConstant`."""
        if depth > 20 or node is None:
            raise NotConstant(module.path, "nesting")
        try:
            return ast.literal_eval(node)
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            pass
        if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
            items = [self.constant(module, item, depth + 1) for item in node.elts]
            return tuple(items) if isinstance(node, ast.Tuple) else items
        if isinstance(node, ast.Dict):
            return {
                self.constant(module, key, depth + 1): self.constant(module, value, depth + 1)
                for key, value in zip(node.keys, node.values, strict=True)
            }
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            left, right = self.constant(module, node.left, depth + 1), self.constant(module, node.right, depth + 1)
            if type(left) is type(right) and isinstance(left, (str, list, tuple)):
                return left + right
        if isinstance(node, (ast.Name, ast.Attribute)):
            found = self.resolve(module, ast.unparse(node))
            value = (
                getattr(found.node, "value", None)
                if found and isinstance(found.node, (ast.Assign, ast.AnnAssign))
                else None
            )
            if found and found.module and value is not None:
                return self.constant(found.module, value, depth + 1)
        raise NotConstant(module.at(node), f"{type(node).__name__} is not a literal")


def _bind(module: Module, body: list[ast.stmt], guard: str, decide: Callable[[ast.expr], bool | None]) -> None:
    """Module-level names, the first binding of each; under ``if`` and ``try`` too, with the guard's text.

    What stands under a test that does not hold on an NPU binds last.
    """
    for node in body:
        if isinstance(node, ast.If):
            test = ast.unparse(node.test)
            parts = [(node.body, test), (node.orelse, f"not ({test})")]
            for part, text in reversed(parts) if decide(node.test) is False else parts:
                _bind(module, part, text, decide)
        elif isinstance(node, ast.Try):
            for part in (node.body, *(handler.body for handler in node.handlers), node.orelse, node.finalbody):
                _bind(module, part, guard, decide)
        else:
            for name, binding in _bindings(module, node, guard):
                module.bindings.setdefault(name, binding)


def _bindings(module: Module, node: ast.stmt, guard: str) -> Iterator[tuple[str, Binding]]:
    if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
        yield node.name, Binding("class" if isinstance(node, ast.ClassDef) else "function", node, guard=guard)
    elif isinstance(node, ast.Import):
        for alias in node.names:
            name = alias.asname or alias.name.partition(".")[0]
            yield name, Binding("import", node, alias.name if alias.asname else name, guard)
    elif isinstance(node, ast.ImportFrom):
        source = absolute(module, node)
        for alias in node.names:
            yield alias.asname or alias.name, Binding("import", node, f"{source}.{alias.name}", guard)
    elif isinstance(node, (ast.Assign, ast.AnnAssign)):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for target in targets:
            if isinstance(target, ast.Name):
                yield target.id, Binding("assign", node, guard=guard)


def assignments(body: list[ast.stmt]) -> Iterator[tuple[str, ast.expr]]:
    """``name = value`` statements of a module or class body, annotated ones too."""
    for node in body:
        target: ast.expr | None = node.target if isinstance(node, ast.AnnAssign) else None
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target = node.targets[0]
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and isinstance(target, ast.Name) and node.value is not None:
            yield target.id, node.value


def absolute(module: Module, node: ast.ImportFrom) -> str:
    """The absolute name of the module an import statement names."""
    if not node.level:
        return node.module or ""
    parts = module.name.split(".")
    base = parts[: len(parts) - node.level + (1 if module.is_package else 0)]
    return ".".join([*base, node.module] if node.module else base)
