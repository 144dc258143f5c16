"""What the walk knows of a pair of trees before it starts: devices, patches, replacements, packages, built ops."""

from __future__ import annotations

import ast
import codecs
import re
import sys
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from ascend_compat.extract.backends import extract_backends
from ascend_compat.extract.custom_ops import extract_custom_ops
from ascend_compat.extract.guards import OLD_CHIP, OTHER, Guards
from ascend_compat.extract.patches import extract_patches
from ascend_compat.extract.scan import around, last_name, lines_with, literal_text, texts
from ascend_compat.extract.tree import Trees
from ascend_compat.extract.variables import extract_environment
from ascend_compat.extract.versions import extract_versions
from ascend_compat.extract.walk.built import built_ops

#: Import names that differ from what a requirements file calls the distribution.
IMPORTED_AS = {
    "pillow": ("PIL",),
    "opencv_python_headless": ("cv2",),
    "pyyaml": ("yaml",),
    "torch_npu": ("torchair",),
    "scikit_learn": ("sklearn",),
    "transformers": ("tokenizers", "huggingface_hub", "safetensors", "tqdm", "packaging", "filelock"),
    "mistral_common": ("mistral_common",),
    "python_json_logger": ("pythonjsonlogger",),
    "msgspec": ("msgspec",),
    "pyzmq": ("zmq",),
    "prometheus_client": ("prometheus_client",),
    "torch": ("torch", "torchgen", "networkx", "jinja2", "sympy", "typing_extensions"),
    "pydantic": ("pydantic_core", "annotated_types"),
    "fastapi": ("starlette", "uvicorn", "uvloop", "httpx"),
    "requests": ("urllib3",),
    "py_cpuinfo": ("cpuinfo",),
}
#: A statement at the top of a module, under no test, and a question whether a package is there.
PLAIN_IMPORT = re.compile(rb"^(?:from|import)[ \t]+([A-Za-z_]\w*)", re.M)
ASKED = re.compile(rb"find_spec\(\s*[\"'](\w+)")
TRITON_PACKAGE = "triton-ascend"
REGISTER = "direct_register_custom_op"


