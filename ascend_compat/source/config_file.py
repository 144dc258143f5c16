"""A configuration file on its own, whatever it is called: a model without weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ascend_compat.errors import SourceError
from ascend_compat.source.interface import CheckpointSource

#: ``<name>_config.json`` has its side files beside it as ``<name>_<side file>``.
_CONFIG = "config.json"
_SIDES = ("hf_quant_config.json", "quant_model_description.json", "generation_config.json")


class ConfigFile(CheckpointSource):
    """``config.json`` of a model as one file; ``x_config.json`` brings ``x_hf_quant_config.json`` and its like."""

    kind = "local"

    def __init__(self, spec: str, file: Path) -> None:
        super().__init__(spec)
        stem = file.name.removesuffix(_CONFIG) if file.name.endswith(f"_{_CONFIG}") else None
        beside = {name: file.with_name(f"{stem}{name}") for name in _SIDES} if stem else {}
        self._paths = {_CONFIG: file, **{name: path for name, path in beside.items() if path.is_file()}}

    def list(self) -> Mapping[str, int]:
        """``config.json`` and the side files that are there, with their sizes."""
        try:
            return {name: path.stat().st_size for name, path in sorted(self._paths.items())}
        except OSError as error:
            raise SourceError(f"{self.spec} can't be read: {error.strerror}") from error

    def read_range(self, path: str, start: int, length: int) -> bytes:
        """Bytes of one of the files; raises :class:`SourceError` for any other name."""
        if path not in self._paths:
            raise SourceError(f"{self.spec} has no file {path!r}")
        try:
            with self._paths[path].open("rb") as file:
                file.seek(start)
                return file.read(length)
        except OSError as error:
            raise SourceError(f"{path} of {self.spec} can't be read: {error.strerror}") from error
