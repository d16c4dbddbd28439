"""The spec of a run: one tree of frozen models. The form, the command line, the YAML file and the record come from it.

Every field carries a title, a description (the sentence under it), bounds and a default; `reason` says why that
default. Where Hugging Face has a name for a thing, that is the name. Fields marked `main` are the few a person looks
at first; the rest is "Advanced".
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self, cast

import yaml
from pydantic import BeforeValidator, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import InitErrorDetails, PydanticCustomError, PydanticKnownError

from core.errors import Problem, SpecError
from core.spec.section import Section, setting
from core.spec.steps import Step
from core.tasks import TASKS, main_metric, metrics_of

MAX_SPEC_CHARACTERS = 200_000
MOST_CLASS_WEIGHT = 1000


class ReadSpec(Section):
    """How to read a file. Empty fields are detected, and the detection is shown."""

    encoding: str | None = setting(None, "Encoding", "Detected from the bytes.", max_length=40)
    """The file's character encoding, such as utf-8, cp932 (Shift-JIS), euc_jp, utf-16 or latin-1."""

    delimiter: str | None = setting(None, "Delimiter", "Detected from the first lines.", min_length=1, max_length=1)
    """The one character between two columns: a comma, a tab, a semicolon or a bar."""

    quoting: bool | None = setting(None, "Quoted values", "Detected from the first lines.")
    """Whether quotes enclose values; off for files such as CoLA's, where a quote is a character like others."""

    header: bool | None = setting(None, "Header line", "Detected from the first lines.")
    """Whether the first line names the columns; without one they are named column_1, column_2 and so on."""

    records_key: str | None = setting(None, "Key of the records", "The one with the most text.", max_length=1000)
    """In a JSON file that is one object: the key under which the records are, such as data, or result.items."""

    skip_lines: int | None = setting(None, "Lines to skip", "Detected from the first lines.", ge=0, le=10_000)
    """How many lines stand above the table, such as a title or comments; 0 reads from the first line."""

    quote_character: str | None = setting(None, "Quote", "Detected from the first lines.", min_length=1, max_length=1)
    """The character that encloses values: a double quote, or a single one."""

    escape_character: str | None = setting(None, "Escape", "Detected from the first lines.", max_length=1)
    """The character before a quote or delimiter that is part of a value, usually a backslash; "" for none."""

    sheet: str | None = setting(None, "Sheet", "The first one with rows.", min_length=1, max_length=100)
    """Which sheet of an Excel workbook is read, by its name."""

    @model_validator(mode="after")
    def _characters_differ(self) -> Self:
        if self.quoting is False and self.quote_character is not None:
            raise ValueError(
                f"quoted values are off but {self.quote_character!r} is to enclose them; turn them on or leave it empty"
            )
        chosen = [c for c in (self.delimiter, self.quote_character) if c]
        if len(set(chosen)) < len(chosen):
            raise ValueError(f"{chosen[0]!r} is both delimiter and quote; choose another character for one of them")
        return self