class World:
    """Facts of the pair; ``known`` are sections of a pack that is being built, so that nothing is read twice."""

    def __init__(self, trees: Trees, known: Mapping[str, Any] | None = None) -> None:
        self.trees = trees
        self.known = known or {}
        self.guards = Guards(trees)
        self.socs = self.guards.socs
        self.full = (1 << len(self.socs)) - 1
        self._torch_ops: dict[str, str | None] = {}
        self._registering: dict[str, dict[str, str]] = {}

    def mask(self, names: Any) -> int:
        """Devices as bits; ``None`` is every device."""
        if names is None:
            return self.full
        out = 0
        for name in names:
            # A tree that does not enumerate devices has one name for all but the old chip.
            known = name if name in self.socs or name == OLD_CHIP else OTHER
            out |= 1 << self.socs.index(known) if known in self.socs else 0
        return out

    def _section(self, name: str, extract: Any) -> Any:
        return self.known[name] if name in self.known else extract(self.trees)

    @cached_property
    def patches(self) -> dict[str, list[dict[str, Any]]]:
        """Patches by the dotted name that they replace."""
        out: dict[str, list[dict[str, Any]]] = {}
        for row in self._section("patches", extract_patches):
            out.setdefault(row["target"], []).append(row)
        return out

    @cached_property
    def replaced(self) -> dict[str, list[tuple[int, str, str]]]:
        """``{class name: [(devices, class of the plugin, path:line)]}``; of entries for one device the first counts."""
        out: dict[str, list[tuple[int, str, str]]] = {}
        for name, entries in self._section("custom_ops", extract_custom_ops).items():
            left = self.full
            for entry in entries:
                mask = self.mask(entry.get("soc")) & left
                if mask:
                    out.setdefault(name, []).append((mask, entry["class"], entry["at"]))
                    left &= ~mask
        return out

    @cached_property
    def backends(self) -> list[dict[str, Any]]:
        """Rows of the platform's attention backends."""
        return list(self._section("attention_backends", extract_backends))

    @cached_property
    def environment(self) -> dict[str, Any]:
        """Default values of environment variables; what the plugin sets counts as set."""
        rows = self._section("environment", extract_environment)
        return {name: row["default"] for name, row in rows.items() if "default" in row}

    @cached_property
    def vllm_version(self) -> str:
        """The pinned vllm version."""
        found = self._section("versions", extract_versions).get("vllm")
        return str(found["value"]) if found else ""

    @cached_property
    def packages(self) -> frozenset[str]:
        """Import names that are there on an NPU: requirements of the plugin and what vllm needs on every platform."""
        texts = [self.trees.read("requirements.txt") or ""]
        common = self.trees.vllm.root / "requirements" / "common.txt"
        if common.is_file():
            texts.append(common.read_text(encoding="utf-8", errors="replace"))
        else:
            texts.append(" ".join(IMPORTED_AS).replace(" ", "\n") + "\nnumpy\neinops\ncompressed_tensors")
        names = set(sys.stdlib_module_names) | {"torch", "torch_npu", "torchvision", "torchaudio", "numpy", "timm"}
        for line in "\n".join(texts).splitlines():
            found = re.match(r"\s*([A-Za-z0-9_.-]+)", line)
            if found:
                names.add(found[1].replace("-", "_").lower())
        for distribution, imported in IMPORTED_AS.items():
            if distribution in names or distribution in ("torch", "transformers"):
                names.update(imported)
        return frozenset({*names, "transformers", "cv2", "PIL", "yaml"})

    @cached_property
    def needed(self) -> frozenset[str]:
        """Packages that the plugin imports at the top of a module and nowhere asks for: a release comes with them."""
        texts = [data.removeprefix(codecs.BOM_UTF8) for _, data in self.trees.vllm_ascend.texts]
        asked = {name for text in texts for name in ASKED.findall(text)}
        imported = {name for text in texts for name in PLAIN_IMPORT.findall(text)}
        return frozenset(map(bytes.decode, imported - asked))

    @cached_property
    def triton(self) -> int:
        """Devices that have Triton: none without the NPU's Triton package, never the old chip."""
        files = (self.trees.read(name) or "" for name in ("requirements.txt", "Dockerfile", "setup.py"))
        there = any(TRITON_PACKAGE in text for text in files)
        return self.full & ~self.mask([OLD_CHIP]) if there else 0

    @cached_property
    def built(self) -> dict[str, int]:
        """Devices that an op of the plugin's extension is built for; ops of no list are left out."""
        return built_ops(self.trees, self.mask)

    def torch_op(self, op: str) -> str | None:
        """``torch.ops.vllm.NAME``: the dotted name of the Python function behind it; the plugin's wins.

        Modules of a tree that spell the name out are asked first: the others need not be parsed then. Of several that
        register one name the last counts (``amd`` before ``nvidia``: the platform is neither, and takes the latter).
        """
        if op not in self._torch_ops:
            last_first = (registering[::-1] for registering in self._homes)
            homes = (
                home
                for registering in last_first
                for home in sorted(registering, key=lambda home: op.encode() not in home[1])
            )
            rows = (self._registered(name, data).get(op) for name, data in homes)
            self._torch_ops[op] = next((row for row in rows if row is not None), None)
        return self._torch_ops[op]

    @cached_property
    def _homes(self) -> list[list[tuple[str, bytes]]]:
        """Names and texts of the modules that register ops, by tree, the plugin's first."""
        return [list(texts(tree, REGISTER)) for tree in self.trees.trees]

    def _registered(self, name: str, data: bytes) -> dict[str, str]:
        """The ops that one module registers, and its functions for them."""
        if name not in self._registering:
            module = self.trees.module(name)
            out = self._registering[name] = {}
            for node in around(module.tree, lines_with(data, REGISTER)) if module else ():
                if isinstance(node, ast.Call) and last_name(node.func) == REGISTER and module is not None:
                    words = {k.arg: k.value for k in node.keywords}
                    names = [*node.args, None, None]
                    op, func = words.get("op_name", names[0]), words.get("op_func", names[1])
                    text = literal_text(self.trees, module, op) if op is not None else None
                    if text and isinstance(func, ast.Name):
                        out[text] = f"{name}.{func.id}"
        return self._registering[name]

    def absent(self, dotted: str) -> bool:
        """Whether a module is missing on an NPU; extension modules of the plugin count as built."""
        top = dotted.partition(".")[0]
        if top == "vllm_ascend":
            return False
        if top == "vllm":
            parts = dotted.split(".")
            found = any(self.trees.vllm.find(".".join(parts[:cut])) for cut in range(len(parts), 1, -1))
            return not found and len(parts) > 1
        return top not in self.packages and top != "triton" and top not in self.needed
