"""ModelScope, at the endpoint its client is configured for, through the modelscope client."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from ascend_compat.errors import SourceError
from ascend_compat.source.interface import CheckpointSource
from ascend_compat.source.local import LocalSource
from ascend_compat.source.remote import RemoteSource

_KIND = "modelscope"
#: The branch ModelScope repositories have where the Hub has ``main``.
_DEFAULT_REVISION = "master"


def open_modelscope(spec: str, name: str, revision: str | None, offline: bool) -> CheckpointSource:
    """The repository ``name`` at ``revision``; ``offline`` reads the local cache only. Raises :class:`SourceError`."""
    revision = revision or _DEFAULT_REVISION
    if offline:
        return _cached(spec, name, revision)
    from modelscope.hub.api import HubApi, ModelScopeConfig
    from modelscope.hub.file_download import get_file_download_url

    try:
        api = HubApi(endpoint=_endpoint())
        endpoint = str(api.endpoint)
        listed = api.get_model_files(name, revision=revision, recursive=True)
        cookies = ModelScopeConfig.get_cookies() or {}
    except Exception as error:  # the client raises its own, requests' or urllib3's errors, by version
        raise _explain(spec, error) from error
    return RemoteSource(
        spec,
        _KIND,
        revision,
        _files(listed),
        lambda path: str(get_file_download_url(name, path, revision, endpoint=endpoint)),
        _cookie_header(cookies),
    )


def _files(listed: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Names and sizes without folders; new clients drop the type of an entry, so a folder shows by what is in it."""
    sizes = {str(item["Path"]): int(item.get("Size") or 0) for item in listed if item.get("Type") != "tree"}
    folders = {str(parent) for path in sizes for parent in PurePosixPath(path).parents}
    return {path: size for path, size in sizes.items() if path not in folders}


def _endpoint() -> str | None:
    """The endpoint the environment names; ``None`` leaves it to the client. Old clients do not read the first name."""
    named = os.environ.get("MODELSCOPE_ENDPOINT") or os.environ.get("MODELSCOPE_DOMAIN") or ""
    named = named.strip().rstrip("/")
    if not named:
        return None
    return named if "://" in named else f"https://{named}"


def _cookie_header(cookies: Any) -> dict[str, str]:
    pairs = [f"{key}={value}" for key, value in dict(cookies).items()]
    return {"Cookie": "; ".join(pairs)} if pairs else {}


def _cached(spec: str, name: str, revision: str) -> CheckpointSource:
    from modelscope.hub.file_download import model_file_download

    try:
        found = model_file_download(name, "config.json", revision=revision, local_files_only=True)
    except Exception as error:  # a file that is not cached is another error in every version of the client
        hint = f"download it with `modelscope download {name}`, or go online"
        raise SourceError(f"{spec} is not in the local ModelScope cache", hint) from error
    source = LocalSource(spec, Path(found).parent, kind=_KIND, revision=revision)
    source.complete = False
    return source


def _explain(spec: str, error: Exception) -> SourceError:
    """One line for what the client raised; its own text is left out because it can quote request headers."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    kinds = {cls.__name__ for cls in type(error).__mro__}
    if status == 404 or kinds & {"NotExistError", "RepoNotFoundError"}:
        return SourceError(f"{spec!r} is not a model on ModelScope", "check the name and the revision after @")
    if status in (401, 403) or kinds & {"AuthenticationError", "PermissionDeniedError"}:
        return SourceError(f"ModelScope refuses access to {spec!r}", "log in with `modelscope login`")
    said = f"answered HTTP {status}" if status is not None else f"can't be reached ({type(error).__name__})"
    return SourceError(
        f"ModelScope {said} while looking for {spec!r}",
        "check the network and MODELSCOPE_ENDPOINT, or use --offline for a cached model",
    )
