"""The modules a release builds for an architecture: a pack's constructions expanded with the classes handed on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ascend_compat.core.class_names import full, place, shorten
from ascend_compat.knowledge.config_attributes import renamed

DEPTH = 14
#: How the pack writes that a nested model is made by a part of the configuration.
PART = "config."
#: Packages whose classes are models; one of them without children builds nothing.
MODEL_PACKAGES = ("vllm.model_executor.models.", "vllm.models.", "vllm_ascend.models.")
LINEAR, MOE, EMBEDDING, OTHER = "linear", "moe", "embedding", "other"
#: Base classes that decide how a module is asked for its quantization method, in the order they are looked for.
_KINDS = (
    ("FusedMoE", MOE),
    ("MoERunner", MOE),
    ("RoutedExperts", MOE),
    ("VocabParallelEmbedding", EMBEDDING),
    ("LinearBase", LINEAR),
)


@dataclass(frozen=True, slots=True)
class Leaf:
    """A module whose class is a layer of vLLM or torch: its path template, class and where it is built."""

    path: str
    cls: str
    lineage: tuple[str, ...]
    at: str
    quantized: bool
    chain: tuple[tuple[str, str], ...]

    @property
    def kind(self) -> str:
        """``linear``, ``moe``, ``embedding`` or ``other``."""
        names = {fqn.rpartition(":")[2].rpartition(".")[2] for fqn in (self.cls, *self.lineage)}
        return next((kind for base, kind in _KINDS if base in names), OTHER)


#: Classes handed to a constructor: parameter to short name.
Given = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the expansion stands: the path, how it was reached, and whether quantization reaches it."""

    path: str
    chain: tuple[tuple[str, str], ...]
    quantized: bool
    depth: int


@dataclass(frozen=True, slots=True)
class _Site:
    """One construction: the path it fills, the line, and its flags."""

    path: str
    at: str
    flags: str
    #: Device types it is given the quantization configuration on, empty for all.
    socs: tuple[str, ...] = ()


def replacement(pack: Mapping[str, Any], name: str, soc: str) -> Mapping[str, Any] | None:
    """The plugin's own class for a layer class on a SoC; an unconditional registration goes before a guarded one."""
    entries = [e for e in pack.get("custom_ops", {}).get(name, ()) if not e.get("soc") or soc in e["soc"]]
    return next((e for e in entries if "guard" not in e), next(iter(entries), None))


