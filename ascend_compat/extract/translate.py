"""Python ``ast`` to the closed expression language that packs store (``docs/rules.md`` lists every node).

The language is JSON: a node is a list whose first item names it. What the language can't say becomes
``["unknown", line, reason]`` and surfaces as ``undetermined`` when the evaluator meets it.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

Node = list[Any]

#: Longest string literal that is kept; a longer one is prose for people and plays no part in a decision.
LITERAL_LIMIT = 160

_BINARY = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%", ast.Pow: "**",
    ast.BitOr: "|", ast.BitAnd: "&", ast.BitXor: "^", ast.LShift: "<<", ast.RShift: ">>",
}  # fmt: skip
_COMPARE = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
    ast.Is: "is", ast.IsNot: "is not", ast.In: "in", ast.NotIn: "not in",
}  # fmt: skip
_UNARY = {ast.Not: "not", ast.USub: "-", ast.UAdd: "+", ast.Invert: "~"}


def expression(node: ast.expr | None) -> Node:
    """One expression; an absent one is the constant ``None``."""
    if node is None:
        return ["const", None]
    translate = _EXPRESSIONS.get(type(node))
    return translate(node) if translate else _unknown(node, f"{type(node).__name__} expression")


def block(body: list[ast.stmt]) -> list[Node]:
    """Statements in order; docstrings and bare constants are dropped."""
    kept = [s for s in body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
    return [statement(s) for s in kept]


def statement(node: ast.stmt) -> Node:
    """One statement: ``[name, line, ...]``."""
    translate = _STATEMENTS.get(type(node))
    return translate(node) if translate else _unknown(node, f"{type(node).__name__} statement")


def function(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> dict[str, Any]:
    """A function: parameters with defaults, the kinds that shape a call, and its body."""
    args = node.args
    positional = [*args.posonlyargs, *args.args]
    first_default = len(positional) - len(args.defaults)
    params = [
        [a.arg, expression(args.defaults[i - first_default]) if i >= first_default else None]
        for i, a in enumerate(positional)
    ]
    keyword = [
        [a.arg, expression(d) if d is not None else None]
        for a, d in zip(args.kwonlyargs, args.kw_defaults, strict=True)
    ]
    out: dict[str, Any] = {"line": node.lineno, "params": params}
    if keyword:
        out["keyword"] = keyword
    if args.vararg:
        out["vararg"] = args.vararg.arg
    if args.kwarg:
        out["kwarg"] = args.kwarg.arg
    if isinstance(node, ast.Lambda):
        out["body"] = [["return", node.lineno, expression(node.body)]]
        return out
    decorators = [ast.unparse(d) for d in node.decorator_list]
    kind = next((d for d in decorators if d in ("classmethod", "staticmethod", "property")), None)
    if kind:
        out["kind"] = kind
    if isinstance(node, ast.AsyncFunctionDef):
        out["body"] = [_unknown(node, "coroutine")]
        return out
    if _is_generator(node):
        out["generator"] = True
    out["body"] = block(node.body)
    return out


def _is_generator(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    pending: list[ast.AST] = list(node.body)
    while pending:
        item = pending.pop()
        if isinstance(item, (ast.Yield, ast.YieldFrom)):
            return True
        if not isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            pending.extend(ast.iter_child_nodes(item))
    return False


def _unknown(node: ast.AST, reason: str) -> Node:
    return ["unknown", getattr(node, "lineno", 0), reason]


def _constant(node: ast.Constant) -> Node:
    value = node.value
    if isinstance(value, str) and len(value) > LITERAL_LIMIT:
        return ["const", value[:LITERAL_LIMIT]]
    if value is None or isinstance(value, (bool, int, float, str)):
        return ["const", value]
    return _unknown(node, f"{type(value).__name__} literal")


def _call(node: ast.Call) -> Node:
    args = [["star", expression(a.value)] if isinstance(a, ast.Starred) else expression(a) for a in node.args]
    keywords = [[k.arg, expression(k.value)] for k in node.keywords]
    return ["call", node.lineno, expression(node.func), args, keywords]


def _subscript(node: ast.Subscript) -> Node:
    if isinstance(node.slice, ast.Slice):
        parts = [expression(p) for p in (node.slice.lower, node.slice.upper, node.slice.step)]
        return ["slice", node.lineno, expression(node.value), *parts]
    return ["item", node.lineno, expression(node.value), expression(node.slice)]


def _binary(node: ast.BinOp) -> Node:
    sign = _BINARY.get(type(node.op))
    if sign is None:
        return _unknown(node, f"operator {type(node.op).__name__}")
    return ["bin", node.lineno, sign, expression(node.left), expression(node.right)]


def _compare(node: ast.Compare) -> Node:
    pairs = [[_COMPARE[type(o)], expression(c)] for o, c in zip(node.ops, node.comparators, strict=True)]
    return ["cmp", node.lineno, expression(node.left), pairs]


def _joined(node: ast.JoinedStr) -> Node:
    parts: list[Node] = []
    for value in node.values:
        if isinstance(value, ast.FormattedValue):
            parts.append(_formatted(value))
        else:
            parts.append(expression(value))
    return ["text", parts]


def _formatted(node: ast.FormattedValue) -> Node:
    if node.format_spec is not None or node.conversion not in (-1, ord("s"), ord("r")):
        return ["const", "{" + ast.unparse(node.value) + "}"]
    value = expression(node.value)
    return ["call", node.lineno, ["name", "repr"], [value], []] if node.conversion == ord("r") else value


def _dict(node: ast.Dict) -> Node:
    pairs = [
        [expression(k) if k is not None else None, expression(v)] for k, v in zip(node.keys, node.values, strict=True)
    ]
    return ["dict", pairs]


def _comprehension(kind: str) -> Callable[[Any], Node]:
    def translate(node: Any) -> Node:
        element = [expression(node.key), expression(node.value)] if kind == "dict" else expression(node.elt)
        loops = [[target(g.target), expression(g.iter), [expression(c) for c in g.ifs]] for g in node.generators]
        return ["comp", node.lineno, kind, element, loops]

    return translate


def target(node: ast.expr) -> Node:
    """The left side of an assignment."""
    if isinstance(node, ast.Name):
        return ["name", node.id]
    if isinstance(node, ast.Attribute):
        return ["attr", node.lineno, expression(node.value), node.attr]
    if isinstance(node, ast.Subscript):
        return ["item", node.lineno, expression(node.value), expression(node.slice)]
    if isinstance(node, (ast.Tuple, ast.List)) and not any(isinstance(e, ast.Starred) for e in node.elts):
        return ["tuple", [target(e) for e in node.elts]]
    return _unknown(node, f"{type(node).__name__} target")


_EXPRESSIONS: dict[type, Callable[[Any], Node]] = {
    ast.Constant: _constant,
    ast.Name: lambda n: ["name", n.id],
    ast.Attribute: lambda n: ["attr", n.lineno, expression(n.value), n.attr],
    ast.Call: _call,
    ast.Slice: lambda n: ["range", expression(n.lower), expression(n.upper), expression(n.step)],
    ast.Subscript: _subscript,
    ast.BinOp: _binary,
    ast.UnaryOp: lambda n: ["un", n.lineno, _UNARY[type(n.op)], expression(n.operand)],
    ast.BoolOp: lambda n: ["and" if isinstance(n.op, ast.And) else "or", [expression(v) for v in n.values]],
    ast.Compare: _compare,
    ast.IfExp: lambda n: ["ifexp", n.lineno, expression(n.test), expression(n.body), expression(n.orelse)],
    ast.List: lambda n: ["list", [_element(e) for e in n.elts]],
    ast.Tuple: lambda n: ["tuple", [_element(e) for e in n.elts]],
    ast.Set: lambda n: ["set", [_element(e) for e in n.elts]],
    ast.Dict: _dict,
    ast.JoinedStr: _joined,
    ast.Lambda: lambda n: ["lambda", function(n)],
    ast.ListComp: _comprehension("list"),
    ast.SetComp: _comprehension("set"),
    ast.GeneratorExp: _comprehension("gen"),
    ast.DictComp: _comprehension("dict"),
    ast.Yield: lambda n: ["yield", n.lineno, expression(n.value), False],
    ast.YieldFrom: lambda n: ["yield", n.lineno, expression(n.value), True],
    ast.NamedExpr: lambda n: ["walrus", n.target.id, expression(n.value)],
}


def _element(node: ast.expr) -> Node:
    return ["star", expression(node.value)] if isinstance(node, ast.Starred) else expression(node)


def _assign(node: ast.Assign) -> Node:
    return ["assign", node.lineno, [target(t) for t in node.targets], expression(node.value)]


def _annotated(node: ast.AnnAssign) -> Node:
    if node.value is None:
        return ["pass", node.lineno]
    return ["assign", node.lineno, [target(node.target)], expression(node.value)]


def _augmented(node: ast.AugAssign) -> Node:
    sign = _BINARY.get(type(node.op))
    if sign is None:
        return _unknown(node, f"operator {type(node.op).__name__}")
    return ["aug", node.lineno, sign, target(node.target), expression(node.value)]


def _raise(node: ast.Raise) -> Node:
    return ["raise", node.lineno, expression(node.exc) if node.exc else None]


def _try(node: ast.Try) -> Node:
    handlers = [[_exception_names(h.type), h.name, block(h.body)] for h in node.handlers]
    return ["try", node.lineno, block(node.body), handlers, block(node.orelse), block(node.finalbody)]


def _exception_names(node: ast.expr | None) -> list[str] | None:
    if node is None:
        return None
    items = node.elts if isinstance(node, ast.Tuple) else [node]
    return [ast.unparse(item).rpartition(".")[2] for item in items]


def _import(node: ast.Import) -> Node:
    return ["import", node.lineno, [[a.name, a.asname] for a in node.names]]


def _from(node: ast.ImportFrom) -> Node:
    return ["from", node.lineno, node.level, node.module or "", [[a.name, a.asname or a.name] for a in node.names]]


def _with(node: ast.With) -> Node:
    items = [[expression(i.context_expr), target(i.optional_vars) if i.optional_vars else None] for i in node.items]
    return ["with", node.lineno, items, block(node.body)]


def _for(node: ast.For) -> Node:
    return ["for", node.lineno, target(node.target), expression(node.iter), block(node.body), block(node.orelse)]


_STATEMENTS: dict[type, Callable[[Any], Node]] = {
    ast.Expr: lambda n: ["expr", n.lineno, expression(n.value)],
    ast.Assign: _assign,
    ast.AnnAssign: _annotated,
    ast.AugAssign: _augmented,
    ast.If: lambda n: ["if", n.lineno, expression(n.test), block(n.body), block(n.orelse)],
    ast.For: _for,
    ast.While: lambda n: ["while", n.lineno, expression(n.test), block(n.body)],
    ast.Return: lambda n: ["return", n.lineno, expression(n.value)],
    ast.Raise: _raise,
    ast.Assert: lambda n: ["assert", n.lineno, expression(n.test), expression(n.msg)],
    ast.Try: _try,
    ast.With: _with,
    ast.Import: _import,
    ast.ImportFrom: _from,
    ast.Pass: lambda n: ["pass", n.lineno],
    ast.Break: lambda n: ["break", n.lineno],
    ast.Continue: lambda n: ["continue", n.lineno],
    ast.Nonlocal: lambda n: ["nonlocal", n.lineno, n.names],
    ast.Global: lambda n: ["global", n.lineno, n.names],
    ast.FunctionDef: lambda n: ["def", n.lineno, n.name, function(n), [expression(d) for d in _wrapping(n)]],
}


def _wrapping(node: ast.FunctionDef) -> list[ast.expr]:
    """Decorators that change what a nested function is; the standard transparent ones are left out."""
    return [d for d in node.decorator_list if ast.unparse(d).partition("(")[0] not in ("functools.wraps", "wraps")]
