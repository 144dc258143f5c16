"""Every finding code that has a message has a page, in both languages."""

from __future__ import annotations

import re

from ascend_compat.report import catalog
from ascend_compat.report.pages import codes, in_language, page, title

USED = sorted({name[:5] for name in catalog.templates("en") if re.match(r"AC\d{3}", name)})


def test_every_code_with_a_message_has_a_page() -> None:
    assert USED
    assert set(USED) <= set(codes())


def test_every_page_is_titled_by_its_code_and_has_a_chinese_part() -> None:
    for code in codes():
        text = page(code) or ""
        assert title(text).startswith(code)
        assert re.search("[\u4e00-\u9fff]", in_language(text, "zh"))
        assert "## " not in in_language(text, "zh")


def test_a_name_that_is_no_code_reaches_no_file() -> None:
    for name in ("README", "../findings/AC101", "AC101.md", ""):
        assert page(name) is None
