"""The few library calls that decisions and allocations are made of; every other one is unknown."""

from __future__ import annotations

import math
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from ascend_compat.classify.quant.names import safe_pattern
from ascend_compat.knowledge.evaluate.natives import plain
from ascend_compat.knowledge.evaluate.values import (
    Bound,
    Class,
    External,
    Function,
    Instance,
    Native,
    Raised,
    Tensor,
    Undecided,
    Unknown,
    is_unknown,
)

if TYPE_CHECKING:
    from ascend_compat.knowledge.evaluate.expressions import Expressions

_CONSTRUCTORS = ("empty", "zeros", "ones", "full", "rand", "randn")


def call_external(machine: Expressions, name: str, args: list[Any], keywords: dict[str, Any], at: str) -> Any:
    """Calls that leave the pack and still have a known meaning; everything else is unknown."""
    head, _, last = name.rpartition(".")
    if name == "staticmethod" and len(args) == 1:  # a native is never bound to an instance
        return Native(name, lambda given, named, place: machine.call(args[0], given, named, place))
    if head == "torch" and last in _CONSTRUCTORS:
        return _tensor(last, args, keywords, at)
    if name == "torch.nn.Parameter" or name.endswith(".Parameter"):
        return keywords.get("data", args[0] if args else Unknown(at, "a parameter without data"))
    if name in ("typing.cast", "cast"):
        return args[1]
    if last == "LazyLoader":
        return lazy_module(machine, args, at)
    if head in ("re", "regex") and last in ("match", "search", "findall", "fullmatch", "sub"):
        return _regex(last, args, at)
    if name in ("typing.get_args", "get_args"):
        return args[0] if isinstance(args[0], tuple) else Unknown(at, "arguments of a type")
    if name == "importlib.import_module" and args and isinstance(args[0], str):
        if machine.external(f"{args[0]}.-") is False:
            raise Raised("ModuleNotFoundError", f"No module named '{args[0]}'", at)
        return machine.load(args[0])
    if head == "math" and last in ("sqrt", "ceil", "floor", "gcd", "lcm", "log2"):
        return plain(getattr(math, last))(args, keywords, at)
    if name in ("fnmatch.fnmatch", "fnmatch.fnmatchcase"):
        return plain(fnmatchcase)(args, keywords, at)
    if name == "inspect.signature":
        return _signature(args, at)
    if head in ("torch.nn", "vllm.model_executor.utils") and last in ("Module", "set_weight_attrs"):
        return None
    if ".logger." in f".{name}." or last in ("info_once", "warning_once", "debug_once"):
        return None
    if name in ("types.MappingProxyType", "copy.deepcopy", "copy.copy", "collections.OrderedDict"):
        return args[0] if args else {}
    return Unknown(at, f"call of {name}, outside the source trees")


def _signature(args: list[Any], at: str) -> Any:
    """``inspect.signature``: the parameters by name, a bound method's receiver left out."""
    callee = args[0] if args else None
    if isinstance(callee, Class):
        callee = callee.find("__init__")
    bound = isinstance(callee, Bound)
    function = callee.function if isinstance(callee, Bound) else callee
    if not isinstance(function, Function):
        return callee if is_unknown(callee) else Unknown(at, "signature of something outside the source tree")
    names = [name for name, _ in (*function.spec["params"], *function.spec.get("keyword", []))]
    return Instance(None, {"parameters": dict.fromkeys(names[1:] if bound else names)}, label="signature")


def lazy_module(machine: Expressions, args: list[Any], at: str) -> Any:
    """vLLM's ``LazyLoader(name, globals, module)``: the module itself, since importing has no cost here."""
    named = len(args) == 3 and isinstance(args[2], str)
    return machine.load(args[2]) if named else Unknown(at, "a module that can't be known")


def _tensor(constructor: str, args: list[Any], keywords: dict[str, Any], at: str) -> Tensor:
    shape = args[0] if len(args) == 1 and isinstance(args[0], (tuple, list)) else args
    if constructor == "full":
        shape = args[0] if args and isinstance(args[0], (tuple, list)) else args[:1]
    dtype = keywords.get("dtype")
    name = dtype.name.removeprefix("torch.") if isinstance(dtype, External) else None
    return Tensor(tuple(keywords.get("size", shape)), name, constructor, at)


def _regex(name: str, args: list[Any], at: str) -> Any:
    """``re.name(pattern, text...)``; a pattern that could take for ever is not run."""
    unknown = next((a for a in args if is_unknown(a)), None)
    if unknown is not None:
        return unknown
    if not all(isinstance(a, str) for a in args):
        raise Undecided(at, "a regular expression on values that are not text")
    pattern = safe_pattern(args[0])
    if pattern is None:
        raise Undecided(at, f"regular expression {args[0][:80]!r} is not valid or not safe to run")
    found = getattr(pattern, name)(*args[1:])
    if isinstance(found, (list, str)) or found is None:
        return found
    names = {method: Native(method, plain(getattr(found, method))) for method in ("group", "groups")}
    return Instance(None, names, label="match")