class DataSpec(Section):
    """Where the examples come from and which of them are used."""

    source: Literal["sample", "hub", "file"] = setting("sample", "Source", "Works offline in seconds.", main=True)
    """The embedded sample, a dataset of the Hugging Face Hub, or a file or folder of yours."""

    path: str = setting("", "Dataset", main=True, max_length=1000)
    """A Hub id such as yelp_review_full, or the path of a file or folder. Empty for the sample."""

    config: str | None = setting(None, "Configuration", max_length=200)
    """The Hub dataset's configuration, such as cola for glue. Empty takes the only or default one."""

    revision: str | None = setting(None, "Revision", max_length=200)
    """The Hub dataset's branch, tag or commit. Empty takes the newest."""

    read: ReadSpec = setting(ReadSpec(), "Reading")
    """How to read a text file, where the detection is to be overruled."""

    steps: tuple[Step, ...] = setting((), "Preparation", "The data as it is.", max_length=50)
    """What is done to the dataset before it is used, one step after the other."""

    train_split: str | None = setting(None, "Training split", "train where there is one.", max_length=200)
    """The split to train on."""

    eval_split: str | None = setting(None, "Evaluation split", "validation, else test, else cut off.", max_length=200)
    """The split to evaluate on. Empty takes validation, dev or test; without any, a part of the training split."""

    validation_fraction: float = setting(
        0.1, "Share held out", "Enough to judge, little lost to training.", gt=0, le=0.5
    )
    """The share of the training split held out for evaluation when there is no evaluation split; stratified, seeded."""

    text_columns: tuple[str, ...] = setting((), "Text columns", "Guessed from the columns.", main=True, max_length=2)
    """The column with the text, or two columns for a pair of texts."""

    label_column: str | None = setting(None, "Label column", "Guessed from the columns.", main=True, max_length=1000)
    """The column with the class of each example."""

    max_train_examples: int | None = setting(None, "Training examples", "All of them.", main=True, ge=2)
    """Train on this many examples, chosen by shuffling with the seed. Empty trains on all."""

    max_eval_examples: int | None = setting(None, "Evaluation examples", "All of them.", ge=1)
    """Evaluate on this many examples, chosen by shuffling with the seed. Empty evaluates on all."""

    seed: int = setting(42, "Data seed", "The tutorial's.", ge=0, le=2**32 - 1)
    """Decides which examples are held out and which are in a subset."""

    @field_validator("text_columns")
    @classmethod
    def _differ(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) < len(names):
            raise ValueError(f"{names[0]!r} is named twice; a pair of texts needs two different columns")
        return names

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.source != "sample" and not self.path.strip():
            what = "a Hub id such as yelp_review_full" if self.source == "hub" else "the path of a file or folder"
            raise ValueError(f"the source is {self.source!r} but no dataset is named; give {what} in data.path")
        if self.source == "sample" and self.path:
            raise ValueError(
                f"the sample has no path, but {self.path!r} was given; leave it empty or change the source"
            )
        if self.label_column is not None and self.label_column in self.text_columns:
            raise ValueError(f"{self.label_column!r} is both text and label; choose another column for one of them")
        return self


class ModelSpec(Section):
    """The pretrained model and how texts become tokens."""

    name: str = setting("scratch", "Model", "Needs no download.", main=True, min_length=1, max_length=1000)
    """A Hub id such as google-bert/bert-base-cased, a local folder, or scratch: a small new BERT for your data."""

    revision: str | None = setting(None, "Model revision", max_length=200)
    """The Hub model's branch, tag or commit. Empty takes the newest."""

    max_length: int = setting(
        128, "Longest text in tokens", "Fast, and most short texts fit.", main=True, ge=8, le=8192
    )
    """Longer texts are cut off after this many tokens. The Datasets page shows the share that this cuts."""

    padding: Literal["dynamic", "max_length"] = setting("dynamic", "Padding", "Computes several times less.")
    """dynamic pads each batch to its longest text; max_length pads all to the full length, as the tutorial does."""


