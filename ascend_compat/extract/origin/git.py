"""A revision of a git repository as files, read through plumbing: no checkout, no hook, no filter, no network."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from ascend_compat.errors import TreeError
from ascend_compat.extract.origin.wanted import Writer, wanted
from ascend_compat.extract.progress import Progress, silent

#: Settings a repository must not choose: each of them names a program. Owners differ in containers, and what is run
#: here reads objects only, so the owner does not matter.
_SETTINGS = ("core.fsmonitor=false", "core.hooksPath=/dev/null", "safe.directory=*")
_TIMEOUT = 60
_FILES = frozenset({"100644", "100755"})


def read_revision(repository: Path, revision: str, into: Path, progress: Progress = silent) -> str:
    """Write the wanted files of ``revision`` below the new directory ``into``; gives the commit.

    The worktree and the index play no part. Links and submodules are left out. A ``repository`` that is a folder inside
    a checkout gives that folder. Raises :class:`TreeError`.
    """
    commit = resolve(repository, revision)
    if commit is None:
        raise TreeError(f"{repository} has no revision {revision!r}", "fetch it first, or check the part after @")
    into.mkdir(parents=True)
    writer = Writer(into, f"{repository}@{revision}")
    listing = _git(repository, "ls-tree", "-r", "-z", commit)
    names: list[tuple[str, str]] = []
    for row in filter(None, listing.split(b"\0")):
        head, _, raw = row.partition(b"\t")
        mode, _, sha = head.decode("ascii").split(" ")
        name = os.fsdecode(raw)
        writer.member(name)
        if mode in _FILES and wanted(name):
            names.append((name, sha))
    for done, (name, data) in enumerate(_blobs(repository, names, writer), 1):
        writer.write(name, data)
        progress(f"read {revision}", done, len(names))
    return commit


def resolve(repository: Path, revision: str) -> str | None:
    """The commit a revision names, ``None`` when there is none; raises :class:`TreeError` outside a repository."""
    if not revision or revision.startswith("-"):
        return None
    _git(repository, "rev-parse", "--git-dir")
    try:
        found = _git(repository, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    except TreeError:
        return None
    return found.decode("ascii").strip() or None


def _blobs(repository: Path, names: list[tuple[str, str]], writer: Writer) -> Iterator[tuple[str, bytes]]:
    """Contents, one request at a time; a stored object is read as it is, whatever ``.gitattributes`` says."""
    with subprocess.Popen(
        [*_command(repository), "cat-file", "--batch"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=_environment(),
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            for name, sha in names:
                process.stdin.write(f"{sha}\n".encode())
                process.stdin.flush()
                yield name, _blob(process.stdout, name, writer)
        except BrokenPipeError:
            raise TreeError(f"git stopped while {writer.origin} was read") from None
        finally:
            process.kill()


def _blob(stream: IO[bytes], name: str, writer: Writer) -> bytes:
    head = stream.readline().split()
    if len(head) != 3 or head[1] != b"blob":
        raise TreeError(f"{writer.origin}: {name!r} is not in the repository", "complete a partial clone: git fetch")
    size = int(head[2])
    writer.room(size)
    data = stream.read(size + 1)
    if len(data) != size + 1:
        raise TreeError(f"git stopped while {writer.origin} was read")
    return data[:-1]


def _command(repository: Path) -> list[str]:
    settings = [part for setting in _SETTINGS for part in ("-c", setting)]
    return ["git", "--no-pager", *settings, "-C", str(repository)]


def _environment() -> dict[str, str]:
    """The environment without what redirects git, and with what keeps it quiet and local."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return {
        **kept,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ALLOW_PROTOCOL": "",  # a partial clone would fetch through a command of the repository's choice
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
    }


def _git(repository: Path, *arguments: str) -> bytes:
    try:
        done = subprocess.run(
            [*_command(repository), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=_environment(),
            timeout=_TIMEOUT,
            check=False,
        )
    except FileNotFoundError:
        raise TreeError("git is not installed", "install git, or give a directory or an archive") from None
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise TreeError(f"git can't read {repository} ({type(error).__name__})") from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        reason = said[-1].removeprefix("fatal: ") if said else "no reason given"
        raise TreeError(f"git can't read {repository}: {reason}", "give a git repository before the @")
    return done.stdout
