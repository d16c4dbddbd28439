"""The model card's metadata, in YAML: what the Hub indexes a model by, and the figures that it shows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from core.sharing.report import hub_rules
from core.sharing.report.card_edits import Edits
from core.sharing.report.content import Content, Figures
from core.spec.names import dataset_name
from core.tasks import metric
from core.tasks.evaluations import Evaluation
from core.wording import metric_title

if TYPE_CHECKING:
    from huggingface_hub import EvalResult


def metadata(content: Content, edits: Edits) -> str:
    from huggingface_hub import ModelCardData

    results = list(_results(content))
    spec, task = content.spec, content.task.facts
    data = ModelCardData(
        language=list(edits.languages or content.languages) or None,
        license=edits.licence or content.licence or None,
        library_name="transformers",
        pipeline_tag=task.PIPELINE or None,
        tags=[*([task.PIPELINE] if task.PIPELINE else []), "tunedeck"],
        base_model=content.base_model or None,
        base_model_relation="finetune" if content.base_model else None,
        datasets=[spec.data.path] if spec.data.source == "hub" and hub_rules.is_id(spec.data.path) else None,
        metrics=list(
            dict.fromkeys(known.hub for name in spec.evaluation.metrics if (known := metric(name)) and known.hub)
        ),
        model_name=content.name or "model",
        eval_results=results or None,
    )
    if not results:
        data.pop("model_name")
    return data.to_yaml()


def _results(content: Content) -> Iterator[EvalResult]:
    """What the Hub shows beside the model: of each split that it was not trained on, the evaluation of the most.

    Its format cannot say that answers were fast, so it has exact ones alone.
    """
    spec, noted = content.spec, content.dataset
    if not content.evaluations and content.report is not None:
        split = noted.eval_split or spec.data.eval_split or "validation"
        title = noted.title or dataset_name(spec.data)
        yield from _result(content, content.report, title, split, own=True)
    listed = set[tuple[str, str]]()
    for one in content.evaluations:
        evaluation = one.evaluation
        title = evaluation.dataset.title or dataset_name(spec.data)
        if evaluation.fast is None and evaluation.kind != "training" and (title, evaluation.split) not in listed:
            listed.add((title, evaluation.split))
            yield from _result(content, evaluation, title, evaluation.split, own=_is_own(content, evaluation))


def _is_own(content: Content, evaluation: Evaluation) -> bool:
    """Whether it was judged on the dataset that the run was trained on."""
    data, judged = content.spec.data, evaluation.data
    return judged.get("source") == data.source and (data.source != "hub" or judged.get("path") == data.path)


def _result(content: Content, figures: Figures, title: str, split: str, *, own: bool) -> Iterator[EvalResult]:
    from huggingface_hub import EvalResult

    data, task = content.spec.data, content.task
    known = own and data.source == "hub"
    for name, value in figures.metrics.items():
        known_metric = metric(name)
        if not known_metric or not known_metric.hub or value is None or not math.isfinite(value):
            continue
        yield EvalResult(
            task_type=task.facts.PIPELINE or task.name,
            task_name=task.facts.TITLE,
            dataset_type=data.path if known else "custom",
            dataset_name=title or "custom",
            dataset_config=data.config if known else None,
            dataset_split=split,
            dataset_revision=data.revision if known else None,
            metric_type=known_metric.hub,
            metric_value=float(value),
            metric_name=metric_title(name),
            metric_args=dict(known_metric.hub_arguments) or None,
        )
