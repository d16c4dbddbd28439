"""What is kept in the record of a run that ended, as frozen models: a few figures, so that lists open no file.

The record has the tree. `Summary.of` reads it for lists of all kinds of work, and the model of one kind for that kind;
whatever is missing, as in the record of an earlier version, has a default.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Field

from core.store.certificate import Certificate
from core.store.json_models import Count, Label, MetricName, Metrics, Name, Number, Result


class Summary(Result):
    """What lists show. value, baseline: of the main metric; title: of the model that was judged or asked

    examples: that were judged, of a `split` of a `dataset`; kind: of these examples, as in evaluation.json
    """

    main_metric: MetricName | None = None
    value: Number = None
    baseline: Number = None
    metrics: Metrics = Field(default_factory=dict)
    train_examples: Count | None = None
    eval_examples: Count | None = None
    examples: Count | None = None
    title: Label | None = None
    split: Name | None = None
    kind: Name | None = None
    dataset: Label | None = None
    text_columns: Annotated[tuple[Label, ...], Field(max_length=2)] | None = None
    label_column: Label | None = None

    @classmethod
    def of(cls, tree: Mapping[str, Any]) -> Self:
        """The summary that a record has; one that says nothing where the run has none, or it cannot be read."""
        try:
            return cls.model_validate(tree)
        except ValueError:
            return cls()


class Opened(Summary):
    """A dataset was brought to Parquet. rows: of each split"""

    fingerprint: Name = ""
    rows: Mapping[Label, Count] = {}


class Inspected(Summary):
    """A dataset was searched for problems. findings: how many there are"""

    findings: Count = 0


class Profiled(Summary):
    """A dataset was profiled. rows: of each split; recommended_max_length: in tokens"""

    rows: Mapping[Label, Count] = {}
    recommended_max_length: Count | None = None


class Predicted(Summary):
    """A file was predicted. rows: of it, of which `empty` have no text; counts: class -> predictions of it

    fast: what the fast answers cost; None where they are exact
    """

    file: Name = ""
    rows: Count | None = None
    empty: Count = 0
    counts: Mapping[Label, Count] = {}
    fast: Certificate | None = None


class Certified(Summary):
    """It was measured what fast answers cost."""

    certificate: Certificate | None = None


class Disturbed(Summary):
    """A model's robustness was measured. worst: the title of the disturbance that costs most"""

    worst: Label = ""


class Packed(Summary):
    """A file was made to be taken away. file: its name in the run's folder"""

    file: Name = ""
    bytes: Count = 0


class Bundled(Packed):
    """texts: whether texts of the dataset are in it"""

    texts: bool = False
    evaluations: Count = 0


class Published(Packed):
    """A site to deploy. mode: viewer or demo; texts: whether texts of the datasets are in it"""

    runs: Count = 0
    mode: Name = ""
    texts: bool = False


class Scripted(Packed):
    """The run as code. with_texts: whether its examples are beside it"""

    with_texts: bool = False


class Agreement(Result):
    """A converted model against torch, on `texts` texts.

    of: where they come from; same_class: on how many both answer the same; tokens: of the shortest and longest text
    max_difference: of a probability, of which `tolerance` is allowed; batch_sizes: that were tried
    """

    texts: Count
    of: Label
    same_class: Count
    max_difference: float
    tolerance: float | None = None
    tokens: tuple[Count, Count] | None = None
    batch_sizes: tuple[Count, ...] = ()


class Change(Result):
    """The difference of a metric, and its 95 % interval. p: two-sided"""

    value: float
    low: float
    high: float
    p: float | None = None


class MetricChange(Result):
    """A metric with weights of 32 and of 8 bits. difference: the second minus the first"""

    fp32: Number = None
    int8: Number = None
    difference: Change


class EightBits(Result):
    """What weights of 8 bits change, see `Agreement`. metrics: where labels are known"""

    texts: Count
    of: Label
    same_class: Count
    max_difference: float
    metrics: Mapping[MetricName, MetricChange] = {}
    bytes: Count = 0
    fp32_bytes: Count = 0


class Speed(Result):
    """Texts per second relative to torch, `batch` texts at a time."""

    onnx: float | None = None
    int8: float | None = None
    batch: Count = 0


class Exported(Packed):
    """A model's files. temperature: that they have in them"""

    temperature: float = 1.0
    against_torch: Agreement | None = None
    int8: EightBits | None = None
    speed: Speed | None = None


class Pushed(Summary):
    """A push to the Hub. commit: None where it was stopped; sent: bytes that the Hub did not have yet"""

    what: Name = ""
    repo: Name = ""
    url: Label = ""
    private: bool = False
    commit: Name | None = None
    files: Count = 0
    bytes: Count = 0
    sent: Count = 0
