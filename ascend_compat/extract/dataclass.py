"""The constructor that ``@dataclass`` writes, spelled out so that it is translated like any other."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ascend_compat.extract.statements import every
from ascend_compat.extract.tree import Module, Trees

POST = "__post_init__"


def dataclass_init(trees: Trees, module: Module, node: ast.ClassDef) -> ast.FunctionDef | None:
    """``__init__`` over the fields of a dataclass and its bases, ``None`` for any other class.

    Source: Python's ``dataclasses``: fields in the order of the bases, a redefined one in its first place.
    """
    if not _is_dataclass(node) or any(isinstance(i, ast.FunctionDef) and i.name == "__init__" for i in node.body):
        return None
    fields: dict[str, ast.expr | None] = {}
    for fqn in reversed(trees.lineage(f"{module.name}:{node.name}")):
        found = trees.find_class(fqn)
        if found is not None and _is_dataclass(found[1]):
            fields.update(_fields(found[1]))
    arguments = [ast.arg("self"), *(ast.arg(name) for name in fields)]
    # A field without default may follow one with: bases come first. Defaults are given to the last ones only.
    names = list(fields)
    first = next((i for i in range(len(names)) if all(fields[n] is not None for n in names[i:])), len(names))
    defaults = [value for name in names[first:] if (value := fields[name]) is not None]
    body: list[ast.stmt] = [ast.Assign([_own(name, ast.Store())], ast.Name(name, ast.Load())) for name in names]
    if any(isinstance(i, ast.FunctionDef) and i.name == POST for i in node.body):
        body.append(ast.Expr(ast.Call(_own(POST, ast.Load()), [], [])))
    made = ast.FunctionDef(
        name="__init__",
        args=ast.arguments([], arguments, None, [], [], None, defaults),
        body=body or [ast.Pass()],
        decorator_list=[],
    )
    ast.copy_location(made, node)
    for inner in every(made):
        if isinstance(inner, (ast.stmt, ast.expr)) and not hasattr(inner, "lineno"):
            ast.copy_location(inner, node)
    return made


def _is_dataclass(node: ast.ClassDef) -> bool:
    return any(ast.unparse(d).partition("(")[0].rpartition(".")[2] == "dataclass" for d in node.decorator_list)


def _fields(node: ast.ClassDef) -> Iterator[tuple[str, ast.expr | None]]:
    for item in node.body:
        if not isinstance(item, ast.AnnAssign) or not isinstance(item.target, ast.Name):
            continue
        if "ClassVar" not in ast.unparse(item.annotation):
            yield item.target.id, _default(item.value)


def _default(value: ast.expr | None) -> ast.expr | None:
    """The default itself, also where ``field(...)`` wraps it; a factory is called anew at each construction."""
    if isinstance(value, ast.Call) and ast.unparse(value.func).rpartition(".")[2] == "field":
        for keyword in value.keywords:
            if keyword.arg == "default":
                return keyword.value
            if keyword.arg == "default_factory":
                return ast.copy_location(ast.Call(keyword.value, [], []), value)
        return None
    return value


def _own(name: str, context: ast.expr_context) -> ast.Attribute:
    return ast.Attribute(ast.Name("self", ast.Load()), name, context)