class TrainingSpec(Section):
    """The hyperparameters, by their TrainingArguments names."""

    learning_rate: float = setting(5e-5, "Learning rate", "TrainingArguments' default.", main=True, gt=0, le=1)
    """How far each step moves the weights: 1e-5 to 5e-5 for a pretrained model, about 1e-3 for scratch."""

    num_train_epochs: float = setting(3.0, "Epochs", "TrainingArguments' default.", main=True, gt=0, le=1000)
    """How many times each training example is seen."""

    per_device_train_batch_size: int = setting(8, "Batch size", "TrainingArguments' default.", main=True, ge=1, le=4096)
    """Examples per step. Halve it when memory runs out."""

    per_device_eval_batch_size: int = setting(32, "Evaluation batch size", "Needs no gradients.", ge=1, le=8192)
    """Examples per evaluation step; changes speed, not results."""

    gradient_accumulation_steps: int = setting(1, "Gradient accumulation", ge=1, le=1024)
    """Batches whose gradients are added up before a step: a larger batch for the same memory."""

    weight_decay: float = setting(0.0, "Weight decay", "TrainingArguments' default.", ge=0, le=1)
    """Pulls weights toward zero; 0.01 is common."""

    warmup_steps: float = setting(0.0, "Warm-up", "TrainingArguments' default.", ge=0, le=1_000_000)
    """Steps over which the learning rate rises from zero; below 1, a share of all steps."""

    lr_scheduler_type: Literal["linear", "cosine", "constant", "constant_with_warmup", "polynomial", "inverse_sqrt"] = (
        setting("linear", "Scheduler", "TrainingArguments' default.")
    )
    """How the learning rate falls after the warm-up."""

    class_weights: Literal["off", "balanced", "custom"] = setting(
        "off", "Class weights", "Balanced data needs none, and shares stay honest."
    )
    """How much an example of each class counts in the loss: balanced lets each class count the same in all."""

    custom_class_weights: dict[str, float] = setting(
        {}, "Weight of each class", "A class that is not named counts 1.", max_length=1000
    )
    """With custom class weights: label and weight, such as spam: 5. Weights above 1 make the model find more of it."""

    trainable_layers: int | None = setting(None, "Layers trained", "All of them.", ge=0, le=1000)
    """Empty trains the whole model; 0 only the head on a frozen encoder; 2 the head and the two layers next to it."""

    max_grad_norm: float = setting(1.0, "Gradient clipping", "TrainingArguments' default.", ge=0, le=1000)
    """Longer gradients are scaled down to this norm; 0 turns it off."""

    label_smoothing_factor: float = setting(0.0, "Label smoothing", "TrainingArguments' default.", ge=0, lt=1)
    """Spreads this share of each label over all classes; 0.1 makes a model less sure of itself."""

    train_sampling_strategy: Literal["group_by_length", "random"] = setting(
        "group_by_length", "Batching", "Less padding, the same learning."
    )
    """group_by_length puts texts of like length in one batch; random shuffles only."""

    max_tokens_per_batch: int | None = setting(
        None, "Tokens per batch", "Batches of a fixed number of examples.", ge=64, le=10_000_000
    )
    """A batch takes as many texts of like length as fit this many tokens, not the batch size. PyTorch loop only."""

    eval_strategy: Literal["epoch", "steps", "no"] = setting("epoch", "Evaluate", "A curve without much cost.")
    """When to evaluate: after each epoch, every so many steps, or only at the end."""

    eval_steps: int = setting(100, "Steps between evaluations", ge=1, le=1_000_000)
    """With evaluation by steps: how many."""

    logging_steps: int = setting(5, "Steps between points", "A smooth curve at little cost.", ge=1, le=100_000)
    """How often the loss, learning rate and gradient norm are recorded."""

    save_strategy: Literal["epoch", "steps", "no"] = setting("epoch", "Save checkpoints", "A run can be resumed.")
    """When to save what a run resumes from; with "Keep the best model", each new best is saved as well."""

    save_steps: int = setting(100, "Steps between checkpoints", ge=1, le=1_000_000)
    """With checkpoints by steps: how many."""

    save_total_limit: int = setting(2, "Checkpoints kept", "The best and the last.", ge=1, le=100)
    """Older checkpoints are deleted, never the best one."""

    load_best_model_at_end: bool = setting(True, "Keep the best model", "The last is not always the best.")
    """Return to the best checkpoint by the main metric when training ends; needs evaluation during training."""

    seed: int = setting(42, "Seed", "TrainingArguments' default.", ge=0, le=2**32 - 1)
    """Decides the new head's weights, dropout and the order of examples."""

    @field_validator("custom_class_weights")
    @classmethod
    def _weights_count(cls, weights: dict[str, float]) -> dict[str, float]:
        for label, weight in weights.items():
            if not 0 < weight <= MOST_CLASS_WEIGHT:
                raise ValueError(
                    f"the weight of {label!r} is {weight:g}; it must be greater than 0 and at most {MOST_CLASS_WEIGHT}"
                )
        return weights

    @model_validator(mode="after")
    def _weights_are_given(self) -> Self:
        if self.class_weights == "custom" and not self.custom_class_weights:
            raise ValueError("the class weights are custom, but none is given; give some or choose balanced")
        return self


