"""The run of a loader as part of the report: one row per name template and fate."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ascend_compat.answer.document import text
from ascend_compat.core.finding import Message, Param
from ascend_compat.core.loading_parts import NameRow, NamesPart
from ascend_compat.knowledge.loading.results import Loading, Outcome, Result, once

_INDEX = re.compile(r"(?<=\.)\d+(?=\.|$)")


def names_part(loading: Loading | None) -> NamesPart | None:
    """Weight names of the main model, tensors of MTP heads summed up by what decides them."""
    if loading is None:
        return None
    main = [item for item in loading.outcomes if not item.draft]
    rows = [*_rows(main), *_summed(item for item in loading.outcomes if item.draft)]
    return NamesPart(
        architecture=loading.architecture,
        summary=text(Message("loading.summary", _counts(loading.outcomes))),
        rows=rows,
    )


def draft_part(loading: Loading | None) -> NamesPart | None:
    """Weight names of the draft model, those of MTP heads only."""
    if loading is None:
        return None
    own = [item for item in loading.outcomes if item.draft]
    params = {"architecture": loading.architecture, **_counts(own)}
    return NamesPart(architecture=loading.architecture, summary=text(Message("loading.draft", params)), rows=_rows(own))


def _counts(items: list[Outcome]) -> dict[str, Param]:
    unique = once(items)
    counts: dict[str, Param] = {
        result.value: sum(item.count for item in unique if item.result is result) for result in Result
    }
    return {"tensors": sum(item.count for item in unique), **counts}


def _rows(items: Iterable[Outcome]) -> list[NameRow]:
    """One row per template and fate; layers that share it are counted, not listed."""
    groups: dict[tuple[str, Result, str | None, str | None], list[Outcome]] = {}
    for item in items:
        into = _INDEX.sub("*", item.into[0]) if item.into else None
        groups.setdefault((item.sample.group.template, item.result, into, item.at), []).append(item)
    return [_row(group, template, into) for (template, _, into, _), group in groups.items()]


def _summed(items: Iterable[Outcome]) -> list[NameRow]:
    groups: dict[tuple[Result, str | None], list[Outcome]] = {}
    for item in items:
        groups.setdefault((item.result, item.at), []).append(item)
    return [_row(group, _common([item.sample.name for item in group]), None) for group in groups.values()]


def _common(names: list[str]) -> str:
    """``model.layers.92.*`` for names that share their beginning."""
    parts = [name.split(".") for name in names]
    shared = [column[0] for column in zip(*parts, strict=False) if len(set(column)) == 1]
    return names[0] if len(names) == 1 else ".".join([*shared, "*"])


def _row(group: list[Outcome], template: str, into: str | None) -> NameRow:
    first = group[0]
    detail = f"{first.exception}: {first.message}" if first.exception else first.message or None
    dtypes = list(dict.fromkeys(item.sample.group.dtype for item in group))
    return NameRow(
        template=template,
        templates=len({item.sample.group.template for item in group}),
        dtype=", ".join(dtypes),
        tensors=sum(item.count for item in once(group)),
        result="empty" if first.left else first.result.value,
        into=into or first.left,
        at=first.at,
        detail=detail,
    )
