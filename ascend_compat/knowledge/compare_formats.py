"""What changes for checkpoints: quantization methods accepted per SoC, schemes registered, dtypes they allocate."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ascend_compat.core.change import Group, Item, Place, Side
from ascend_compat.core.finding import Message
from ascend_compat.knowledge.compare_schemes import OPEN, Registered, Scheme, opened, register, registered
from ascend_compat.knowledge.compare_tables import Pack, Pair, group, note
from ascend_compat.knowledge.evaluate.machine import Machine
from ascend_compat.knowledge.evaluate.values import Class, Raised, Undecided
from ascend_compat.knowledge.replay import PLATFORM

FORMATS = "vllm.model_executor.layers.quantization"
LISTED = "supported_quantization"
REGISTER = "register_scheme"
_START = "pre_register_and_update"
_BySoc = Mapping[str, "Accepted"]
_Told = Callable[[str, _BySoc, _BySoc, Side], list[Item]]


@dataclass(frozen=True, slots=True)
class Method:
    """A quantization method that passes the platform's check on a SoC; ``handler`` is the plugin's class for it, as
    ``(name, line)``, ``None`` when vLLM's own class would handle it."""

    name: str
    at: str
    handler: tuple[str, str] | None


@dataclass(frozen=True, slots=True)
class Accepted:
    """What one SoC accepts; ``why`` (reason, line) when registration could not be followed."""

    methods: Mapping[str, Method]
    why: tuple[str, str] | None = None


def compare_formats(pair: Pair, devices: Mapping[str, str], values: Mapping[str, Any]) -> list[Group]:
    """Groups of the topic ``checkpoints``."""
    if pair.sections("code") is None:
        return []
    packs = ((Side.A, pair.a), (Side.B, pair.b))
    methods = {side: {soc: accepted(pack, device, values) for soc, device in devices.items()} for side, pack in packs}
    schemes = {side: registered(pack, devices, values) for side, pack in packs}
    return [
        *_methods(methods[Side.A], methods[Side.B]),
        *_schemes(schemes[Side.A], schemes[Side.B]),
        *group("checkpoints.undetermined", _open_questions(methods, schemes)),
    ]


def accepted(pack: Pack, device: str, values: Mapping[str, Any]) -> Accepted:
    """What ``supported_quantization`` holds after registration on a device type, and whose class handles each name."""
    replay = opened(pack, device, values)
    machine = replay.machine
    trouble = register(replay)
    if trouble is None and machine.lost:
        trouble = machine.lost[0].reason, machine.lost[0].at
    if trouble is not None:
        return Accepted({}, trouble)
    platform = machine.member(*PLATFORM)
    listed = machine.attribute(platform, LISTED, platform.at)
    names = [name for name in listed if isinstance(name, str)] if isinstance(listed, list) else []
    at = _line_of(pack, *PLATFORM, LISTED)
    methods = {name: Method(name, at, _handler(machine, name)) for name in names}
    if not any(method.handler for method in methods.values()):
        return Accepted({}, ("no registration of a quantization class was seen", _line_of(pack, *PLATFORM, _START)))
    return Accepted(methods)


def _handler(machine: Machine, name: str) -> tuple[str, str] | None:
    try:
        found = machine.call(machine.member(FORMATS, "get_quantization_config"), [name], {}, FORMATS)
    except (Raised, Undecided):
        return None
    plugin = isinstance(found, Class) and found.module.startswith("vllm_ascend.")
    return (found.name, found.at) if plugin else None


def _line_of(pack: Pack, module: str, cls: str, name: str) -> str:
    """Where a class of the translated code defines a name."""
    part = pack.get("code", {}).get(module, {"path": module, "body": []})
    for node in part["body"]:
        for item in node[4] if node[0] == "class" and node[2] == cls else ():
            if (item[0] == "assign" and ["name", name] in item[2]) or (item[0] == "def" and item[2] == name):
                return f"{part['path']}:{item[1]}"
    return str(part["path"])


def _methods(a: _BySoc, b: _BySoc) -> list[Group]:
    """Per method the SoCs on which it is newly accepted or no longer, newly handled by the plugin or no longer."""
    known = [soc for soc in a if a[soc].why is None and b[soc].why is None]
    names = sorted({name for soc in known for name in (*a[soc].methods, *b[soc].methods)})

    def where(name: str, here: _BySoc, there: _BySoc, side: Side) -> list[Item]:
        socs = [soc for soc in known if name in here[soc].methods and name not in there[soc].methods]
        by_handler: dict[tuple[str, str] | None, list[str]] = {}
        for soc in socs:
            by_handler.setdefault(here[soc].methods[name].handler, []).append(soc)
        return [
            Item(
                name,
                (Place(side, here[on[0]].methods[name].at), *([Place(side, handler[1])] if handler else [])),
                note("by", socs=", ".join(on), name=handler[0]) if handler else note("by_name", socs=", ".join(on)),
            )
            for handler, on in by_handler.items()
        ]

    def handled(name: str, here: _BySoc, there: _BySoc, side: Side) -> list[Item]:
        shared = [soc for soc in known if name in here[soc].methods and name in there[soc].methods]
        other = Side.A if side is Side.B else Side.B
        by_handler: dict[tuple[str, str], list[str]] = {}
        for soc in shared:
            handler = here[soc].methods[name].handler
            if handler and not there[soc].methods[name].handler:
                by_handler.setdefault(handler, []).append(soc)
        return [
            Item(
                name,
                (Place(side, handler[1]), Place(other, there[on[0]].methods[name].at)),
                note("handler", socs=", ".join(on), name=handler[0]),
            )
            for handler, on in by_handler.items()
        ]

    def listed(kind: str, make: _Told, here: _BySoc, there: _BySoc, side: Side) -> list[Group]:
        return group(kind, [item for name in names for item in make(name, here, there, side)])

    return [
        *listed("checkpoints.method.removed", where, a, b, Side.A),
        *listed("checkpoints.method.added", where, b, a, Side.B),
        *listed("checkpoints.handler.lost", handled, a, b, Side.A),
        *listed("checkpoints.handler.gained", handled, b, a, Side.B),
    ]


