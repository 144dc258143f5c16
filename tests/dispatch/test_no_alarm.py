"""The checkpoints of the dispatch table are sound: comparing declaration and tensors finds nothing in them."""

from __future__ import annotations

import pytest
from formats import make
from formats_compressed import COMPRESSED
from formats_modelslim import MODELSLIM
from formats_named import NAMED

from ascend_compat.classify.profile import classify

TABLES = {"compressed-tensors": COMPRESSED, "named": NAMED, "ModelSlim": MODELSLIM}
FORMATS = {f"{table}: {name}": form for table, forms in TABLES.items() for name, form in forms.items()}
#: The one whose targets name no module says so.
EXPECTED = {"compressed-tensors: layer without target": {"AC330"}}


@pytest.mark.parametrize("name", FORMATS)
def test_a_checkpoint_of_the_table_raises_no_alarm(name: str) -> None:
    found = classify(make(FORMATS[name])).findings
    assert {finding.code for finding in found} == EXPECTED.get(name, set()), found
