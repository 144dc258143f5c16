"""The condition language of curated rules: TOML data over named facts, evaluated in three values and never as code.

A condition is a table: it holds when each of its keys holds.

- a fact name with a test: ``"moe" = true``, ``"dispatch.moe" = ["W4A4_MXFP4", "W4A8_MXFP"]``,
  ``"launch.pp" = { min = 2 }``
- ``any = [condition, ...]``, ``all = [condition, ...]``, ``not = condition``

A fact is a tuple of values: it passes a test when one value does. An empty tuple is known to have none and passes no
test; ``None`` among the values is one that is not known, and ``None`` instead of the tuple knows nothing at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

Value = str | int | float | bool
Fact = tuple[Value | None, ...] | None
Lookup = Callable[[str], Fact]
Truth = bool | None

#: Conditions nested deeper than this are an error of the rule, and undecided when evaluated all the same.
DEPTH = 16


def evaluate(condition: Any, lookup: Lookup, depth: int = 0) -> Truth:
    """Whether a condition holds; ``None`` when a fact it needs is not known. Total: bad conditions are undecided."""
    if not isinstance(condition, Mapping) or depth > DEPTH:
        return None
    return both(_part(key, value, lookup, depth + 1) for key, value in condition.items())


def both(parts: Iterator[Truth]) -> Truth:
    """Kleene's conjunction: one false part decides, then one undecided part."""
    out: Truth = True
    for part in parts:
        if part is False:
            return False
        out = None if part is None else out
    return out


def either(parts: Iterator[Truth]) -> Truth:
    """Kleene's disjunction: one true part decides, then one undecided part."""
    return negated(both(negated(part) for part in parts))


def negated(truth: Truth) -> Truth:
    """Kleene's negation."""
    return None if truth is None else not truth


def _part(key: Any, value: Any, lookup: Lookup, depth: int) -> Truth:
    if key == "not":
        return negated(evaluate(value, lookup, depth))
    if key in ("any", "all"):
        if not isinstance(value, list):
            return None
        combined = both if key == "all" else either
        return combined(evaluate(item, lookup, depth) for item in value)
    fact = lookup(str(key))
    return None if fact is None else _passes(fact, value)


def _passes(fact: tuple[Value | None, ...], test: Any) -> Truth:
    if isinstance(test, Mapping) and "present" in test:
        there = either(None if value is None else True for value in fact)
        return there if test["present"] is True else negated(there)
    return either(None if value is None else _test(value, test) for value in fact)


def _test(value: Value, test: Any) -> Truth:
    return both(_TESTS[name](value, wanted) for name, wanted in _table(test).items())


def _table(test: Any) -> Mapping[str, Any]:
    if isinstance(test, Mapping):
        return test if all(name in _TESTS for name in test) and test else {"unreadable": test}
    return {"in": test} if isinstance(test, list) else {"is": test}


def _is(value: Value, wanted: Any) -> Truth:
    """Equal, and of one kind: in TOML as in JSON, true is not 1."""
    return isinstance(value, bool) == isinstance(wanted, bool) and bool(value == wanted)


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _compared(holds: Callable[[Any, Any], bool]) -> Callable[[Value, Any], Truth]:
    def test(value: Value, wanted: Any) -> Truth:
        return holds(value, wanted) if _number(value) and _number(wanted) else None

    return test


def _in(value: Value, wanted: Any) -> Truth:
    return any(_is(value, item) for item in wanted) if isinstance(wanted, list) else None


def _like(value: Value, wanted: Any) -> Truth:
    return fnmatchcase(value, wanted) if isinstance(value, str) and isinstance(wanted, str) else None


def _version(value: Value, wanted: Any) -> Truth:
    try:
        return Version(str(value)) in SpecifierSet(str(wanted), prereleases=True)
    except (InvalidVersion, InvalidSpecifier):
        return None


_TESTS: Mapping[str, Callable[[Value, Any], Truth]] = {
    "is": _is,
    "in": _in,
    "not_in": lambda value, wanted: negated(_in(value, wanted)),
    "min": _compared(lambda value, wanted: value >= wanted),
    "max": _compared(lambda value, wanted: value <= wanted),
    "like": _like,
    "version": _version,
    "unreadable": lambda value, wanted: None,
}


def facts_of(condition: Any) -> tuple[str, ...]:
    """Names of the facts a condition reads, in order."""
    names: list[str] = []
    for key, value in condition.items() if isinstance(condition, Mapping) else ():
        if key in ("any", "all", "not"):
            inner = value if isinstance(value, list) else [value]
            names += [name for item in inner for name in facts_of(item)]
        else:
            names.append(str(key))
    return tuple(dict.fromkeys(names))


def mistakes(
    condition: Any, known: Callable[[str], bool], depth: int = 0
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """What is wrong with a condition: the place inside it and the mistake; ``known`` says which facts there are."""
    if not isinstance(condition, Mapping):
        yield (), "a condition is a table"
    elif depth > DEPTH:
        yield (), f"conditions nest deeper than {DEPTH}"
    else:
        for key, value in condition.items():
            if key == "not":
                yield from _inside((key,), value, known, depth)
            elif key in ("any", "all"):
                if not isinstance(value, list) or not value:
                    yield (key,), "a list of conditions"
                    continue
                for index, item in enumerate(value):
                    yield from _inside((key, index), item, known, depth)
            elif not known(key):
                yield (key,), "unknown condition key; docs/rules.md lists them"
            else:
                yield from (((key, *loc), what) for loc, what in _bad_test(value))


def _inside(
    loc: tuple[str | int, ...], condition: Any, known: Callable[[str], bool], depth: int
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    yield from (((*loc, *inner), what) for inner, what in mistakes(condition, known, depth + 1))


def _bad_test(test: Any) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(test, Mapping):
        if not test or ("present" in test and len(test) > 1):
            yield (), "a test is one of present, or is, in, not_in, min, max, like, version"
        for name, wanted in test.items():
            if name not in _WANTED:
                yield (name,), f"unknown test; there are {', '.join(_WANTED)}"
            elif not _WANTED[name](wanted):
                yield (name,), f"{wanted!r} is not what {name} compares with"
    elif isinstance(test, list):
        if not _scalars(test):
            yield (), "a list of texts, numbers or truths"
    elif not _scalar(test):
        yield (), "a text, a number, a truth, a list of them or a test"


def _scalar(value: Any) -> bool:
    return isinstance(value, (str, int, float))


def _scalars(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_scalar, value))


def is_interval(text: Any) -> bool:
    """Whether a text is a version interval such as ``>=0.18.0rc1,<0.21.0rc1``."""
    try:
        return isinstance(text, str) and bool(SpecifierSet(text))
    except InvalidSpecifier:
        return False


_WANTED: Mapping[str, Callable[[Any], bool]] = {
    "present": lambda wanted: isinstance(wanted, bool),
    "is": _scalar,
    "in": _scalars,
    "not_in": _scalars,
    "min": _number,
    "max": _number,
    "like": lambda wanted: isinstance(wanted, str),
    "version": is_interval,
}