class ModuleTree:
    """The expanded module tree of one architecture.

    ``config`` names the architectures of nested models where the code leaves that to the configuration; what can't be
    named is in ``dynamic``. ``opened`` are the model classes it is made of, by short name. ``device`` is the SoC that
    conditions on the device are decided for; without one a module counts as quantized when it is on any.
    """

    def __init__(
        self,
        pack: Mapping[str, Any],
        architecture: str,
        config: Mapping[str, Any] | None = None,
        device: str | None = None,
    ) -> None:
        self.pack = pack
        self.device = device
        self.config = config or {}
        self.classes: Mapping[str, Any] = pack.get("model_classes", {})
        entry = pack.get("architectures", {}).get(architecture, {})
        self.root = shorten(f"{entry.get('module')}:{entry.get('class')}") if entry else ""
        self.at = entry.get("at")
        self.leaves: dict[str, list[Leaf]] = {}
        self.packed: dict[str, list[str]] = dict(self.attribute("packed_modules_mapping") or {})
        self.dynamic: list[str] = []
        #: The part of the configuration that a nested model is handed as its own, by the path it stands at.
        self.parts: dict[str, str] = {}
        #: Model classes by the path they stand at, the root's first.
        self.models: dict[str, list[str]] = {"": [full(self.root)]} if self.root else {}
        self.opened: set[str] = set()
        for leaf in self._expand(self.root, {}, _Place("", (), True, 0)):
            known = self.leaves.setdefault(leaf.path, [])
            if leaf.cls not in [other.cls for other in known]:
                known.append(leaf)

    def attribute(self, name: str) -> Any:
        """A literal of the model class or the nearest base that has it."""
        return self._literal(self.root, name)

    def bases(self, name: str) -> list[str]:
        """The model classes that a class extends, nearest first, without itself."""
        return [base for base, _, _ in self._lineage(shorten(name), {})][1:]

    def _literal(self, root: str, name: str) -> Any:
        return next((entry[name] for _, entry, _ in self._lineage(root, {}) if name in entry), None)

    def _lineage(self, root: str, given: Given) -> Iterator[tuple[str, Mapping[str, Any], Given]]:
        """A model class and its bases, nearest first, each once, with the classes each constructor is given."""
        pending: list[tuple[str, Given]] = [(root, given)]
        seen: set[str] = set()
        while pending:
            name, handed = pending.pop(0)
            entry = self.classes.get(name)
            if entry is not None and "is" in entry:
                name, entry = entry["is"], self.classes.get(entry["is"])
            if entry is None or name in seen:
                continue
            seen.add(name)
            known = self._arguments(name, entry, handed)
            yield name, entry, known
            passed: Given = known
            if entry.get("init"):
                passed = {k: v for k, ref in entry.get("super", {}).items() for v in self._named(ref, name, known)}
            pending.extend((base, passed) for base in entry.get("bases", []))

    def _arguments(self, name: str, entry: Mapping[str, Any], given: Given) -> Given:
        """Parameters that hold classes, by name: as given, by position, or by default."""
        out = dict(given) if not entry.get("init") else {}
        for parameter, (position, *default) in entry.get("takes", {}).items():
            found = given.get(parameter, given.get(str(position)))
            if found is None and default:
                found = next(self._named(default[0], name, {}), None)
            if found is not None:
                out[parameter] = found
        return out

    def _named(self, ref: str, home: str, given: Given) -> Iterator[str]:
        """The class a reference stands for; nothing when the parameter was not given."""
        if ref.startswith("$"):
            if ref[1:] in given:
                yield given[ref[1:]]
        elif ref.startswith(":"):
            yield home.partition(":")[0] + ref
        else:
            yield ref

    def _expand(self, root: str, given: Given, place: _Place) -> Iterator[Leaf]:
        if place.depth > DEPTH:
            return
        self.opened.add(root)
        for name, shards in (self._literal(root, "packed_modules_mapping") or {}).items():
            self.packed.setdefault(name, shards)
        for name, more in self._looked_up(root, "", given):  # a function: what it returns stands in its place
            yield from self._made(name, more, _Site(place.path, place.chain[-1][1], "q"), place)
        seen: set[str] = set()
        for home, entry, known in list(self._lineage(root, given)):
            fresh = {attr: made for attr, made in entry.get("children", {}).items() if attr not in seen}
            seen.update(fresh)
            for attr, alternatives in fresh.items():
                for made in alternatives:
                    yield from self._child(root, home, attr, made, known, place)

    def _child(self, root: str, home: str, attr: str, made: list[Any], known: Given, place: _Place) -> Iterator[Leaf]:
        """One construction assigned to ``attr``."""
        ref, line = made[:2]
        flags = made[2] if len(made) > 2 else ""
        handed = made[3] if len(made) > 3 else {}
        path = f"{place.path}.{attr}" if place.path else attr
        socs = tuple(made[4]) if len(made) > 4 else ()
        site = _Site(f"{path}.*" if "l" in flags else path, f"{self._file(home)}:{line}", flags, socs)
        if ref == "dynamic":
            yield from self._dynamic(handed, site, place)
            return
        given = self._passed(handed, home, known)
        found = self._looked_up(root, ref[1:], given) if ref.startswith("@") else None
        for name, more in found or [(name, given) for name in self._named(ref, home, known)]:
            yield from self._made(name, more, site, place)

    def _passed(self, handed: Given, home: str, known: Given) -> Given:
        return {name: found for name, ref in handed.items() for found in self._named(ref, home, known)}

    def _looked_up(self, root: str, attr: str, given: Given) -> list[tuple[str, Given]]:
        """What an attribute of the class holds, or what its method of that name returns."""
        for home, entry, _ in list(self._lineage(root, {})):
            if attr in entry.get("attrs", {}):
                return [(name, given) for name in self._named(entry["attrs"][attr], home, given)]
            if attr in entry.get("methods", {}):
                return [
                    (name, self._passed(made[3] if len(made) > 3 else {}, home, given))
                    for made in entry["methods"][attr]
                    for name in self._named(made[0], home, given)
                ]
        return []

    def _made(self, name: str, given: Given, site: _Site, place: _Place) -> Iterator[Leaf]:
        """A class at a path: opened when it is a model, else a leaf."""
        name = full(name)
        chain = (*place.chain, (name.rpartition(":")[2], site.at))
        opened = shorten(name) in self.classes or name.startswith(MODEL_PACKAGES)
        if opened:
            if name not in self.models.setdefault(site.path, []):
                self.models[site.path].append(name)
            inner = _Place(site.path, chain, place.quantized and "n" not in site.flags, place.depth + 1)
            yield from self._expand(shorten(name), given, inner)
        layers = self.pack.get("layer_classes", {})
        if name in layers or not (opened or name.startswith("@")):  # a block of layers is an operator of its own, too
            name = layers.get(name, {}).get("layer", name)
            lineage = tuple(layers.get(name, {}).get("bases", ()))
            handed = "q" in site.flags and (not site.socs or self.device in (None, *site.socs))
            yield Leaf(site.path, name, lineage, site.at, handed and place.quantized, chain)

    def _dynamic(self, named: Any, site: _Site, place: _Place) -> Iterator[Leaf]:
        """A registered model inside a model: by the architecture the code or the configuration names."""
        known = self.pack.get("architectures", {})
        names = [str(name) for name in named] if isinstance(named, list) else []
        part = next((name.removeprefix(PART) for name in names if name.startswith(PART)), None)
        entry = next((known[name] for name in self._architectures(names, part) if name in known), None)
        if entry is None:
            self.dynamic.append(site.path)
            return
        if part is not None:
            self.parts[site.path] = part
        yield from self._made(f"{entry['module']}:{entry['class']}", {}, site, place)

    def _architectures(self, names: list[str], part: str | None) -> list[str]:
        """The architectures the code names, else those of the part of the configuration."""
        fixed = [name for name in names if not name.startswith(PART)]
        inner = renamed(self.config).get(part) if part is not None else None
        found = inner.get("architectures") if isinstance(inner, Mapping) else None
        return fixed or [str(name) for name in (found if isinstance(found, list) else [])]

    def nested(self, path: str) -> tuple[str, Mapping[str, list[str]] | None] | None:
        """Of the innermost nested model around a module that has a configuration of its own: the name of that part, and
        the class's ``packed_modules_mapping``."""
        inside = [site for site in self.parts if path.startswith(f"{site}.")]
        if not inside:
            return None
        site = max(inside, key=len)
        return self.parts[site], self._literal(shorten(self.models[site][0]), "packed_modules_mapping")

    def _file(self, name: str) -> str:
        return place(name, self.classes[name]["at"]).rpartition(":")[0]
