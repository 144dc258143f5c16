"""The evaluator against Python itself, on generated functions of the language."""

from __future__ import annotations

import ast
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ascend_compat.extract.translate import block
from ascend_compat.knowledge.evaluate.machine import Machine
from ascend_compat.knowledge.evaluate.values import Function, Raised, Undecided, Unknown

NAMES = ("a", "b", "c")
literals = st.one_of(
    st.integers(-4, 9).map(repr),
    st.sampled_from(["True", "False", "None", "'x'", "'xy'", "[1, 2]", "{'k': 1}", "(3,)"]),
)
atoms = st.one_of(literals, st.sampled_from(NAMES), st.sampled_from(NAMES).map(lambda name: f'[f"<{{{name}!r}}>"]'))


def _extend(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "//", "%"]), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        st.tuples(inner, st.sampled_from(["==", "!=", "<", ">=", "in", "is"]), inner).map(
            lambda t: f"({t[0]} {t[1]} {t[2]})"
        ),
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        inner.map(lambda e: f"(not {e})"),
        st.tuples(inner, inner, inner).map(lambda t: f"({t[0]} if {t[1]} else {t[2]})"),
        st.tuples(inner, inner).map(
            lambda t: f"{t[0]}[{t[1]}]" if t[0].startswith(("[", "{", "(")) else f"[{t[0]}, {t[1]}]"
        ),
        st.tuples(inner, inner).map(lambda t: f"[x for x in [{t[0]}, {t[1]}] if x]"),
        inner.map(lambda e: f"str({e})[0:1]" if e.startswith("'") else f"len([{e}])"),
        st.tuples(inner, inner).map(lambda t: f"any(x == {t[0]} for x in [{t[1]}, 1])"),
    )


expressions = st.recursive(atoms, _extend, max_leaves=12)
statements = st.one_of(
    st.tuples(st.sampled_from(NAMES), expressions).map(lambda t: f"{t[0]} = {t[1]}"),
    st.tuples(expressions, st.sampled_from(NAMES), expressions).map(lambda t: f"if {t[0]}:\n        {t[1]} = {t[2]}"),
    st.tuples(st.sampled_from(NAMES), expressions).map(lambda t: f"for c in [1, 2]:\n        {t[0]} = {t[1]}"),
    st.tuples(st.sampled_from("ab"), expressions).map(
        lambda t: f"c = [{t[1]}]\n    {t[0]} = [1, 2, 3]\n    {t[0]}[0:2] = c"
    ),
    st.tuples(expressions, expressions).map(
        lambda t: (
            f"try:\n        a = {t[0]}\n    except (TypeError, IndexError, ZeroDivisionError):\n        b = {t[1]}"
        )
    ),
)


def _evaluate(source: str, args: list[Any]) -> Any:
    machine = Machine({"m": {"path": "m.py", "body": block(ast.parse(source).body)}}, {})
    function = machine.member("m", "f")
    assert isinstance(function, Function)
    return machine.call(function, args, {}, "m.py")


def _python(source: str, args: list[Any]) -> Any:
    scope: dict[str, Any] = {}
    exec(compile(source, "generated", "exec"), scope)
    return scope["f"](*args)


@settings(max_examples=400, deadline=None)
@given(st.lists(statements, max_size=4), expressions, st.lists(st.integers(0, 3), min_size=3, max_size=3))
def test_it_agrees_with_python_or_says_it_does_not_know(body: list[str], result: str, args: list[int]) -> None:
    lines = "".join(f"    {line}\n" for line in [*body, f"return {result}"])
    source = f"def f(a, b, c):\n{lines}"
    try:
        expected: Any = _python(source, list(args))
        raised = None
    except Exception as error:
        expected, raised = None, type(error).__name__
    try:
        value = _evaluate(source, list(args))
    except Undecided:
        return
    except Raised as error:
        assert error.kind == raised, source
        return
    if "Unknown(" in repr(value):
        return
    assert raised is None, source
    assert value == expected, source
    assert type(value) is type(expected), source


def test_an_unknown_operand_does_not_hide_what_the_other_decides() -> None:
    source = "def f(a):\n    return (outside() and a) , (outside() or a)\n"
    assert _evaluate(source, [False])[0] is False
    assert _evaluate(source, [True])[1] is True
    assert isinstance(_evaluate(source, [True])[0], Unknown)


def test_a_branch_nobody_can_decide_makes_what_it_sets_unknown_only() -> None:
    source = "def f(a):\n    b = 1\n    if outside():\n        b = 2\n    return (a, b)\n"
    first, second = _evaluate(source, [7])
    assert first == 7
    assert isinstance(second, Unknown)


def test_a_branch_that_may_return_is_undecided() -> None:
    source = "def f(a):\n    if outside():\n        return 1\n    return 2\n"
    try:
        outcome = _evaluate(source, [0])
    except Undecided as error:
        assert error.at.startswith("m.py")
    else:
        raise AssertionError(f"guessed {outcome}")


def test_nothing_of_the_tree_is_executed() -> None:
    source = "import os\ndef f(a):\n    return os.system('false'), __import__('os'), open('x')\n"
    values = _evaluate(source, [0])
    assert all(isinstance(v, Unknown) for v in values)


def test_an_enumeration_is_iterated_compared_and_looked_up_as_python_does() -> None:
    members = block(ast.parse("A = 'a'\nB = 'b'").body)
    kind = ["class", 1, "Kind", [["name", "str"], ["name", "Enum"]], members, [], []]
    use = "return [k.value for k in Kind], Kind['B'].name, Kind.A == 'a', Kind.A == Kind.B, Kind('b') is Kind.B"
    body = [*block(ast.parse("from enum import Enum").body), kind, *block(ast.parse(f"def f():\n    {use}").body)]
    machine = Machine({"m": {"path": "m.py", "body": body}}, {})
    assert machine.call(machine.member("m", "f"), [], {}, "") == (["a", "b"], "B", True, False, True)


def test_an_enumeration_whose_members_the_pack_leaves_out_is_undecided() -> None:
    kind = ["class", 1, "Kind", [["name", "Enum"]], [], [], ["A"]]
    body = [
        *block(ast.parse("from enum import Enum").body),
        kind,
        *block(ast.parse("def f():\n    return list(Kind)").body),
    ]
    machine = Machine({"m": {"path": "m.py", "body": body}}, {})
    with pytest.raises(Undecided):
        machine.call(machine.member("m", "f"), [], {}, "")


def test_a_table_made_of_keys() -> None:
    source = "def f(a, b, c):\n    return dict.fromkeys(['x', a], b)\n"
    assert _evaluate(source, ["y", None, 0]) == {"x": None, "y": None}
