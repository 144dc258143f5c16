"""Every cell that was established about a release comes out of the replay of that release."""

from __future__ import annotations

import pytest
from cells import DESCRIBED, RULES, Replayed, agrees, cells, replay

PACKED = [release for release in DESCRIBED if release in RULES.releases()]


@pytest.mark.parametrize("release", PACKED)
def test_every_cell_of_a_release_is_reproduced(release: str) -> None:
    pack = RULES.pack(release)
    known: dict[tuple[str, str, str | None], Replayed] = {}
    different, compared, excepted = [], 0, 0
    for cell in cells(release):
        key = (cell.soc, cell.format, cell.asked)
        if key not in known:
            known[key] = replay(pack, *key)
        got = known[key].outcome(cell.layer)
        compared += 1
        excepted += cell.excepted is not None
        expected = cell.excepted if cell.excepted is not None else cell.expected
        if not agrees(expected, got):
            different.append(f"{cell.soc} {cell.format}, {cell.layer}: {expected}, but it is {got}")
    print(f"{release}: {compared} cells, {compared - excepted - len(different)} as established, {excepted} exceptions")
    assert not different, "\n".join(different)
