"""Flags of ``vllm serve``."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from ascend_compat.extract.defaults import is_option
from ascend_compat.extract.scan import last_name, literal_text
from ascend_compat.extract.statements import every, nodes
from ascend_compat.extract.subconfig import configuration_of
from ascend_compat.extract.tree import Module, Trees

#: The command; every other module is found from here.
SERVE = "vllm.entrypoints.cli.serve"
WHOLE = "vllm.config:VllmConfig"


@dataclass(frozen=True, slots=True)
class _Flag:
    """One argument: its long and short spellings, whether it has a ``--no-`` form, its configuration class."""

    names: tuple[str, ...]
    both: bool
    at: str
    config: str | None = None


def extract_flags(trees: Trees) -> dict[str, dict[str, str]]:
    """``{"--flag": {"at", "config"?}}``, and ``{"-f": {"at", "of"}}`` for short spellings.

    They are ``add_argument`` literals, and the fields of classes that turn theirs into flags. A flag of a boolean field
    has its ``--no-`` form too, as ``argparse.BooleanOptionalAction`` gives it. ``config`` is the configuration class
    whose fields are the keys of the flag's JSON.
    """
    found: dict[str, dict[str, str]] = {}
    for module in _modules(trees):
        for flag in (*_arguments(trees, module), *_fields(trees, module)):
            long = [name for name in flag.names if name.startswith("--")]
            config = flag.config or (_configuration(trees, WHOLE, long[0][2:].replace("-", "_")) if long else None)
            for name in flag.names:
                entry = {"at": flag.at, **({"of": long[0]} if long and name not in long else {})}
                found.setdefault(name, entry | ({"config": config} if config and name in long else {}))
                if flag.both and name in long:
                    found.setdefault(f"--no-{name[2:]}", {"at": flag.at})
    if not found:
        trees.unfollowed.append(f"{SERVE}: no flag found")
    return dict(sorted(found.items()))


def _modules(trees: Trees) -> list[Module]:
    """The module of the command, then those of the functions and classes that are handed its parser."""
    out: list[Module] = []
    pending = [SERVE]
    while pending:
        module = trees.module(pending.pop(0))
        if module is None or module in out:
            continue
        out.append(module)
        for node in nodes(module.tree):
            if isinstance(node, ast.Call) and any(last_name(arg).endswith("parser") for arg in node.args):
                head = ast.unparse(node.func).partition(".")[0]
                found = trees.resolve(module, head)
                if found and found.module and isinstance(found.node, (ast.ClassDef, ast.FunctionDef)):
                    pending.append(found.module.name)
    if not out:
        trees.unfollowed.append(f"{SERVE}: not found")
    return out


def _arguments(trees: Trees, module: Module) -> Iterator[_Flag]:
    sources = _sources(module)
    for node in nodes(module.tree):
        if not isinstance(node, ast.Call) or last_name(node.func) != "add_argument":
            continue
        both = any(word.arg == "action" and last_name(word.value) == "BooleanOptionalAction" for word in node.keywords)
        config: str | None = None
        for field, source in _spread(trees, module, node):
            owner = trees.resolve(module, sources.get(source, ""))
            fqn = owner.fqn if owner and owner.node is not None else ""
            both = both or _is_boolean(trees, fqn, field)
            config = config or _configuration(trees, fqn, field)
        names = tuple(
            text
            for arg in node.args
            if isinstance(arg, ast.Constant) and (text := literal_text(trees, module, arg)) and text.startswith("-")
        )
        if names:
            yield _Flag(names, both, module.at(node), config)


def _spread(trees: Trees, module: Module, call: ast.Call) -> Iterator[tuple[str, str]]:
    """Fields whose keyword arguments a call takes over, and the name that holds them: ``**name["field"]``."""
    for word in call.keywords:
        for node in every(word.value) if word.arg is None else ():
            if isinstance(node, ast.Subscript):
                yield literal_text(trees, module, node.slice) or "", last_name(node.value)


def _sources(module: Module) -> dict[str, str]:
    """Names bound to ``get_kwargs(Class)``, and the class."""
    out: dict[str, str] = {}
    for node in nodes(module.tree):
        value = node.value if isinstance(node, ast.Assign) else None
        if isinstance(node, ast.Assign) and isinstance(value, ast.Call) and len(value.args) == 1:
            out[last_name(node.targets[0])] = last_name(value.args[0])
    return out


def _field(trees: Trees, fqn: str, field: str) -> tuple[Module, ast.AnnAssign] | None:
    """A field of a class or of one it descends from."""
    for name in trees.lineage(fqn) if fqn else ():
        found = trees.find_class(name)
        for node in found[1].body if found else []:
            if found and isinstance(node, ast.AnnAssign) and last_name(node.target) == field:
                return found[0], node
    return None


def _is_boolean(trees: Trees, fqn: str, field: str) -> bool:
    found = _field(trees, fqn, field)
    return found is not None and _boolean(found[1])


def _configuration(trees: Trees, fqn: str, field: str) -> str | None:
    """The configuration class that a field holds."""
    if fqn == WHOLE:
        located = trees.locate(WHOLE.replace(":", "."))
        fqn = located.fqn if located.node is not None else ""
    found = _field(trees, fqn, field)
    return configuration_of(trees, found[0], found[1].annotation) if found else None


def _boolean(field: ast.AnnAssign) -> bool:
    """Whether ``bool`` is one of the types of a field, not an argument of one."""
    pending = [field.annotation]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.BinOp):
            pending += [node.left, node.right]
        elif last_name(node) == "bool":
            return True
        elif isinstance(node, ast.Subscript) and last_name(node.value) in {"Optional", "Union", "SkipValidation"}:
            pending += node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    return False


def _fields(trees: Trees, module: Module) -> Iterator[_Flag]:
    """Fields of the classes, or their descendants, that call ``add_argument`` with a flag made from a field's name."""
    for node in module.tree.body:
        if not isinstance(node, ast.ClassDef):
            continue
        chain = [found for fqn in trees.lineage(f"{module.name}:{node.name}") if (found := trees.find_class(fqn))]
        if not any(_makes_flags(cls) for _, cls in chain):
            continue
        for home, cls in chain:
            for field in cls.body:
                if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and is_option(field):
                    flag = f"--{field.target.id.replace('_', '-')}"
                    yield _Flag((flag,), _boolean(field), home.at(field))


def _makes_flags(cls: ast.ClassDef) -> bool:
    for node in every(cls):
        if isinstance(node, ast.Call) and last_name(node.func) == "add_argument":
            for arg in node.args:
                first = arg.values[0] if isinstance(arg, ast.JoinedStr) and arg.values else None
                if isinstance(first, ast.Constant) and str(first.value).startswith("--"):
                    return True
    return False
