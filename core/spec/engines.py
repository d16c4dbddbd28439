"""What each engine can do, known before a run starts. What it cannot is refused, never ignored."""

from __future__ import annotations

from core.errors import Problem
from core.spec.run import RunSpec
from core.tasks import engines_of, offers_of
from core.wording import ENGINE_TITLES, listed

# Engine name -> module with `train(spec, encoded, model, run_dir, report, resume)`.
ENGINES = {
    "trainer": "core.engines.trainer",
    "torch": "core.engines.torch_loop",
    "keras": "core.engines.keras_fit",
}

# `model_type` of those that the Keras engine can take, with what they are called.
KERAS_TYPES = {
    "bert": "BERT",
    "distilbert": "DistilBERT",
    "albert": "ALBERT",
    "roberta": "RoBERTa",
    "xlm-roberta": "XLM-RoBERTa",
}


def problems(spec: RunSpec, model_type: str | None) -> list[Problem]:
    """The settings of a spec that its engine does not support. model_type: of config.json; None if not known yet."""
    problems = [*_task(spec), *_initial_head(spec), *_contrastive(spec), *_early_stopping(spec)]
    if spec.engine != "torch" and spec.training.max_tokens_per_batch is not None:
        problems.append(
            Problem.of(
                "batch-tokens-needs-torch",
                "only the PyTorch loop can fill batches by tokens; choose it as engine, or leave this empty",
                "training.max_tokens_per_batch",
            )
        )
    if spec.execution.padding_free == "on" and spec.model.padding == "max_length":
        problems.append(
            Problem.of(
                "padding-free-and-padded",
                "texts are to be padded to their full length and not at all; choose dynamic as padding, or automatic "
                "or off for batches without padding",
                "execution.padding_free",
            )
        )
    if spec.engine == "keras":
        problems += _keras(spec, model_type)
    return problems


def _task(spec: RunSpec) -> list[Problem]:
    able = engines_of(spec.task)
    if spec.engine in able:
        return []
    titles = listed([ENGINE_TITLES[name] for name in able])
    return [
        Problem.of(
            "engine-cannot-train-task",
            "{engine} cannot train the task {task}; choose an engine that can: {engines}",
            "engine",
            engine=ENGINE_TITLES[spec.engine],
            task=spec.task,
            engines=titles,
        )
    ]


def _initial_head(spec: RunSpec) -> list[Problem]:
    if spec.model.initial_head == "random" or spec.model.name != "scratch":
        return []
    return [
        Problem.of(
            "head-of-scratch",
            "a head cannot be fitted to a model of random weights, which makes nothing of a text yet; choose random, "
            "or a pretrained model",
            "model.initial_head",
        )
    ]


def _contrastive(spec: RunSpec) -> list[Problem]:
    if spec.model.initial_head != "contrastive":
        return []
    if "contrastive" not in offers_of(spec.task):
        return [
            Problem.of(
                "contrastive-needs-classes",
                "a contrastive stage needs texts that have one class each, which the task {task!r} has not; choose "
                "fitted or random",
                "model.initial_head",
                task=spec.task,
            )
        ]
    if spec.training.trainable_layers is None:
        return []
    return [
        Problem.of(
            "contrastive-trains-all",
            "a contrastive stage trains the whole model, but only {layers:layer|layers} shall be trained; leave that "
            "empty, or choose fitted",
            "model.initial_head",
            layers=spec.training.trainable_layers,
        )
    ]


def _early_stopping(spec: RunSpec) -> list[Problem]:
    if spec.evaluation.early_stopping_patience is None or spec.training.eval_strategy != "no":
        return []
    return [
        Problem.of(
            "early-stopping-needs-evaluations",
            "early stopping needs evaluations while training; evaluate after each epoch or every so "
            "many steps, or leave this empty",
            "evaluation.early_stopping_patience",
        )
    ]


def _keras(spec: RunSpec, model_type: str | None) -> list[Problem]:
    problems = []
    if model_type is not None and model_type not in KERAS_TYPES:
        problems.append(
            Problem.of(
                "keras-types",
                "the Keras engine takes {types}, but this model is of type {model_type!r}; choose the "
                "Trainer or the PyTorch loop, or another model",
                "model.name",
                types=listed(KERAS_TYPES.values()),
                model_type=model_type,
            )
        )
    if spec.execution.device == "mps":
        problems.append(
            Problem.of(
                "keras-no-mps", "Keras does not compute on Apple's GPU here; choose auto or cpu", "execution.device"
            )
        )
    if spec.execution.precision == "fp16":
        problems.append(
            Problem.of("keras-no-fp16", "the Keras engine has no fp16; choose bf16 or fp32", "execution.precision")
        )
    if spec.execution.padding_free == "on":
        problems.append(
            Problem.of(
                "keras-pads", "Keras takes padded batches only; choose automatic or off", "execution.padding_free"
            )
        )
    if spec.execution.torch_compile:
        problems.append(
            Problem.of(
                "keras-no-compile", "this is for the PyTorch engines; turn it off with Keras", "execution.torch_compile"
            )
        )
    return problems
