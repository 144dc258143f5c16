"""Every cell that was established about a release comes out of the replay of that release.

Cells that have what the A2 has (an A3 always) or what the whole table has take turns: each is compared at every fourth
release. With ``ASCEND_COMPAT_EVERY_CELL`` in the environment all cells are compared at all releases.
"""

from __future__ import annotations

import os

import pytest
from cells import DATA, DESCRIBED, FORMATS, RULES, SOCS_COMPARED, Replayed, agrees, cells, formats_of, replay

EVERY = bool(os.environ.get("ASCEND_COMPAT_EVERY_CELL"))
RELEASES = RULES.releases()
#: Of ten questions about a release that nobody described, how many may stay without an answer.
UNDETERMINED_OF_TEN = 1
#: The finding that nobody has shown a dtype to work on a device: no release decides that.
DEVICE = "AC309"


@pytest.mark.parametrize("release", [release for release in DESCRIBED if release in RELEASES])
def test_every_cell_of_a_release_is_reproduced(release: str) -> None:
    pack = RULES.pack(release)
    known: dict[tuple[str, str, str | None], Replayed] = {}
    different, compared, excepted = [], 0, 0
    for cell in cells(release, EVERY):
        key = (cell.soc, cell.format, cell.asked)
        if key not in known:
            known[key] = replay(pack, *key)
        got = known[key].outcome(cell.layer)
        compared += 1
        excepted += cell.excepted is not None
        if not agrees(cell.replayed, got):
            different.append(f"{cell.soc} {cell.format}, {cell.layer}: {cell.replayed}, but it is {got}")
    print(f"{release}: {compared} cells, {compared - excepted - len(different)} as established, {excepted} exceptions")
    assert not different, "\n".join(different)


@pytest.mark.parametrize("release", [release for release in RELEASES if release not in DESCRIBED])
def test_a_release_that_nobody_described_is_answered_too(release: str) -> None:
    """A dozen questions, others for each release, are answered without an error, nearly all of them for certain."""
    pack = RULES.pack(release)
    shift = RELEASES.index(release)
    asked = [(SOCS_COMPARED[(n + shift) % 4], name) for n, name in enumerate(FORMATS) if (n // 4 + shift) % 4 == 0]
    outcomes = {pair: replay(pack, *pair, "ascend" if "ModelSlim" in pair[1] else None).outcome() for pair in asked}
    unknown = [f"{soc} {name}: {got}" for (soc, name), got in outcomes.items() if got.startswith("U")]
    unknown = [line for line in unknown if DEVICE not in line]
    print(f"{release}: {len(asked)} questions, {len(unknown)} without an answer")
    assert len(unknown) * 10 <= UNDETERMINED_OF_TEN * len(asked), "\n".join(unknown)


def test_every_format_is_in_the_table_and_no_exception_is_stale() -> None:
    listed = {name for row in DATA["row"] for name in formats_of(row)}
    assert listed >= FORMATS.keys()
    used = {cell.reason for release in DESCRIBED for cell in cells(release) if not agrees(cell.expected, cell.replayed)}
    stale = [item for item in DATA["exception"] if item["reason"] not in used]
    assert not stale
