"""A release from the package index: its archive, downloaded once, checked against the index's hash."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit, urlunsplit

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from ascend_compat.errors import TreeError
from ascend_compat.extract.origin import store
from ascend_compat.extract.progress import Progress, silent

if TYPE_CHECKING:
    from pypi_simple import DistributionPackage, PyPISimple

DEFAULT_INDEX = "https://pypi.org/simple/"
#: The largest wheel of vllm is under 500 MB.
DOWNLOAD_BYTES = 2 << 30
_TIMEOUT = (10.0, 60.0)
#: Hashes that prove something.
_STRONG = frozenset({"sha256", "sha384", "sha512"})


class ReleaseMissing(TreeError):
    """The index, or the cache when offline, has no such release."""


@dataclass(frozen=True)
class Access:
    """How releases are obtained: ``index_url`` (default: ``PIP_INDEX_URL``, then PyPI), or from the cache alone."""

    index_url: str | None = None
    offline: bool = False
    progress: Progress = silent

    @property
    def url(self) -> str:
        """The index that is asked."""
        return self.index_url or os.environ.get("PIP_INDEX_URL") or DEFAULT_INDEX


def fetch(requirement: Requirement, access: Access, scratch: Path) -> Path:
    """The archive of the newest release that satisfies ``requirement``: its sdist, or a wheel where there is none.

    An exact release that was downloaded before is not asked for again. ``scratch`` takes the download where the cache
    can't be written. Raises :class:`ReleaseMissing`, or :class:`TreeError` for a download that fails or does not match.
    """
    project = canonicalize_name(requirement.name)
    if access.offline or _exact(requirement):
        for version in _best(requirement, {version for version, _ in store.stored(project)}):
            at_hand = sorted((path for known, path in store.stored(project) if known == version), key=_preference)
            for path in at_hand:
                if store.intact(path):
                    return path
    if access.offline:
        raise ReleaseMissing(f"{requirement} is not in the cache of downloaded releases", "run without --offline")
    return _download(requirement, project, access, scratch)


def _download(requirement: Requirement, project: str, access: Access, scratch: Path) -> Path:
    with _Index(access.url) as index:
        packages = index.packages(project)
        chosen = next(iter(_best(requirement, set(packages))), None)
        if chosen is None:
            newest = ", ".join(str(version) for version in sorted(packages, reverse=True)[:5])
            raise ReleaseMissing(f"{index.name} has no {requirement}", f"newest there: {newest or 'none'}")
        package = min(packages[chosen], key=lambda item: _preference(Path(item.filename), item.size))
        place = store.writable(store.folder(project, chosen), scratch)
        partial = place / f".{package.filename}.{os.getpid()}"
        try:
            index.download(package, partial, access.progress)
            partial.replace(place / package.filename)
            store.keep(place / package.filename)
        except OSError as error:
            raise TreeError(f"{package.filename} can't be kept ({error.strerror})", "make room in the cache") from None
        finally:
            partial.unlink(missing_ok=True)
        return place / package.filename


def _exact(requirement: Requirement) -> bool:
    specifiers = list(requirement.specifier)
    return len(specifiers) == 1 and specifiers[0].operator == "==" and "*" not in specifiers[0].version


def _best(requirement: Requirement, versions: set[Version]) -> list[Version]:
    """Versions that satisfy the requirement, newest first; a pre-release where it is asked for or nothing else is."""
    return sorted(requirement.specifier.filter(versions), reverse=True)


def _preference(path: Path, size: int | None = None) -> tuple[bool, bool, float, str]:
    """An sdist before a wheel, a wheel for any platform before others, then the smallest."""
    wheel = path.name.endswith(".whl")
    return wheel, not path.name.endswith("-any.whl"), size if size is not None else float("inf"), path.name


class _Index:
    """One package index; what goes wrong is said without its address's user and password."""

    def __init__(self, url: str) -> None:
        from pypi_simple import PyPISimple

        parts = urlsplit(url)
        self.name = parts.hostname or "the package index"
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise TreeError("the package index has no http address", "give --index-url https://...")
        host = parts.netloc.rpartition("@")[2]
        bare = urlunsplit((parts.scheme, host, parts.path, "", ""))
        auth = _credentials(parts.scheme, host, unquote(parts.username), unquote(parts.password or "")) \
            if parts.username else None  # fmt: skip
        self.client: PyPISimple = PyPISimple(bare, auth=auth)

    def __enter__(self) -> _Index:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.s.close()

    def packages(self, project: str) -> dict[Version, list[DistributionPackage]]:
        """Archives by version; those that were withdrawn only where a version has no other."""
        from pypi_simple import NoSuchProjectError

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a newer minor version of the protocol is no news to a user
                page = self.client.get_project_page(project, timeout=_TIMEOUT)
        except NoSuchProjectError:
            raise ReleaseMissing(f"{self.name} has no project {project}", "check --index-url") from None
        except Exception as error:  # requests, JSON, HTML and protocol errors; their text can quote the address
            raise self._failed(f"looking for {project}", error) from None
        found: dict[Version, list[DistributionPackage]] = {}
        for package in page.packages:
            version = _version(package)
            if version is not None and store.is_plain(package.filename):
                found.setdefault(version, []).append(package)
        return {version: [p for p in items if not p.is_yanked] or items for version, items in found.items()}

    def download(self, package: DistributionPackage, into: Path, progress: Progress) -> None:
        """One file, its hash compared with the one the index gives."""
        from pypi_simple import DigestMismatchError

        if not _STRONG & set(package.digests):
            raise TreeError(f"{self.name} gives no SHA-256 for {package.filename}", "use another --index-url")
        counter = _counter(package.filename, progress)
        try:
            self.client.download_package(package, into, progress=counter, timeout=_TIMEOUT)
        except TreeError:
            raise
        except DigestMismatchError:
            hint = "try again; if it stays so, do not trust this index"
            raise TreeError(f"{package.filename} from {self.name} does not match its hash", hint) from None
        except Exception as error:  # as above
            raise self._failed(f"downloading {package.filename}", error) from None

    def _failed(self, doing: str, error: Exception) -> TreeError:
        status = getattr(getattr(error, "response", None), "status_code", None)
        said = f"answered HTTP {status}" if status else f"failed ({type(error).__name__})"
        return TreeError(f"{self.name} {said} while {doing}", "check the network and --index-url, or use --offline")


