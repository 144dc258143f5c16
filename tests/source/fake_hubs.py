"""A small HTTP server on 127.0.0.1 that speaks the protocols of the Hugging Face Hub and of ModelScope."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class FakeHub(ThreadingHTTPServer):
    """Serves ``directory`` as repository ``org/model``; ``failures`` are statuses to answer first, per file name."""

    daemon_threads = True

    def __init__(self, directory: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.directory = directory
        self.failures: dict[str, list[tuple[int, dict[str, str]]]] = {}
        self.ignore_range = False
        self.redirect_to: str | None = None
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.sent = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @contextmanager
    def running(self) -> Iterator[FakeHub]:
        thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.shutdown()
            self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: FakeHub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.server.requests.append((self.path, dict(self.headers.items())))
        parts = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        path = unquote(parts.path)
        if path in (
            "/api/models/org/model",
            f"/api/models/org/model/revision/{COMMIT}",
            "/api/models/org/model/revision/v1",
        ):
            return self._json(self._hub_info())
        if path.startswith("/api/models/org/model/revision/"):
            return self._json({"error": "Invalid rev id"}, 404, {"X-Error-Code": "RevisionNotFound"})
        if path.startswith("/api/models/org/gated"):
            return self._json({"error": "gated"}, 403, {"X-Error-Code": "GatedRepo"})
        if path.startswith("/api/models/"):
            return self._json({"error": "Repository not found"}, 401, {"X-Error-Code": "RepoNotFound"})
        if path.startswith(f"/org/model/resolve/{COMMIT}/"):
            return self._file(path.removeprefix(f"/org/model/resolve/{COMMIT}/"))
        if path == "/api/v1/models/org/model/repo/files":
            return self._json({"Code": 200, "Success": True, "Data": {"Files": self._scope_files()}})
        if path == "/api/v1/models/org/model/repo" and query.get("Revision") == "master":
            return self._file(query["FilePath"])
        if path.startswith("/cdn/"):
            return self._file(path.removeprefix("/cdn/"))
        return self._json({"Code": 10010205001, "Message": "not found", "Success": False}, 404)

    def _sizes(self) -> dict[str, int]:
        root = self.server.directory
        return {str(path.relative_to(root)): path.stat().st_size for path in sorted(root.rglob("*")) if path.is_file()}

    def _hub_info(self) -> dict[str, Any]:
        siblings = [{"rfilename": name, "size": size} for name, size in self._sizes().items()]
        return {"_id": "1", "id": "org/model", "modelId": "org/model", "sha": COMMIT, "siblings": siblings, "tags": []}

    def _scope_files(self) -> list[dict[str, Any]]:
        blobs = [{"Path": name, "Size": size, "Type": "blob"} for name, size in self._sizes().items()]
        return [{"Path": "sub", "Size": 0, "Type": "tree"}, *blobs]

    def _file(self, name: str) -> None:
        server = self.server
        pending = server.failures.get(name)
        if pending:
            status, headers = pending.pop(0)
            return self._json({"error": "try later"}, status, headers)
        if server.redirect_to is not None and not self.path.startswith("/cdn/"):
            return self._json({}, 302, {"Location": f"{server.redirect_to}/cdn/{name}"})
        path = server.directory / name
        if not path.is_file():
            return self._json({"error": "Entry not found"}, 404, {"X-Error-Code": "EntryNotFound"})
        size = path.stat().st_size
        start, end, status = 0, size - 1, 200
        wanted = self.headers.get("Range", "")
        if wanted.startswith("bytes=") and not server.ignore_range:
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start, end, status = int(first), min(int(last), size - 1), 206
        self.send_response(status)
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{end}/{size}")
        self.send_header("Content-Length", str(end - start + 1))
        self.end_headers()
        if self.command == "HEAD":
            return None
        with path.open("rb") as file:
            file.seek(start)
            left = end - start + 1
            while left > 0:
                chunk = file.read(min(left, 1 << 16))
                server.sent += len(chunk)
                try:
                    self.wfile.write(chunk)
                except OSError:
                    return None
                left -= len(chunk)
        return None

    def _json(self, value: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        for key, text in (headers or {}).items():
            self.send_header(key, text)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
