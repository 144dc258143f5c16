"""One way to make a finding about a tensor template, with the header and the configuration as evidence."""

from __future__ import annotations

from ascend_compat.classify.tensors import header_evidence
from ascend_compat.core.facts import TensorGroup
from ascend_compat.core.finding import Evidence, Finding, Message, Param
from ascend_compat.core.verdict import Basis, Effect, Severity


def contradiction(
    code: str,
    severity: Severity,
    effect: Effect,
    tensor: TensorGroup,
    said: tuple[Evidence, ...],
    /,
    **params: Param,
) -> Finding:
    """A finding on one template; ``said`` is what the configuration says.

    ``template`` and ``count`` are filled in unless they are given.
    """
    values: dict[str, Param] = {"template": tensor.template, "count": tensor.count, **params}
    code_only = code.partition(".")[0]
    return Finding(
        code_only, severity, effect, Basis.SOURCE, tensor.template, Message(code, values),
        (header_evidence(tensor), *said),
    )  # fmt: skip