FIRST_TASK = "text-classification"


def _one_of(value: Any, names: Iterable[str]) -> Any:
    """The value, refused as a Literal of these names would refuse it."""
    known = [repr(name) for name in names]
    if repr(value) not in known:
        expected = " or ".join([*([", ".join(known[:-1])] if known[:-1] else []), known[-1]])
        raise PydanticKnownError("literal_error", {"expected": expected})
    return value


# Tables of core.tasks, which are asked when a spec is validated: a task that is added there needs no change here.
TaskName = Annotated[str, BeforeValidator(lambda name: _one_of(name, TASKS))]
MetricName = Annotated[
    str, BeforeValidator(lambda name: _one_of(name, [n for task in TASKS for n in metrics_of(task)]))
]


class EvaluationSpec(Section):
    """How the model is judged."""

    metrics: tuple[MetricName, ...] = setting(
        tuple(metrics_of(FIRST_TASK)), "Metrics", "They cost nothing beside training.", min_length=1
    )
    """The metrics computed at each evaluation."""

    metric_for_best_model: MetricName = setting(
        main_metric(FIRST_TASK), "Main metric", "What most people mean by how good."
    )
    """The metric that decides which checkpoint is best and that lists show first."""

    early_stopping_patience: int | None = setting(None, "Early stopping", "Trains to the end.", ge=1, le=1000)
    """End the run after this many evaluations in a row without a better main metric. Empty trains to the end."""

    early_stopping_threshold: float = setting(0.0, "Least improvement", "EarlyStoppingCallback's default.", ge=0, le=1)
    """With early stopping: by how much the main metric must rise to count as better."""

    @model_validator(mode="after")
    def _main_is_computed(self) -> Self:
        if self.metric_for_best_model not in self.metrics:
            raise ValueError(
                f"the main metric is {self.metric_for_best_model!r}, which is not among the metrics "
                f"{', '.join(self.metrics)}; add it or choose one of them"
            )
        return self


class ExecutionSpec(Section):
    """Where and how the run computes."""

    device: Literal["auto", "cpu", "cuda", "mps"] = setting("auto", "Device", "A GPU where there is one.")
    """auto takes a CUDA GPU, else Apple's (mps), else the CPU."""

    precision: Literal["auto", "fp32", "bf16", "fp16"] = setting("auto", "Precision", "bf16 where the GPU has it.")
    """Number format of the computation; auto is bf16 on a GPU that has it, else fp32."""

    torch_compile: bool = setting(False, "Compile the model", "Costs minutes; pays for long runs on a GPU.")
    """Have torch.compile make faster kernels for this model before training. Not for the Keras engine."""

    threads: int | None = setting(None, "CPU threads", "One per physical core.", ge=1, le=512)
    """Threads for computing on the CPU."""


