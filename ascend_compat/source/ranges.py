"""Bounded HTTP reads: exactly the bytes asked for, with retries, and no credentials for another host."""

from __future__ import annotations

import http.client
import random
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import IO
from urllib.parse import urlsplit

from ascend_compat.errors import SourceError

_RETRIED = frozenset({408, 429, 500, 502, 503, 504})
_CREDENTIALS = ("Authorization", "Cookie")
_TIMEOUT = 30.0
#: Longest wait a server may ask for, in seconds.
_MAX_WAIT = 60.0


class _Retry(Exception):
    """A failure that may pass; ``wait`` is what the server asked for, in seconds."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


def fetch_range(
    url: str,
    start: int,
    length: int,
    headers: Mapping[str, str],
    attempts: int = 5,
    sleep: Callable[[float], None] = time.sleep,
) -> bytes:
    """Bytes ``[start, start + length)`` of ``url``, fewer where the file ends.

    A server that ignores ``Range`` is refused unless the whole file is no longer than what was asked for. Raises
    :class:`SourceError`; its text names the host only, because a redirected URL may carry a signature.
    """
    if length <= 0:
        return b""
    for attempt in range(1, attempts + 1):
        try:
            return _fetch_once(url, start, length, headers)
        except _Retry as error:
            if attempt == attempts:
                raise SourceError(
                    f"{_host(url)} failed {attempts} times: {error}", "check the network and try again"
                ) from error
            backoff = 0.5 * 2 ** (attempt - 1) * (1 + random.random() / 4)
            sleep(min(_MAX_WAIT, error.wait if error.wait is not None else backoff))
    raise SourceError(f"{_host(url)} was not asked, attempts is {attempts}")


def _fetch_once(url: str, start: int, length: int, headers: Mapping[str, str]) -> bytes:
    wanted = {"Range": f"bytes={start}-{start + length - 1}", "Accept-Encoding": "identity"}
    request = urllib.request.Request(url, headers={"User-Agent": "ascend-compat", **headers, **wanted})
    opener = urllib.request.build_opener(_Redirects())
    try:
        with opener.open(request, timeout=_TIMEOUT) as response:
            return _body(response, url, start, length)
    except urllib.error.HTTPError as error:
        if error.code == 416:
            return b""
        if error.code in _RETRIED:
            raise _Retry(f"HTTP {error.code}", _retry_after(error.headers)) from None
        raise _refusal(url, error.code) from None
    except urllib.error.URLError as error:
        raise _Retry(_reason(error.reason)) from None
    except (OSError, http.client.HTTPException) as error:
        raise _Retry(_reason(error)) from None


def _body(response: http.client.HTTPResponse, url: str, start: int, length: int) -> bytes:
    if response.status == 206:
        first, total = _content_range(response.headers.get("Content-Range", ""))
        if first != start:
            raise SourceError(f"{_host(url)} answered a range request with another range")
        data = response.read(length)
        if total is not None and len(data) < min(length, total - start):
            raise _Retry("the connection was cut")
        return data
    size = response.headers.get("Content-Length", "0")
    if response.status == 200 and size.isdigit() and int(size) <= start + length:
        data = response.read(start + length + 1)
        if len(data) < int(size):
            raise _Retry("the connection was cut")
        if len(data) <= start + length:
            return data[start:]
    raise SourceError(
        f"{_host(url)} ignores range requests, so headers can't be read without downloading whole shards",
        "use another endpoint, or download the model and give its directory",
    )


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects; credentials are for the host they were meant for."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        new = super().redirect_request(req, fp, code, msg, headers, newurl)
        if new is not None and _origin(req.full_url) != _origin(newurl):
            for name in _CREDENTIALS:
                new.remove_header(name)
        return new


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def _host(url: str) -> str:
    return urlsplit(url).hostname or "the server"


def _reason(error: object) -> str:
    return str(getattr(error, "strerror", None) or error or type(error).__name__)


def _content_range(value: str) -> tuple[int | None, int | None]:
    """First byte and total size of ``bytes 0-9/100``; ``None`` where it does not say."""
    unit, _, rest = value.partition(" ")
    span, _, total = rest.partition("/")
    first = span.partition("-")[0]
    return int(first) if unit == "bytes" and first.isdigit() else None, int(total) if total.isdigit() else None


def _retry_after(headers: Message) -> float | None:
    """Seconds of a ``Retry-After`` header, which is a number or a date."""
    value = headers.get("Retry-After", "").strip()
    if value.isdigit():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError):
        return None


def _refusal(url: str, code: int) -> SourceError:
    if code in (401, 403):
        return SourceError(f"{_host(url)} refuses access (HTTP {code})", "log in, or ask for access to the model")
    if code == 404:
        return SourceError(f"{_host(url)} does not have the file (HTTP 404)", "check the revision")
    return SourceError(f"{_host(url)} answered HTTP {code}")
