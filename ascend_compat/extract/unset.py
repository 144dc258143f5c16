"""What an expression over the environment gives when its variables are not set."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ascend_compat.extract.scan import last_name
from ascend_compat.extract.tree import Module, NotConstant, Trees

#: Calls that read a variable and take a default as second argument.
READERS = frozenset({"os.getenv", "os.environ.get", "getenv", "environ.get"})
ENVIRON = frozenset({"os.environ", "environ"})
CONVERSIONS: dict[str, Callable[[Any], Any]] = {"int": int, "bool": bool, "float": float, "str": str}
METHODS = frozenset({"lower", "upper", "strip", "split"})
COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Lt: operator.lt,
    ast.LtE: operator.le, ast.Is: operator.is_, ast.IsNot: operator.is_not,
    ast.In: lambda left, right: left in right, ast.NotIn: lambda left, right: left not in right,
}  # fmt: skip
DEPTH = 12


@dataclass(frozen=True, slots=True)
class Function:
    """A function or lambda with the names around it."""

    node: ast.FunctionDef | ast.Lambda
    names: Mapping[str, Any]


class Unset:
    """Evaluates expressions of one module; ``given`` holds variables that are set after all.

    Every method raises :class:`NotConstant` for anything that is not certain.
    """

    def __init__(self, trees: Trees, module: Module, given: Mapping[str, str]) -> None:
        self.trees = trees
        self.module = module
        self.given = given

    def value(self, node: ast.expr, names: dict[str, Any] | None = None, depth: int = 0) -> Any:
        """The value of an expression; ``names`` are local names, and take those that ``:=`` binds."""
        names = {} if names is None else names
        if depth > DEPTH:
            raise NotConstant(self.module.at(node), "nesting")
        handler = getattr(self, f"_{type(node).__name__.lower()}", None)
        try:
            if handler is not None:
                return handler(node, names, depth + 1)
            return self.trees.constant(self.module, node)
        except (TypeError, ValueError, ArithmeticError, RecursionError) as error:
            raise NotConstant(self.module.at(node), type(error).__name__) from None

    def call(self, function: Function, args: Sequence[Any], keywords: Mapping[str, Any], depth: int = 0) -> Any:
        """What a function returns."""
        node = function.node
        names = dict(function.names)
        parameters = [arg.arg for arg in (*node.args.posonlyargs, *node.args.args)]
        if node.args.vararg or node.args.kwarg or len(args) > len(parameters):
            raise NotConstant(self.module.at(node), "arguments")
        defaults = node.args.defaults
        for name, default in zip(parameters[len(parameters) - len(defaults) :], defaults, strict=True):
            names[name] = self.value(default, {}, depth + 1)
        names.update(zip(parameters, args, strict=False))
        names.update(keywords)
        if isinstance(node, ast.Lambda):
            return self.value(node.body, names, depth + 1)
        done, value = self._run(node.body, names, depth + 1)
        return value if done else None

    def _run(self, body: list[ast.stmt], names: dict[str, Any], depth: int) -> tuple[bool, Any]:
        """Run statements; whether one of them returned, and what."""
        for node in body:
            if isinstance(node, ast.Return):
                return True, None if node.value is None else self.value(node.value, names, depth)
            if isinstance(node, ast.FunctionDef):
                names[node.name] = Function(node, names)
            elif isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
                names[node.targets[0].id] = self.value(node.value, names, depth)
            elif isinstance(node, ast.If):
                branch = node.body if self.value(node.test, names, depth) else node.orelse
                done, value = self._run(branch, names, depth)
                if done:
                    return True, value
            elif not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
                raise NotConstant(self.module.at(node), type(node).__name__)
        return False, None

    def _read(self, node: ast.expr, names: dict[str, Any], depth: int) -> str | None:
        name = self.value(node, names, depth)
        if not isinstance(name, str):
            raise NotConstant(self.module.at(node), "name of a variable")
        return self.given.get(name)

    def _name(self, node: ast.Name, names: dict[str, Any], depth: int) -> Any:
        if node.id in names:
            return names[node.id]
        binding = self.module.bindings.get(node.id)
        if binding is not None and isinstance(binding.node, ast.FunctionDef):
            return Function(binding.node, {})
        return self.trees.constant(self.module, node)

    def _lambda(self, node: ast.Lambda, names: dict[str, Any], depth: int) -> Function:
        return Function(node, names)

    def _call(self, node: ast.Call, names: dict[str, Any], depth: int) -> Any:
        called = ast.unparse(node.func)
        if called in READERS and node.args:
            read = self._read(node.args[0], names, depth)
            default = node.args[1] if len(node.args) > 1 else next((k.value for k in node.keywords), None)
            return read if read is not None or default is None else self.value(default, names, depth)
        args = [self.value(arg, names, depth) for arg in node.args]
        if called in CONVERSIONS and len(args) == 1 and not node.keywords:
            return CONVERSIONS[called](args[0])
        if isinstance(node.func, ast.Attribute) and node.func.attr in METHODS and not node.keywords:
            owner = self.value(node.func.value, names, depth)
            if isinstance(owner, str):
                return getattr(owner, node.func.attr)(*args)
        function = self._name(node.func, names, depth) if isinstance(node.func, ast.Name) else None
        keywords = {word.arg: self.value(word.value, names, depth) for word in node.keywords if word.arg}
        if not isinstance(function, Function) or len(keywords) != len(node.keywords):
            raise NotConstant(self.module.at(node), f"call of {last_name(node.func) or 'an expression'}")
        return self.call(function, args, keywords, depth)

    def _subscript(self, node: ast.Subscript, names: dict[str, Any], depth: int) -> Any:
        if ast.unparse(node.value) in ENVIRON:
            read = self._read(node.slice, names, depth)
            if read is not None:
                return read
        raise NotConstant(self.module.at(node), "subscript")

    def _compare(self, node: ast.Compare, names: dict[str, Any], depth: int) -> Any:
        if len(node.ops) != 1 or type(node.ops[0]) not in COMPARE:
            raise NotConstant(self.module.at(node), "comparison")
        right = node.comparators[0]
        if ast.unparse(right) in ENVIRON:
            present = self._read(node.left, names, depth) is not None
            return present is isinstance(node.ops[0], ast.In)
        return COMPARE[type(node.ops[0])](self.value(node.left, names, depth), self.value(right, names, depth))

    def _boolop(self, node: ast.BoolOp, names: dict[str, Any], depth: int) -> Any:
        value: Any = None
        for item in node.values:
            value = self.value(item, names, depth)
            if bool(value) is isinstance(node.op, ast.Or):
                break
        return value

    def _unaryop(self, node: ast.UnaryOp, names: dict[str, Any], depth: int) -> Any:
        if isinstance(node.op, ast.Not):
            return not self.value(node.operand, names, depth)
        return self.trees.constant(self.module, node)

    def _ifexp(self, node: ast.IfExp, names: dict[str, Any], depth: int) -> Any:
        return self.value(node.body if self.value(node.test, names, depth) else node.orelse, names, depth)

    def _namedexpr(self, node: ast.NamedExpr, names: dict[str, Any], depth: int) -> Any:
        names[node.target.id] = value = self.value(node.value, names, depth)
        return value

    def _attribute(self, node: ast.Attribute, names: dict[str, Any], depth: int) -> Any:
        return self.trees.constant(self.module, node)
