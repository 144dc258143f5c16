"""Releases of the small trees as archives, and a package index on this machine that serves them."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from small_trees import ASCEND, VLLM


def ascend_files(version: str = "0.5.0rc1", pinned: str = "0.9.0") -> dict[str, str]:
    """The small plugin as an sdist has it."""
    return {
        **ASCEND,
        "PKG-INFO": f"Metadata-Version: 2.4\nName: vllm_ascend\nVersion: {version}\n",
        "Dockerfile": f"ARG VLLM_TAG=v{pinned}\n",
    }


def vllm_files(version: str = "0.9.0") -> dict[str, str]:
    """The small engine as an sdist has it."""
    return {**VLLM, "PKG-INFO": f"Metadata-Version: 2.4\nName: vllm\nVersion: {version}\n"}


def sdist(top: str, files: Mapping[str, str], more: tuple[tarfile.TarInfo, ...] = ()) -> bytes:
    """A ``.tar.gz`` with everything in one folder; ``more`` are members without content, under their own names."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(f"{top}/{name}")
            data = text.encode()
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
        for member in more:
            tar.addfile(member, io.BytesIO(b"\0" * member.size))
    return out.getvalue()


def wheel(files: Mapping[str, str], version: str = "0.9.0") -> bytes:
    """A wheel: no folder around it, and the metadata in a folder of its own."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            target = f"vllm-{version}.dist-info/METADATA" if name == "PKG-INFO" else name
            archive.writestr(target, text)
    return out.getvalue()


@dataclass
class Index:
    """What the server has, and what was asked of it; ``hashes`` replaces the true SHA-256 of a file."""

    url: str = ""
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    hashes: dict[str, str] = field(default_factory=dict)
    json: bool = False
    cut: set[str] = field(default_factory=set)
    login: tuple[str, str] | None = None
    asked: list[str] = field(default_factory=list)

    def add(self, project: str, name: str, content: bytes) -> None:
        """One file of a project."""
        self.files.setdefault(project, {})[name] = content

    def page(self, project: str) -> tuple[str, bytes]:
        """The project's page, in HTML (PEP 503) or JSON (PEP 691)."""
        rows = [
            (name, self.hashes.get(name, hashlib.sha256(data).hexdigest()), len(data))
            for name, data in self.files[project].items()
        ]
        if self.json:
            files = [
                {"filename": name, "url": f"../../files/{name}", "hashes": {"sha256": sha} if sha else {}, "size": size}
                for name, sha, size in rows
            ]
            page = {"meta": {"api-version": "1.1"}, "name": project, "versions": [], "files": files}
            return "application/vnd.pypi.simple.v1+json", json.dumps(page).encode()
        links = "".join(f'<a href="../../files/{n}{f"#sha256={sha}" if sha else ""}">{n}</a>' for n, sha, _ in rows)
        return "text/html", f"<!DOCTYPE html><html><body>{links}</body></html>".encode()


@contextmanager
def serve() -> Iterator[Index]:
    """A running index, empty at first."""
    index = Index()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            index.asked.append(self.path)
            kind, body = self._answer()
            if kind is None:
                self.send_error(401 if body else 404)
                return
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if self.path.rpartition("/")[2] in index.cut else body)

        def _answer(self) -> tuple[str | None, bytes]:
            if index.login is not None:
                expected = base64.b64encode(":".join(index.login).encode()).decode()
                if self.headers.get("Authorization") != f"Basic {expected}":
                    return None, b"login"
            parts = self.path.strip("/").split("/")
            if parts[0] == "simple" and parts[-1] in index.files:
                return index.page(parts[-1])
            found = next((files[parts[-1]] for files in index.files.values() if parts[-1] in files), None)
            return ("application/octet-stream", found) if parts[0] == "files" and found is not None else (None, b"")

        def log_message(self, *_: object) -> None:
            """Nothing on stderr."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    index.url = f"http://127.0.0.1:{server.server_port}/simple/"
    try:
        yield index
    finally:
        server.shutdown()
        server.server_close()


def write(path: Path, content: bytes) -> Path:
    """A file, with the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path
