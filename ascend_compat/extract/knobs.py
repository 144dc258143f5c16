"""What a user can turn: environment variables, keys of ``--additional-config``, flags of ``vllm serve``."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from ascend_compat.extract.tree import Module, Trees, assignments

ENVS = (("vllm", "vllm.envs"), ("vllm_ascend", "vllm_ascend.envs"))
TABLES = frozenset({"environment_variables", "env_variables"})
READERS = frozenset(
    {"os.getenv", "os.environ.get", "environ.get", "getenv", "environ.setdefault", "os.environ.setdefault"}
)
FLAG_HOMES = ("vllm.engine.arg_utils", "vllm.entrypoints.openai.cli_args", "vllm.entrypoints.cli.serve")
FLAG_CLASSES = ("FrontendArgs",)
ADDITIONAL_HOME = "vllm_ascend.ascend_config"


class _Unclear(Exception):
    """A default that is not certain."""


def extract_environment(trees: Trees) -> dict[str, Any]:
    """``{variable: {owner, at, default?}}``; ``default`` only where it is certain."""
    out: dict[str, Any] = {}
    for owner, name in ENVS:
        module = trees.module(name)
        if module is None:
            trees.unfollowed.append(f"{name}: not found")
            continue
        declared = _declared(module)
        for variable, key, value in _table(module):
            entry: dict[str, Any] = {"owner": owner, "at": module.at(key)}
            out.setdefault(variable, entry | _default(variable, value, declared))
    for name in trees.vllm_ascend.names():
        module = trees.module(name)
        for variable, node in _reads(module) if module else ():
            assert module is not None
            out.setdefault(variable, {"owner": "vllm_ascend", "at": module.at(node)})
    return dict(sorted(out.items()))


def _table(module: Module) -> Iterator[tuple[str, ast.expr, ast.expr]]:
    for name, value in assignments(module.tree.body):
        if name in TABLES and isinstance(value, ast.Dict):
            for key, item in zip(value.keys, value.values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    yield key.value, key, item


def _declared(module: Module) -> dict[str, Any]:
    """Plain defaults that the module announces for type checkers."""
    out: dict[str, Any] = {}
    for node in module.tree.body:
        for name, value in assignments(node.body) if isinstance(node, ast.If) else ():
            if isinstance(value, ast.Constant):
                out[name] = value.value
    return out


def _default(name: str, value: ast.expr, declared: dict[str, Any]) -> dict[str, Any]:
    body = value.body if isinstance(value, ast.Lambda) else value
    try:
        return {"default": _evaluate(body)}
    except _Unclear:
        return {"default": declared[name]} if name in declared else {}


def _evaluate(node: ast.expr) -> Any:
    """The value of a default expression when the variable is not set; anything beyond conversions is unclear."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Call):
        name = ast.unparse(node.func)
        if name in READERS:
            return _evaluate(node.args[1]) if len(node.args) > 1 else None
        args = [_evaluate(a) for a in node.args]
        if name in _CONVERSIONS and len(args) == 1:
            return _converted(name, args[0])
        if isinstance(node.func, ast.Attribute) and node.func.attr in ("lower", "upper", "strip") and not args:
            owner = _evaluate(node.func.value)
            if isinstance(owner, str):
                return getattr(owner, node.func.attr)()
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        left, right = _evaluate(node.left), _evaluate(node.comparators[0])
        if isinstance(node.ops[0], ast.Eq):
            return left == right
        if isinstance(node.ops[0], ast.In) and isinstance(right, (list, str)) and isinstance(left, str):
            return left in right
    if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
        return [_evaluate(item) for item in node.elts]
    raise _Unclear


_CONVERSIONS = {"int": int, "bool": bool, "float": float, "str": str}


def _converted(name: str, value: Any) -> Any:
    try:
        return _CONVERSIONS[name](value)
    except (TypeError, ValueError):
        raise _Unclear from None


def _reads(module: Module) -> Iterator[tuple[str, ast.AST]]:
    """Literal reads of the environment outside the tables."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in READERS and node.args:
            key = node.args[0]
        elif isinstance(node, ast.Subscript) and ast.unparse(node.value) == "os.environ":
            key = node.slice
        else:
            continue
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            yield key.value, node


def extract_additional_config(trees: Trees) -> dict[str, Any]:
    """Keys the plugin reads from ``--additional-config``, with literal defaults."""
    module = trees.module(ADDITIONAL_HOME)
    out: dict[str, Any] = {}
    for node in ast.walk(module.tree) if module else ():
        assert module is not None
        if not isinstance(node, ast.Call) or not node.args:
            continue
        name = ast.unparse(node.func)
        reads = name.endswith("additional_config.get")
        through = name.rpartition(".")[2] == "_get_config_value" and len(node.args) > 1
        key = node.args[0] if reads else node.args[1] if through else None
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            entry: dict[str, Any] = {"at": module.at(node)}
            if reads and len(node.args) > 1 and isinstance(node.args[1], ast.Constant):
                entry["default"] = node.args[1].value
            out.setdefault(key.value, entry)
    return dict(sorted(out.items()))


def extract_flags(trees: Trees) -> dict[str, Any]:
    """``{"--flag": {at}}``: ``add_argument`` literals, fields of argument dataclasses with their ``--no-`` forms."""
    out: dict[str, Any] = {}
    for name in FLAG_HOMES:
        module = trees.module(name)
        for flag, node in _flags(module) if module else ():
            assert module is not None
            out.setdefault(flag, {"at": module.at(node)})
    return dict(sorted(out.items()))


def _flags(module: Module) -> Iterator[tuple[str, ast.AST]]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "add_argument":
            for arg in node.args:
                if isinstance(arg, ast.Constant) and isinstance(arg.value, str) and arg.value.startswith("--"):
                    yield arg.value, node
        elif isinstance(node, ast.ClassDef) and any(part in node.name for part in FLAG_CLASSES):
            for item in node.body:
                if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
                    flag = item.target.id.replace("_", "-")
                    yield f"--{flag}", item
                    if ast.unparse(item.annotation) == "bool":
                        yield f"--no-{flag}", item