def _version(package: DistributionPackage) -> Version | None:
    if package.package_type not in ("sdist", "wheel") or package.version is None:
        return None
    try:
        return Version(package.version)
    except InvalidVersion:
        return None


def _credentials(scheme: str, host: str, user: str, password: str) -> Callable[[Any], Any]:
    """Authentication for the index alone: its files may lie on another host."""
    from requests.auth import HTTPBasicAuth

    def authenticate(request: Any) -> Any:
        parts = urlsplit(request.url)
        return HTTPBasicAuth(user, password)(request) if (parts.scheme, parts.netloc) == (scheme, host) else request

    return authenticate


def _counter(name: str, progress: Progress) -> Callable[[int | None], _Count]:
    return lambda total: _Count(name, total, progress)


class _Count:
    """Tells how much has come, and stops what never ends; the protocol is pypi_simple's."""

    def __init__(self, name: str, total: int | None, progress: Progress) -> None:
        self.name, self.total, self.progress = name, total, progress
        self.done = 0

    def __enter__(self) -> _Count:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def update(self, increment: int) -> None:
        """``increment`` more bytes have come."""
        self.done += increment
        if self.done > DOWNLOAD_BYTES:
            raise TreeError(f"{self.name} is larger than {DOWNLOAD_BYTES >> 20} MiB", "it is not downloaded")
        self.progress(f"download {self.name}", self.done, self.total)
