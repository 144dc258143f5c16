"""The method that a release gives one layer: what it is called, what it allocates, what it computes itself."""

from __future__ import annotations

from typing import Any

from ascend_compat.knowledge.evaluate.machine import Machine
from ascend_compat.knowledge.evaluate.values import Bound, Class, External, Instance, Raised, Undecided, Unknown
from ascend_compat.knowledge.outcomes import ATTENTION, LayerOutcome, LayerSpec, Trouble

#: What the engine and the plugin call methods that leave a module in the dtype of the model.
UNQUANTIZED = "Unquantized"


def read_method(method: Any, out: LayerOutcome) -> None:
    """Fill the outcome with the method's name, its scheme's name and where both are defined."""
    if isinstance(method, Unknown):
        out.trouble = Trouble("layer", None, method.reason, method.at)
    if not isinstance(method, Instance) or method.cls is None:
        return
    out.method, out.method_at = method.cls.name, method.cls.at
    scheme = method.names.get("quant_method")
    if isinstance(scheme, Unknown):
        out.trouble = Trouble("layer", None, scheme.reason, scheme.at)
    elif isinstance(scheme, Instance) and scheme.cls is not None:
        out.scheme, out.scheme_at = scheme.cls.name, scheme.cls.at
    elif not any(UNQUANTIZED in base.name for base in method.cls.lineage() if isinstance(base, Class)):
        out.scheme, out.scheme_at = method.cls.name, method.cls.at  # a method that is its own scheme


def allocate_weights(machine: Machine, method: Instance, layer: Instance, spec: LayerSpec, dtype: External) -> None:
    """Run ``create_weights`` of the method on the layer; raises what the code raises, or :class:`Undecided`."""
    args: list[Any] = [layer]
    keywords = {"weight_loader": External("weight_loader")}
    if spec.kind == ATTENTION:  # it is given neither sizes nor a loader
        keywords = {}
    elif spec.kind == "moe":
        args = [layer, spec.experts, spec.input_size, spec.output_sizes[0], dtype]
    else:
        total = sum(spec.output_sizes)
        args = [layer, spec.input_size, list(spec.output_sizes), spec.input_size, total, dtype]
    machine.call(machine.attribute(method, "create_weights", ""), args, keywords, "")


def computed_params(machine: Machine, method: Instance) -> frozenset[str]:
    """Parameters that the method says it computes itself, so that a checkpoint need not have them."""
    try:
        getter = machine.find_attribute(method, "get_computed_params", "")
        found = machine.call(getter, [], {}, "") if isinstance(getter, Bound) else None
    except (Raised, Undecided):
        found = None
    return frozenset(n for n in found if isinstance(n, str)) if isinstance(found, set) else frozenset()
