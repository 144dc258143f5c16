"""The Hugging Face Hub, or a mirror named by ``HF_ENDPOINT``, through the huggingface_hub client."""

from __future__ import annotations

import os
from pathlib import Path

from ascend_compat.errors import SourceError
from ascend_compat.source.interface import CheckpointSource
from ascend_compat.source.local import LocalSource
from ascend_compat.source.remote import RemoteSource

_KIND = "huggingface"


def open_hub(spec: str, name: str, revision: str | None, offline: bool) -> CheckpointSource:
    """The repository ``name`` at ``revision`` (default branch without one), pinned to its commit.

    ``offline``, or ``HF_HUB_OFFLINE``, reads the local cache only. Raises :class:`SourceError`.
    """
    if offline or os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
        return _cached(spec, name, revision)
    from huggingface_hub import HfApi, get_token, hf_hub_url

    endpoint = (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")
    try:
        info = HfApi(endpoint=endpoint).model_info(name, revision=revision, files_metadata=True)
    except Exception as error:  # the client raises httpx or requests errors, by version
        raise _explain(spec, name, endpoint, error) from error
    files = {item.rfilename: item.size or 0 for item in info.siblings or ()}
    commit = info.sha or revision
    token = get_token()
    return RemoteSource(
        spec,
        _KIND,
        commit,
        files,
        lambda path: hf_hub_url(name, path, revision=commit, endpoint=endpoint),
        {"Authorization": f"Bearer {token}"} if token else {},
    )


def _cached(spec: str, name: str, revision: str | None) -> CheckpointSource:
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(name, "config.json", revision=revision)
    if not isinstance(found, str):
        raise SourceError(
            f"{spec} is not in the local Hugging Face cache", f"download it with `hf download {name}`, or go online"
        )
    snapshot = Path(found).parent
    source = LocalSource(spec, snapshot, kind=_KIND, revision=snapshot.name)
    source.complete = False
    return source


def _explain(spec: str, name: str, endpoint: str, error: Exception) -> SourceError:
    """One line for what the client raised; its own text is left out because it can quote request headers."""
    kinds = {cls.__name__ for cls in type(error).__mro__}
    login = "check the spelling; for a private or gated model log in with `hf auth login`"
    if "GatedRepoError" in kinds:
        return SourceError(f"{name} on {endpoint} is gated", "accept its terms on the hub and log in")
    if "RevisionNotFoundError" in kinds:
        return SourceError(f"{name} on {endpoint} has no such revision", "check the part after @")
    if "RepositoryNotFoundError" in kinds:
        what = "is neither a directory nor a model" if spec.partition("@")[0] == name else "is not a model"
        return SourceError(f"{spec!r} {what} on {endpoint}", login)
    if "HFValidationError" in kinds:
        return SourceError(f"{spec!r} is neither a directory nor a repository name", "give a directory, or org/name")
    status = getattr(getattr(error, "response", None), "status_code", None)
    said = f"answered HTTP {status}" if status is not None else f"can't be reached ({type(error).__name__})"
    return SourceError(
        f"{endpoint} {said} while looking for {name}",
        "check the network, set HF_ENDPOINT to a mirror, use ms:org/name, or --offline for a cached model",
    )