def _schemes(a: Registered, b: Registered) -> list[Group]:
    """Schemes by registry; a registry that one side does not have at all is no list of removals."""
    registries = {key[0] for key in a.schemes} & {key[0] for key in b.schemes}
    gone = [row for key, row in a.schemes.items() if key not in b.schemes and key[0] in registries]
    new = [row for key, row in b.schemes.items() if key not in a.schemes and key[0] in registries]
    renamed = [(old, other) for old in gone for other in new if (old.registry, old.cls) == (other.registry, other.cls)]
    kept = {row.key for pair in renamed for row in pair}
    pairs = [*((a.schemes[key], b.schemes[key]) for key in sorted(set(a.schemes) & set(b.schemes))), *renamed]
    whole = bool(a.schemes and b.schemes)
    return [
        *group("checkpoints.scheme.removed", [_row(Side.A, row) for row in gone if row.key not in kept]),
        *group("checkpoints.scheme.added", [_row(Side.B, row) for row in new if row.key not in kept]),
        *group("checkpoints.scheme.renamed", [_renamed(old, other) for old, other in renamed]),
        *group("checkpoints.registry.added", _registries(Side.B, b, a) if whole else []),
        *group("checkpoints.registry.removed", _registries(Side.A, a, b) if whole else []),
        *group("checkpoints.scheme.dtypes", [item for old, other in pairs for item in _dtypes(old, other)]),
    ]


def _row(side: Side, scheme: Scheme) -> Item:
    return Item(_named(scheme), (Place(side, scheme.at),), _allocates(scheme))


def _renamed(old: Scheme, new: Scheme) -> Item:
    """One class under another key."""
    return Item(_named(old), (Place(Side.A, old.at), Place(Side.B, new.at)), note("respelled", name=_named(new)))


def _registries(side: Side, here: Registered, there: Registered) -> list[Item]:
    others = {key[0] for key in there.schemes}
    return [_row(side, scheme) for key, scheme in here.schemes.items() if key[0] not in others]


def _named(scheme: Scheme) -> str:
    registry = "" if scheme.registry == "main" else f" ({scheme.registry})"
    return f"{scheme.quant_type} {scheme.layer}{registry}"


def _allocates(scheme: Scheme) -> Message:
    if not scheme.dtypes:
        return note("class", name=scheme.cls)
    by_dtype: dict[str, list[str]] = {}
    for name, dtype in _short(scheme.dtypes).items():
        by_dtype.setdefault(dtype, []).append(name)
    told = "; ".join(f"{dtype}: {', '.join(names)}" for dtype, names in sorted(by_dtype.items()))
    return note("allocates", name=scheme.cls, dtypes=told)


def _short(dtypes: Mapping[str, str]) -> dict[str, str]:
    """``w13_x`` and ``w2_x`` of experts as ``w*_x`` where they agree."""
    out: dict[str, str] = {}
    for name, dtype in dtypes.items():
        twin = f"w2_{name[4:]}" if name.startswith("w13_") else f"w13_{name[3:]}" if name.startswith("w2_") else ""
        out["w*_" + name.partition("_")[2] if dtypes.get(twin) == dtype else name] = dtype
    return dict(sorted(out.items()))


def _dtypes(old: Scheme, new: Scheme) -> Iterator[Item]:
    """Parameters with another dtype; where both allocations were followed to the end, also those that come or go."""
    if old.dtypes is None or new.dtypes is None:
        return
    before, after = _short(old.dtypes), _short(new.dtypes)
    parts = [
        f"{name} {before[name]} → {after[name]}"
        for name in before
        if name in after and before[name] != after[name] and OPEN not in (before[name], after[name])
    ]
    if not old.why and not new.why:
        parts += [f"-{name} {before[name]}" for name in before if name not in after]
        parts += [f"+{name} {after[name]}" for name in after if name not in before]
    if parts:
        yield Item(_named(new), (Place(Side.A, old.at), Place(Side.B, new.at)), note("plain", text=", ".join(parts)))


def _open_questions(
    methods: Mapping[Side, Mapping[str, Accepted]], schemes: Mapping[Side, Registered]
) -> Iterator[Item]:
    """What could not be followed: the same question of both sides is one item."""
    found: dict[tuple[str, str], list[Place]] = {}
    for side in (Side.A, Side.B):
        reasons: dict[tuple[str, str], list[str]] = {}
        for soc, answer in methods[side].items():
            if answer.why is not None:
                reasons.setdefault(answer.why, []).append(soc)
        rows = [(f"{LISTED} ({', '.join(socs)})", *why) for why, socs in reasons.items()]
        rows += [(REGISTER, *why) for why in schemes[side].unfollowed]
        rows += [(_named(row), row.why, row.why_at) for row in schemes[side].schemes.values() if row.why]
        if not schemes[side].schemes:
            rows.append((REGISTER, "no registered scheme was found", "vllm_ascend/quantization"))
        for subject, reason, at in rows:
            found.setdefault((subject, reason), []).append(Place(side, at))
    for (subject, reason), places in found.items():
        yield Item(subject, tuple(places), note("why", reason=reason))
