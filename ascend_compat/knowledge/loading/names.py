"""Which parameter each tensor goes to where the loader renames on its way: asked of the loader, before dispatch."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, cast

from ascend_compat.core.facts import CheckpointFacts
from ascend_compat.core.profile import ModelProfile
from ascend_compat.core.stack import roomy
from ascend_compat.knowledge.loading.results import Loading, Outcome
from ascend_compat.knowledge.loading.run import Run
from ascend_compat.knowledge.matched import Match
from ascend_compat.knowledge.modules import ModuleTree
from ascend_compat.knowledge.outcomes import Startup

_PARAMETER = re.compile(r"'([\w.]+)'")


def parameter_names(
    pack: Mapping[str, Any], facts: CheckpointFacts, profile: ModelProfile, tree: ModuleTree, templates: Collection[str]
) -> dict[str, str]:
    """Templates of tensors to templates of the parameters that the release's ``load_weights`` looks up for them.

    The model is built unquantized, since which module is quantized is what the names are needed for: a tensor that
    only a quantized module takes ends in a ``KeyError`` that holds the parameter's name. Templates whose way can't be
    followed are left out.
    """
    if not pack.get("loaders") or not tree.root:
        return {}
    run = Run(pack, facts, profile, Match(tree, Startup()), tree, profile.architecture or "")
    first: dict[str, str] = {}
    for item in run.samples:
        if item.group.template in templates:
            first.setdefault(item.group.template, item.name)
    chosen = set(first.values())
    outcomes = [item for item in cast(Loading, roomy(lambda: run.run(chosen))).outcomes if item.sample.name in chosen]
    return {item.sample.group.template: name for item in outcomes if (name := _asked(item)) is not None}


def _asked(item: Outcome) -> str | None:
    """The one parameter an outcome speaks of, as a template."""
    found = _PARAMETER.fullmatch(item.message) if item.exception == "KeyError" else None
    names = item.into or ((found.group(1),) if found else ())
    if len(names) != 1:
        return None
    parts = names[0].split(".")
    if item.sample.index is not None and (at := str(item.sample.index)) in parts:
        parts[parts.index(at)] = "*"
    return ".".join(parts)
