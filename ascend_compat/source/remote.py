"""A checkpoint behind a hub: a listing that is at hand, and bounded reads of its files."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ascend_compat.errors import SourceError
from ascend_compat.source.interface import CheckpointSource
from ascend_compat.source.ranges import fetch_range


class RemoteSource(CheckpointSource):
    """Files of one revision on a hub. ``url`` gives the download address of a file, ``headers`` the credentials."""

    workers = 16

    def __init__(
        self,
        spec: str,
        kind: str,
        revision: str | None,
        files: Mapping[str, int],
        url: Callable[[str], str],
        headers: Mapping[str, str],
    ) -> None:
        super().__init__(spec, revision)
        self.kind = kind
        self._files = dict(sorted(files.items()))
        self._url = url
        self._headers = dict(headers)

    def list(self) -> Mapping[str, int]:
        """Relative file names with sizes, as the hub listed them."""
        return self._files

    def read_range(self, path: str, start: int, length: int) -> bytes:
        """Bytes of a listed file; raises :class:`SourceError` when it is not listed or can't be fetched."""
        size = self.size(path)
        try:
            return fetch_range(self._url(path), start, min(length, max(0, size - start)), self._headers)
        except SourceError as error:
            raise SourceError(f"{path} of {self.spec} can't be read: {error}", error.hint) from error
