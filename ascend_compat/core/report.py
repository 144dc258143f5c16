"""The report as a document: pydantic models whose JSON Schema is the contract with every consumer."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from ascend_compat.core.architecture_parts import (
    ArchitecturePart as ArchitecturePart,
)
from ascend_compat.core.architecture_parts import (
    AttentionRow as AttentionRow,
)
from ascend_compat.core.architecture_parts import (
    HeadRow as HeadRow,
)
from ascend_compat.core.architecture_parts import (
    MoePart as MoePart,
)
from ascend_compat.core.architecture_parts import (
    TowerRow as TowerRow,
)
from ascend_compat.core.loading_parts import NameRow as NameRow
from ascend_compat.core.loading_parts import NamesPart as NamesPart
from ascend_compat.core.memory_parts import (
    AlternativeRow as AlternativeRow,
)
from ascend_compat.core.memory_parts import (
    KvPart as KvPart,
)
from ascend_compat.core.memory_parts import (
    LayoutPart as LayoutPart,
)
from ascend_compat.core.memory_parts import (
    MemoryPart as MemoryPart,
)
from ascend_compat.core.memory_parts import (
    RankPart as RankPart,
)
from ascend_compat.core.memory_parts import (
    TriedRow as TriedRow,
)
from ascend_compat.core.memory_parts import (
    WeightRow as WeightRow,
)
from ascend_compat.core.parts import EvidenceRow as EvidenceRow
from ascend_compat.core.parts import Params as Params
from ascend_compat.core.parts import Part as Part
from ascend_compat.core.parts import Text as Text
from ascend_compat.core.verdict import Basis, Effect, Prediction, Severity, Verdict

SCHEMA_VERSION = 1


class FindingRow(Part):
    """One finding. ``message`` and ``remedy`` are English; their ids and parameters give any other language."""

    code: str
    severity: Severity
    effect: Effect
    basis: Basis
    subject: str
    message: str
    message_id: str
    params: Params = Field(default_factory=dict)
    remedy: str | None = None
    remedy_id: str | None = None
    remedy_params: Params = Field(default_factory=dict)
    evidence: list[EvidenceRow] = Field(min_length=1)
    path: list[str] = Field(default_factory=list)
    undetermined: bool = False
    conditional: bool = False


class TablePart(Part):
    """How the tensor table was made where no header was read: ``level`` is verified, documented or inferred.

    ``fields`` are the fields of config.json that sized it; ``missing`` says why there is no table.
    """

    source: str
    level: str
    fields: list[str] = Field(default_factory=list)
    missing: str | None = None


class ModelPart(Part):
    """What was analysed. ``parameters`` counts logical weights where the format allows it, else ``null``.

    ``table`` is ``null`` where headers were read; else sizes and dtypes are those of the table it describes.
    """

    spec: str
    name: str
    source: str
    revision: str | None
    architecture: str | None
    model_type: str | None
    tensors: int
    elements: int
    checkpoint_bytes: int
    parameters: int | None
    has_weights: bool
    dtypes: dict[str, int]
    shards: int = 0
    table: TablePart | None = None


class TargetPart(Part):
    """What it was judged against."""

    vllm_ascend: str
    vllm: str | None
    cann: str | None
    torch_npu: str | None
    soc: str
    npu_memory_bytes: int
    npus_per_node: int
    pack_digest: str


class QuantRow(Part):
    """One module group: declared, stored, and what the chosen scheme allocates. Unresolved fields are ``null``."""

    targets: list[str]
    layer_type: str
    declared: str | None
    scheme: str | None
    implementation: str | None
    stored_dtype: str | None
    allocated_dtype: str | None
    modules: int
    outcome: str
    at: str | None


class QuantizationPart(Part):
    """``method`` is what the checkpoint declares, ``resolved_method`` what the release will run with."""

    method: str | None
    resolved_method: str | None
    auto_detected: bool
    format: str | None
    config_class: str | None
    groups: list[QuantRow]
    ignore: list[str]
    kv_cache: str | None


class MtpPart(Part):
    """Multi-token prediction: declared layers, present tensors, and the draft architecture of the release.

    ``kind`` is ``mtp`` (a namespace of its own) or ``nextn`` (layers numbered on); ``prefix`` what the tensors share.
    """

    declared: int
    present: bool
    tensors: int
    layers: list[int]
    draft_architecture: str | None
    registered: bool | None
    at: str | None
    kind: str = "mtp"
    prefix: str | None = None
    own_embedding: bool | None = None
    own_head: bool | None = None


class OperatorRow(Part):
    """One operator the model uses and who implements it on the NPU."""

    category: str
    operator: str
    status: str
    implementation: str | None
    evidence: list[EvidenceRow]


class ClaimRow(Part):
    """What is said of the model outside its code.

    ``kind`` is documented (support matrix), tested (end-to-end tests) or reported; ``says`` what it says.
    """

    kind: str
    name: str
    says: str
    evidence: list[EvidenceRow]


class FeatureRow(Part):
    """A feature of the serving stack and whether this checkpoint can use it on this target."""

    feature: str
    status: str
    reason: Text


class GateRow(Part):
    """What a validation stage will show, and why."""

    stage: str
    prediction: Prediction
    reason: Text


class LaunchPart(Part):
    """The command that matches the plan: environment, argument vector, and one argument vector per node."""

    env: dict[str, str]
    argv: list[str]
    nodes: list[list[str]] = Field(default_factory=list)


class RemedyRow(Part):
    """A way to a yes, cheapest first. ``verified`` says whether the match was run on it or it follows from a rule.

    ``flags`` are added to the command and ``without`` left out of it; ``since`` is the first packed release that runs
    these weights on this SoC, given where the release changes.
    """

    rank: int
    action: Text
    kind: str | None = None
    precision: str | None = None
    release: str | None = None
    soc: str | None = None
    npus: int | None = None
    flags: list[str] = Field(default_factory=list)
    without: list[str] = Field(default_factory=list)
    since: str | None = None
    verified: bool = False


class ReportDocument(Part):
    """The whole answer; JSON of this model is the contract (DESIGN.md section 3)."""

    schema_version: int = SCHEMA_VERSION
    tool_version: str
    model: ModelPart
    target: TargetPart
    verdict: Verdict
    summary: Text
    findings: list[FindingRow]
    architecture: ArchitecturePart
    quantization: QuantizationPart
    mtp: MtpPart | None
    names: NamesPart | None = None
    draft_names: NamesPart | None = None
    operators: list[OperatorRow]
    claims: list[ClaimRow] = Field(default_factory=list)
    features: list[FeatureRow]
    memory: MemoryPart
    gates: list[GateRow]
    launch: LaunchPart | None
    remedies: list[RemedyRow] = Field(default_factory=list)
    limits: list[Text] = Field(default_factory=list)

    def to_json(self, indent: int | None = 2) -> str:
        """The report as JSON text, keys in schema order."""
        return self.model_dump_json(indent=indent)


def json_schema() -> dict[str, Any]:
    """The JSON Schema of :class:`ReportDocument`, as published under ``docs/``."""
    schema = ReportDocument.model_json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
