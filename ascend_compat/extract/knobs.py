"""What a user can turn: environment variables, flags of ``vllm serve``, keys of ``--additional-config``."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from ascend_compat.extract.additional import extract_additional_config
from ascend_compat.extract.defaults import is_option
from ascend_compat.extract.scan import last_name, literal_text, mentioning
from ascend_compat.extract.tree import Module, NotConstant, Trees, assignments
from ascend_compat.extract.unset import ENVIRON, READERS, Function, Unset

__all__ = ["extract_additional_config", "extract_environment", "extract_flags"]

ENVIRONMENTS = (("vllm", "vllm.envs"), ("vllm_ascend", "vllm_ascend.envs"))
#: The plugin's module that is always imported: what it puts into the environment is set.
PLATFORM = "vllm_ascend.platform"
FLAG_MODULES = ("vllm.engine.arg_utils", "vllm.entrypoints.openai.cli_args", "vllm.entrypoints.cli.serve")
READS = READERS | {"os.environ.setdefault", "environ.setdefault"}


def extract_environment(trees: Trees) -> dict[str, dict[str, Any]]:
    """``{variable: {"owner", "at", "default"?}}``: the tables of both ``envs`` modules, then reads anywhere else.

    ``default`` is the Python value of the table's entry in an environment that sets nothing; it is absent where that is
    not certain, and where both tables name the variable and differ.
    """
    given = _given(trees)
    found: dict[str, dict[str, Any]] = {}
    for owner, name in ENVIRONMENTS:
        module = trees.module(name)
        rows = list(_table(module)) if module else []
        if module is None or not rows:
            trees.unfollowed.append(f"{name}: no table of environment variables")
            continue
        unset = Unset(trees, module, given)
        for variable, key, value in rows:
            entry = {"owner": owner, "at": module.at(key), **_default(unset, value)}
            first = found.setdefault(variable, entry)
            if first.get("default", first) != entry.get("default", first):
                first.pop("default", None)
    for tree in reversed(trees.trees):
        for module in mentioning(trees, tree, "environ", "getenv"):
            for variable, node in _reads(trees, module):
                found.setdefault(variable, {"owner": tree.package, "at": module.at(node)})
    return dict(sorted(found.items()))


def _table(module: Module) -> Iterator[tuple[str, ast.expr, ast.expr]]:
    """Rows of the module-level dictionaries whose values are all callables by the look of them."""
    for _, table in assignments(module.tree.body):
        if not isinstance(table, ast.Dict) or not any(isinstance(value, ast.Lambda) for value in table.values):
            continue
        for key, value in zip(table.keys, table.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                yield key.value, key, value


def _default(unset: Unset, value: ast.expr) -> dict[str, Any]:
    try:
        function = unset.value(value)
        result = unset.call(function, (), {}) if isinstance(function, Function) else function
    except NotConstant:
        return {}
    return {"default": result} if result is None or isinstance(result, (bool, int, float, str)) else {}


def _given(trees: Trees) -> dict[str, str]:
    """Variables that the plugin's platform module sets to a literal when it is imported."""
    module = trees.module(PLATFORM)
    out: dict[str, str] = {}
    for node in module.tree.body if module else []:
        target = node.targets[0] if isinstance(node, ast.Assign) else None
        if isinstance(target, ast.Subscript) and ast.unparse(target.value) in ENVIRON and isinstance(node, ast.Assign):
            assert module is not None
            name, value = (literal_text(trees, module, part) for part in (target.slice, node.value))
            if name is not None and value is not None:
                out[name] = value
    return out


def _reads(trees: Trees, module: Module) -> Iterator[tuple[str, ast.AST]]:
    """Reads of a variable by a constant name; assignments and deletions are not reads."""
    for node in ast.walk(module.tree):
        key: ast.expr | None = None
        if isinstance(node, ast.Call) and node.args and isinstance(node.func, (ast.Attribute, ast.Name)):
            key = node.args[0] if ast.unparse(node.func) in READS else None
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
            key = node.slice if ast.unparse(node.value) in ENVIRON else None
        elif isinstance(node, ast.Compare) and isinstance(node.ops[0], (ast.In, ast.NotIn)):
            key = node.left if ast.unparse(node.comparators[0]) in ENVIRON else None
        name = literal_text(trees, module, key) if key is not None else None
        if name:
            yield name, node


def extract_flags(trees: Trees) -> dict[str, dict[str, str]]:
    """``{"--flag": {"at"}}``: ``add_argument`` literals, and the fields of classes that turn theirs into flags.

    A flag of a boolean field has its ``--no-`` form too, as ``argparse.BooleanOptionalAction`` gives it.
    """
    found: dict[str, dict[str, str]] = {}
    for name in FLAG_MODULES:
        module = trees.module(name)
        if module is None:
            trees.unfollowed.append(f"{name}: not found")
            continue
        for flag, both, at in (*_arguments(trees, module), *_fields(trees, module)):
            found.setdefault(flag, {"at": at})
            if both:
                found.setdefault(f"--no-{flag[2:]}", {"at": at})
    return dict(sorted(found.items()))


def _arguments(trees: Trees, module: Module) -> Iterator[tuple[str, bool, str]]:
    sources = _sources(module)
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.Call) or last_name(node.func) != "add_argument":
            continue
        both = any(word.arg == "action" and last_name(word.value) == "BooleanOptionalAction" for word in node.keywords)
        for word in node.keywords:
            value = word.value
            if word.arg is None and isinstance(value, ast.Subscript):
                field = literal_text(trees, module, value.slice)
                both = both or _is_boolean(trees, module, sources.get(last_name(value.value), ""), field or "")
        for arg in node.args:
            flag = literal_text(trees, module, arg) if isinstance(arg, ast.Constant) else None
            if flag and flag.startswith("--"):
                yield flag, both, module.at(node)


def _sources(module: Module) -> dict[str, str]:
    """Names bound to ``get_kwargs(Class)``, and the class."""
    out: dict[str, str] = {}
    for node in ast.walk(module.tree):
        value = node.value if isinstance(node, ast.Assign) else None
        if isinstance(node, ast.Assign) and isinstance(value, ast.Call) and len(value.args) == 1:
            out[last_name(node.targets[0])] = last_name(value.args[0])
    return out


def _is_boolean(trees: Trees, module: Module, cls: str, field: str) -> bool:
    resolved = trees.resolve(module, cls) if cls else None
    for fqn in trees.lineage(resolved.fqn) if resolved and resolved.node is not None else []:
        found = trees.find_class(fqn)
        for node in found[1].body if found else []:
            if isinstance(node, ast.AnnAssign) and last_name(node.target) == field:
                return _boolean(node)
    return False


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


def _fields(trees: Trees, module: Module) -> Iterator[tuple[str, bool, str]]:
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
                    yield f"--{field.target.id.replace('_', '-')}", _boolean(field), home.at(field)


def _makes_flags(cls: ast.ClassDef) -> bool:
    for node in ast.walk(cls):
        if isinstance(node, ast.Call) and last_name(node.func) == "add_argument":
            for arg in node.args:
                first = arg.values[0] if isinstance(arg, ast.JoinedStr) and arg.values else None
                if isinstance(first, ast.Constant) and str(first.value).startswith("--"):
                    return True
    return False