class RunSpec(Section):
    """Everything a training run is made from."""

    task: TaskName = setting(FIRST_TASK, "Task", "The first task Tunedeck knows.")
    """What the model learns to do."""

    data: DataSpec = setting(DataSpec(), "Data")
    model: ModelSpec = setting(ModelSpec(), "Model")

    engine: Literal["trainer", "torch", "keras"] = setting("trainer", "Engine", "The tutorial's first way.", main=True)
    """What trains the model: the Transformers Trainer, a native PyTorch loop, or Keras on TensorFlow."""

    keras_input: Literal["tf_data", "numpy"] = setting("tf_data", "Keras input", "Pads each batch only.", main=True)
    """With the Keras engine: a tf.data pipeline that pads each batch, or whole arrays padded to the longest text."""

    training: TrainingSpec = setting(TrainingSpec(), "Training")
    evaluation: EvaluationSpec = setting(EvaluationSpec(), "Evaluation")
    execution: ExecutionSpec = setting(ExecutionSpec(), "Execution")

    @model_validator(mode="before")
    @classmethod
    def _metrics_of_the_task(cls, tree: Any) -> Any:
        """A spec of another task than the first that names no metrics takes all of its task's."""
        task = tree.get("task", FIRST_TASK) if isinstance(tree, dict) else FIRST_TASK
        evaluation = tree.get("evaluation", {}) if isinstance(tree, dict) else {}
        if task == FIRST_TASK or not isinstance(task, str) or task not in TASKS or not isinstance(evaluation, dict):
            return tree
        defaults = {"metrics": list(metrics_of(task)), "metric_for_best_model": main_metric(task)}
        return {**tree, "evaluation": defaults | evaluation}

    @model_validator(mode="after")
    def _metrics_fit_the_task(self) -> Self:
        known = metrics_of(self.task)
        for number, name in enumerate(self.evaluation.metrics):
            if name not in known:
                message = f"{name!r} is no metric of the task {self.task}; choose of {', '.join(known)}"
                problem = InitErrorDetails(
                    type=PydanticCustomError("value_error", "{error}", {"error": message}),
                    loc=("evaluation", "metrics", number),
                    input=name,
                )
                raise ValidationError.from_exception_data("RunSpec", [problem])
        return self


class ProfileSpec(Section):
    """What a profile of a dataset is made from."""

    data: DataSpec = setting(DataSpec(), "Data")
    model: ModelSpec = setting(ModelSpec(), "Model")

    exact: bool = setting(False, "All tokens", "A sample tells as much in a fraction of the time.")
    """Count the tokens of all rows, not of a sample of 100,000."""


def spec_fields(model: type[Section] = RunSpec, prefix: str = "") -> Iterable[tuple[str, FieldInfo]]:
    """Every leaf field of a spec with its dotted path, in order: what forms and documentation are made from."""
    for name, info in model.model_fields.items():
        kind = info.annotation
        if isinstance(kind, type) and issubclass(kind, Section):
            yield from spec_fields(kind, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", info


def choices(path: str, task: str = FIRST_TASK) -> tuple[str, ...]:
    """The names that a field takes which its task decides; empty for every other field."""
    match path:
        case "task":
            return tuple(TASKS)
        case "evaluation.metrics" | "evaluation.metric_for_best_model":
            return tuple(metrics_of(task))
    return ()


def get_field(spec: Section, path: str) -> Any:
    """The value at a dotted path."""
    value: Any = spec
    for part in path.split("."):
        value = getattr(value, part)
    return value


def build(tree: Any, kind: type[Section] = RunSpec) -> Any:
    """The spec that `tree` (nested dicts) describes. Raises SpecError with one sentence per broken field."""
    if not isinstance(tree, dict):
        raise SpecError([Problem("", f"a spec is a mapping of fields to values, but this is {_shown(tree)}")])
    try:
        return kind.model_validate(tree)
    except ValidationError as error:
        raise SpecError([_problem(e, kind) for e in error.errors(include_url=False)]) from None


def replace(spec: RunSpec, changes: dict[str, Any]) -> RunSpec:
    """The spec with the values at some dotted paths changed; validated anew. Raises SpecError."""
    tree = spec.model_dump()
    for path, value in changes.items():
        _set(tree, path, value)
    return cast(RunSpec, build(tree))


def parse_assignments(assignments: Iterable[str]) -> dict[str, Any]:
    """`["training.seed=1", …]` as `{path: value}`, each value read as YAML. Raises SpecError."""
    changes: dict[str, Any] = {}
    for text in assignments:
        path, equals, value = text.partition("=")
        if not equals or not re.fullmatch(r"\w+(\.\w+)*", path.strip()):
            raise SpecError([Problem("", f"{text!r} is not of the form section.field=value")])
        changes[path.strip()] = _read_yaml(value)
    return changes


def from_yaml(text: str) -> RunSpec:
    """The spec in a YAML document. Raises SpecError."""
    if len(text) > MAX_SPEC_CHARACTERS:
        raise SpecError([Problem("", f"a spec has at most {MAX_SPEC_CHARACTERS:,} characters, this has {len(text):,}")])
    return cast(RunSpec, build(_read_yaml(text)))


def to_yaml(spec: Section) -> str:
    """The whole spec as YAML, defaults included, so that a later change of a default changes no old run."""
    return yaml.safe_dump(spec.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=100)


class _Loader(yaml.SafeLoader):
    """YAML without aliases (a few lines of them can expand to gigabytes) and with `5e-5` as a number."""

    def compose_node(self, parent: Any, index: int) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("a spec cannot use YAML aliases (*name); write the value out")
        return super().compose_node(parent, index)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9][0-9_]*(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def _read_yaml(text: str) -> Any:
    try:
        return yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, RecursionError, ValueError, LookupError, AttributeError, TypeError) as error:
        where = getattr(error, "problem_mark", None)
        line = f" (line {where.line + 1})" if where else ""
        why = getattr(error, "problem", None) or str(error)
        raise SpecError([Problem("", f"this is not YAML{line}: {why}")]) from None


