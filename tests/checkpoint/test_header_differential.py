"""The header parser accepts and refuses exactly what safetensors does."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError, deserialize, safe_open

from ascend_compat.checkpoint.collect import read_checkpoint
from ascend_compat.checkpoint.diagnose import diagnose
from ascend_compat.checkpoint.header import HeaderError, header_end, parse_header
from ascend_compat.core.units import DTYPE_BITS
from ascend_compat.source.local import LocalSource

ENTRY = b'"dtype":"F32","shape":[0],"data_offsets":[0,0]'


def shard(text: bytes, data: bytes = b"") -> bytes:
    return len(text).to_bytes(8, "little") + text + data


def ours(blob: bytes) -> dict[str, tuple[str, list[int]]] | None:
    try:
        header = parse_header(blob[8 : header_end(blob[:8], len(blob))])
    except HeaderError:
        return None
    if header.expected != len(blob):
        return None
    return {name: (dtype, list(shape)) for name, dtype, shape, _ in header.tensors}


def theirs(blob: bytes) -> dict[str, tuple[str, list[int]]] | None:
    try:
        return {name: (info["dtype"], info["shape"]) for name, info in deserialize(blob)}
    except SafetensorError:
        return None


def extra(value: bytes) -> bytes:
    return b'{"a":{"x":' + value + b"," + ENTRY + b"}}"


HAND_MADE = {
    "empty": b"{}",
    "leading space": b' {"a":{' + ENTRY + b"}}",
    "trailing space": b'{"a":{' + ENTRY + b"}} \n\t\r",
    "trailing nul": b'{"a":{' + ENTRY + b"}}\0",
    "byte order mark": b"\xef\xbb\xbf{}",
    "list": b"[]",
    "number": b"1",
    "nothing": b"",
    "tensor is a string": b'{"a":"b"}',
    "tensor is null": b'{"a":null}',
    "tensor as a list": b'{"a":["F32",[0],[0,0]]}',
    "tensor as a list, field too many": b'{"a":["F32",[0],[0,0],1]}',
    "tensor as a list, field too few": b'{"a":["F32",[0]]}',
    "dtype as an object": b'{"a":{"dtype":{"F32":null},"shape":[0],"data_offsets":[0,0]}}',
    "dtype as an object with a value": b'{"a":{"dtype":{"F32":1},"shape":[0],"data_offsets":[0,0]}}',
    "dtype as an object twice": b'{"a":{"dtype":{"F32":null,"F32":null},"shape":[0],"data_offsets":[0,0]}}',
    "dtype is a number": b'{"a":{"dtype":1,"shape":[0],"data_offsets":[0,0]}}',
    "dtype is a list": b'{"a":{"dtype":[],"shape":[0],"data_offsets":[0,0]}}',
    "field missing": b'{"a":{"dtype":"F32","data_offsets":[0,0]}}',
    "field repeated": b'{"a":{"dtype":"F32",' + ENTRY + b"}}",
    "field repeated with an escape": b'{"a":{"\\u0064type":"F32",' + ENTRY + b"}}",
    "fields renamed": b'{"a":{"dtype":"F32","shape":[0],"offsets":[0,0]}}',
    "surplus field": extra(b"1"),
    "surplus field repeated": b'{"a":{"x":1,"x":2,' + ENTRY + b"}}",
    "surplus NaN": extra(b"NaN"),
    "surplus Infinity": extra(b"-Infinity"),
    "surplus -0": extra(b"-0"),
    "surplus 0e999999": extra(b"0e999999"),
    "surplus 1e308": extra(b"1e308"),
    "surplus 1e309": extra(b"1e309"),
    "surplus 1e-99999": extra(b"1e-99999"),
    "surplus 300 digits": extra(b"1" * 300),
    "surplus 400 digits": extra(b"1" * 400),
    "surplus 6000 digits": extra(b"1" * 6000),
    "surplus 6000 decimals": extra(b"0." + b"9" * 6000),
    "surplus lone surrogate": extra(b'"\\ud800"'),
    "surplus depth 125": extra(b"[" * 125 + b"]" * 125),
    "surplus depth 126": extra(b"[" * 126 + b"]" * 126),
    "surplus object depth 125": extra(b'{"k":' * 125 + b"1" + b"}" * 125),
    "surplus object depth 126": extra(b'{"k":' * 126 + b"1" + b"}" * 126),
    "surplus depth 5000": extra(b"[" * 5000 + b"]" * 5000),
    "name repeated": b'{"a":{' + ENTRY + b'},"a":{' + ENTRY + b"}}",
    "name repeated, first ill-typed": b'{"a":1,"a":{' + ENTRY + b"}}",
    "name repeated, first with bad offsets": b'{"a":{"dtype":"F32","shape":[9],"data_offsets":[7,0]},"a":{'
    + ENTRY
    + b"}}",
    "name surrogate": b'{"\\ud800":{' + ENTRY + b"}}",
    "name low surrogate": b'{"\\ude00":{' + ENTRY + b"}}",
    "name surrogate pair": b'{"\\ud83d\\ude00":{' + ENTRY + b"}}",
    "name raw control": b'{"a\x01":{' + ENTRY + b"}}",
    "name escaped control": b'{"a\\u0000":{' + ENTRY + b"}}",
    "name not UTF-8": b'{"\xff":{' + ENTRY + b"}}",
    "name encoded surrogate": b'{"\xed\xa0\x80":{' + ENTRY + b"}}",
    "name with a field": b'{"\\"dtype\\"":{' + ENTRY + b"}}",
    "bad escape": b'{"a\\x":{' + ENTRY + b"}}",
    "metadata": b'{"__metadata__":{"a":"b"},"a":{' + ENTRY + b"}}",
    "metadata null": b'{"__metadata__":null}',
    "metadata list": b'{"__metadata__":[]}',
    "metadata number": b'{"__metadata__":{"a":1}}',
    "metadata key repeated": b'{"__metadata__":{"a":"1","a":"2"}}',
    "metadata key repeated, first ill-typed": b'{"__metadata__":{"a":1,"a":"2"}}',
    "metadata twice": b'{"__metadata__":{"a":"1"},"__metadata__":{"a":"2"}}',
    "metadata twice, null": b'{"__metadata__":null,"__metadata__":null}',
    "metadata escaped": b'{"__meta\\u0064ata__":{"a":"b"}}',
    "metadata escaped is a tensor": b'{"__meta\\u0064ata__":{' + ENTRY + b"}}",
    "metadata with dtype": b'{"__metadata__":{"dtype":"x","shape":"y"}}',
    "trailing comma": b'{"a":{' + ENTRY + b"},}",
    "single quotes": b"{'a':{" + ENTRY + b"}}",
}


@pytest.mark.parametrize("text", HAND_MADE.values(), ids=HAND_MADE.keys())
def test_unusual_header_is_judged_as_safetensors_judges_it(text: bytes) -> None:
    assert ours(shard(text)) == theirs(shard(text))


@pytest.mark.parametrize("number", ["-0", "-1", "1.0", "1e0", "true", "null", '"1"', "[1]", str(2**64 - 1), str(2**64)])
@pytest.mark.parametrize("place", ["shape", "start", "end"])
def test_unusual_number_is_judged_as_safetensors_judges_it(number: str, place: str) -> None:
    values = {"shape": "0", "start": "0", "end": "0", place: number}
    fields = f'"dtype":"F32","shape":[0,{values["shape"]}],"data_offsets":[{values["start"]},{values["end"]}]'
    text = '{"a":{' + fields + "}}"
    assert ours(shard(text.encode())) == theirs(shard(text.encode()))


@pytest.mark.parametrize("length", [0, 3, 7])
def test_file_without_a_whole_length_is_refused(length: int) -> None:
    assert ours(b"\0" * length) is None
    assert theirs(b"\0" * length) is None


def test_header_length_is_limited() -> None:
    for length in (100_000_001, 2**63, 2**64 - 1):
        with pytest.raises(HeaderError, match="too-large"):
            header_end(length.to_bytes(8, "little"), 2**64)
    assert header_end((100_000_000).to_bytes(8, "little"), 2**40) == 100_000_008


names = st.sampled_from(["a", "b", "model.layers.0.w", "model.layers.1.w", "\u202e", "a|b", "<script>", "x" * 300])
dtypes = st.one_of(st.sampled_from([*DTYPE_BITS]), st.sampled_from(["F4", "F6_E2M3", "bf16", "F128", "", "I4"]))
sizes = st.one_of(st.integers(0, 4), st.integers(0, 2**66), st.sampled_from([8, 2**32, 2**61, 2**63, 2**64 - 1]))
odd = st.one_of(
    st.none(), st.booleans(), st.floats(), st.text(max_size=3), st.lists(st.integers(), max_size=2), st.integers()
)


@st.composite
def tiled(draw: st.DrawFn) -> tuple[dict[str, Any], int]:
    """Entries that tile the data section, and the length of that section."""
    entries, position = {}, 0
    for name in draw(st.lists(names, unique=True, max_size=5)):
        dtype, shape = draw(dtypes), draw(st.lists(st.integers(0, 4), max_size=3))
        bits = DTYPE_BITS.get(dtype, 8)
        for dimension in shape:
            bits *= dimension
        entries[name] = {"dtype": dtype, "shape": shape, "data_offsets": [position, position + bits // 8]}
        position += bits // 8
    return entries, position


@st.composite
def bent(draw: st.DrawFn) -> bytes:
    """A shard that may be valid, with up to two things changed."""
    entries, length = draw(tiled())
    for _ in range(draw(st.integers(0, 2))):
        kind = draw(st.sampled_from(["shape", "offset", "field", "swap", "surplus", "metadata", "data", "drop"]))
        keys = [key for key, value in entries.items() if isinstance(value, dict) and "shape" in value]
        if kind == "data":
            length = max(0, length + draw(st.integers(-3, 3)))
        elif kind == "metadata":
            entries["__metadata__"] = draw(st.one_of(odd, st.dictionaries(st.text(max_size=3), st.text(max_size=3))))
        elif keys:
            entry = entries[draw(st.sampled_from(keys))]
            if kind == "shape":
                entry["shape"] = draw(st.lists(st.one_of(sizes, odd), max_size=3))
            elif kind == "offset":
                entry["data_offsets"] = draw(st.lists(st.one_of(sizes, odd), min_size=1, max_size=3))
            elif kind == "field":
                entry[draw(st.sampled_from(["dtype", "shape", "data_offsets"]))] = draw(odd)
            elif kind == "surplus":
                entry[draw(st.sampled_from(["x", "Dtype", ""]))] = draw(odd)
            elif kind == "drop":
                del entry[draw(st.sampled_from(sorted(entry)))]
            else:
                entries = dict(reversed(entries.items()))
    text = json.dumps(entries, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")
    return shard(text + b" " * draw(st.integers(0, 9)), b"\0" * min(length, 5000))


@settings(max_examples=700, deadline=None)
@given(bent())
def test_bent_shard_is_judged_as_safetensors_judges_it(blob: bytes) -> None:
    assert ours(blob) == theirs(blob)


@settings(max_examples=400, deadline=None)
@given(bent(), st.data())
def test_damaged_bytes_are_judged_as_safetensors_judges_them(blob: bytes, data: st.DataObject) -> None:
    damaged = bytearray(blob)
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(damaged[: data.draw(st.integers(0, len(damaged)))])
    for candidate in (bytes(damaged), cut):
        assert ours(candidate) == theirs(candidate)


@settings(max_examples=250, deadline=None)
@given(bent())
def test_a_checkpoint_of_a_bent_file_is_judged_as_safe_open_judges_it(blob: bytes) -> None:
    """The whole way from a directory: a blocker where ``safe_open`` refuses, the same tensors where it does not."""
    with tempfile.TemporaryDirectory() as root:
        path = Path(root) / "model.safetensors"
        path.write_bytes(blob)
        (Path(root) / "config.json").write_text("{}")
        facts = read_checkpoint(LocalSource("m", Path(root)))
        try:
            with safe_open(path, framework="np") as file:
                names = sorted(file.keys())
        except SafetensorError:
            assert any(problem.code in ("AC101", "AC102", "AC104") for problem in facts.problems)
        else:
            assert not any(problem.code in ("AC101", "AC102", "AC104") for problem in facts.problems)
            assert facts.tensor_count == len(names)


@settings(max_examples=300, deadline=None)
@given(bent())
def test_what_is_wrong_with_a_refused_header_begins_with_what_the_parser_met(blob: bytes) -> None:
    text = blob[8 : header_end(blob[:8], len(blob))]
    try:
        parse_header(text)
    except HeaderError as first:
        errors = diagnose(text, first)
        assert errors[0].kind == first.kind
        assert len({error.kind for error in errors}) == len(errors)
        counted = [error.params.get("count", 1) for error in errors]
        assert all(isinstance(count, int) and count > 0 for count in counted)