def _set(tree: dict[str, Any], path: str, value: Any) -> None:
    *parents, leaf = path.split(".")
    for part in parents:
        if not isinstance(tree.get(part), dict):
            raise SpecError([Problem(path, f"there is no such field; the sections are {', '.join(tree)}")])
        tree = tree[part]
    if leaf not in tree:
        raise SpecError([Problem(path, f"there is no such field; here are {', '.join(tree)}")])
    tree[leaf] = value


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"


def _problem(error: Any, kind: type[Section]) -> Problem:
    """One pydantic error as a sentence with the value, the rule and the fix."""
    names = [part for part in error["loc"] if isinstance(part, str) and not part.startswith("function-")]
    path, value, context = ".".join(names), _shown(error["input"]), error.get("ctx", {})
    match error["type"]:
        case "value_error":
            message = str(context["error"])
        case "extra_forbidden":
            message = f"there is no such field; check its spelling ({', '.join(_siblings(kind, names))})"
        case "literal_error":
            message = f"{value} is not one of {context['expected']}"
        case "union_tag_invalid":
            message = f"{context['tag']!r} is not one of {context['expected_tags']}"
        case "union_tag_not_found":
            message = f"{value} does not say what it is; give it a {context['discriminator'].strip(chr(39))}"
        case "greater_than":
            message = f"{value} is too small; it must be greater than {context['gt']}"
        case "greater_than_equal":
            message = f"{value} is too small; the least is {context['ge']}"
        case "less_than":
            message = f"{value} is too large; it must be less than {context['lt']}"
        case "less_than_equal":
            message = f"{value} is too large; the most is {context['le']}"
        case "int_parsing" | "int_type" | "int_from_float":
            message = f"{value} is not a whole number"
        case "float_parsing" | "float_type" | "finite_number":
            message = f"{value} is not a number"
        case _:
            message = f"{value}: {error['msg'][0].lower()}{error['msg'][1:]}"
    return Problem(path, message)


def _siblings(kind: type[Section], names: list[str]) -> list[str]:
    for name in names[:-1]:
        inner = kind.model_fields[name].annotation if name in kind.model_fields else None
        if isinstance(inner, type) and issubclass(inner, Section):
            kind = inner
    return list(kind.model_fields)
