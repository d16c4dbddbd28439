"""The train.py of a run of the Trainer engine, as the tutorial has it."""

from __future__ import annotations

from core.sharing.code import exact, script_common
from core.sharing.code.facts import Facts
from core.sharing.code.pieces import marked
from core.tasks import larger_is_better
from core.tasks.code import Section


def sections(facts: Facts) -> list[Section]:
    parts = [script_common.data(facts), script_common.model(facts)]
    if (own := script_common.loss(facts)) is not None:
        parts.append(own)
    parts += [_metrics(facts), *_stop(facts), _arguments(facts), _train(facts)]
    return parts


def _metrics(facts: Facts) -> Section:
    """`compute_metrics((logits, references))`, with the mean loss over examples."""
    end, sklearn = script_common.measures(facts)
    code = [
        "def compute_metrics(eval_pred):",
        "    logits, references = eval_pred",
        *end,
    ]
    text = (
        "What evaluate.load would fetch from the Hub, straight from scikit-learn; the loss is the mean over examples."
    )
    return Section("Metrics", text, "\n".join(code), ("import torch", sklearn))


def _stop(facts: Facts) -> list[Section]:
    """The callback that ends training where the run was stopped."""
    if facts.stopped is None:
        return []
    at = facts.stopped
    code = [
        "class StopThere(TrainerCallback):",
        f'    """This run was ended after step {at}."""',
        "",
        "    def on_step_end(self, args, state, control, **kwargs):",
        f"        control.should_training_stop |= state.global_step >= {at}",
    ]
    if not facts.evaluated:
        code += [
            f"        control.should_evaluate &= state.global_step < {at}",
            "",
            "    def on_epoch_end(self, args, state, control, **kwargs):",
            f"        control.should_evaluate = control.should_evaluate and state.global_step < {at}",
        ]
    text = "Training ends before its last step."
    return [Section("When to stop", text, "\n".join(code), ("from transformers import TrainerCallback",))]


def _arguments(facts: Facts) -> Section:
    training, judged = facts.spec.training, facts.spec.evaluation
    values: list[tuple[str, object]] = [
        ("output_dir", "checkpoints"),
        ("learning_rate", training.learning_rate),
        ("num_train_epochs", training.num_train_epochs),
        ("per_device_train_batch_size", training.per_device_train_batch_size),
        ("per_device_eval_batch_size", training.per_device_eval_batch_size),
    ]
    for name, usual in (
        ("gradient_accumulation_steps", 1), ("weight_decay", 0.0), ("warmup_steps", 0.0),
        ("lr_scheduler_type", "linear"), ("max_grad_norm", 1.0), ("train_sampling_strategy", "random"),
    ):  # fmt: skip
        if (value := getattr(training, name)) != usual:
            values.append((name, value))
    values.append(("eval_strategy", training.eval_strategy))
    if training.eval_strategy == "steps":
        values.append(("eval_steps", training.eval_steps))
    best = keeps_best(facts)
    values.append(("save_strategy", "best" if best else "no"))
    if best:
        values += [("save_total_limit", 1), ("load_best_model_at_end", True)]
    if best or judged.early_stopping_patience is not None:
        values.append(("metric_for_best_model", judged.metric_for_best_model))
        if not larger_is_better(judged.metric_for_best_model):
            values.append(("greater_is_better", False))
    values += [("logging_steps", training.logging_steps), ("seed", training.seed)]
    if facts.precision in ("bf16", "fp16"):
        values.append((facts.precision, True))
    if facts.spec.execution.torch_compile:
        values.append(("torch_compile", True))
    values.append(("report_to", "none"))
    lines = [f"    {name}={value!r},".replace("'", '"') for name, value in values]
    if facts.device == "cpu":
        lines.append(marked("    use_cpu=True,"))
    code = "\n".join(["training_args = TrainingArguments(", *lines, ")"])
    text = "Those that are not named have their defaults."
    return Section("Training hyperparameters", text, code, ("from transformers import TrainingArguments",))


def keeps_best(facts: Facts) -> bool:
    """Whether training returns to the best of its evaluations."""
    training = facts.spec.training
    return training.load_best_model_at_end and training.eval_strategy != "no" and not facts.never_evaluated


# A model with a fitted head is judged before the first step, and returned to if none is better.
START = [
    "start = trainer.evaluate()",
    "start_weights = {k: v.clone() for k, v in model.state_dict().items()}",
    "trainer.add_callback(FromStart())",
]
BACK_TO_START = ["if trainer.state.best_model_checkpoint is None:", "    model.load_state_dict(start_weights)"]


def _from_start(facts: Facts) -> list[str]:
    return [
        "class FromStart(TrainerCallback):",
        '    """An evaluation counts as the best only if it is better than the start, with the fitted head."""',
        "",
        "    def on_train_begin(self, args, state, control, **kwargs):",
        f'        state.best_metric = start["eval_{facts.spec.evaluation.metric_for_best_model}"]',
        "",
    ]


def _train(facts: Facts) -> Section:
    judged = facts.spec.evaluation
    callbacks = []
    if (patience := judged.early_stopping_patience) is not None:
        threshold = judged.early_stopping_threshold
        callbacks.append(f"EarlyStoppingCallback({patience}{f', {threshold!r}' if threshold else ''})")
    if facts.stopped is not None:
        callbacks.append("StopThere()")
    from_start = keeps_best(facts) and facts.start is not None
    code = [
        *(_from_start(facts) if from_start else []),
        "trainer = Trainer(",
        "    model=model,",
        "    args=training_args,",
        '    train_dataset=tokenized["train"],',
        '    eval_dataset=tokenized["eval"],',
        "    processing_class=tokenizer,",
        *([f"    data_collator=DataCollatorWithPadding(tokenizer{padding(facts)}),"] if padding(facts) else []),
        "    compute_metrics=compute_metrics,",
        *(["    compute_loss_func=compute_loss,"] if script_common.loss(facts) is not None else []),
        *([f"    callbacks=[{', '.join(callbacks)}],"] if callbacks else []),
        ")",
        marked("exact.repeat(trainer, tokenizer)"),
        *(START if from_start else []),
        "trainer.train()",
        *(BACK_TO_START if from_start else []),
        "metrics = trainer.evaluate()",
        *([marked("exact.put_rows_back(model)")] if exact.uses_rows(facts) else []),
        'model.save_pretrained("model")',
        'tokenizer.save_pretrained("model")',
        *script_common.shown_metrics(facts),
        'print(json.dumps({name: metrics[f"eval_{name}"] for name in shown}))',
    ]
    imports = ["import json", "from transformers import Trainer"]
    if padding(facts):
        imports.append("from transformers import DataCollatorWithPadding")
    if patience is not None:
        imports.append("from transformers import EarlyStoppingCallback")
    if from_start:
        imports.append("from transformers import TrainerCallback")
    text = "The Trainer learns; then the model is judged once more and saved."
    return Section("Train, evaluate, save", text, "\n".join(code), tuple(imports))


def padding(facts: Facts) -> str:
    """The rest of the collator's arguments."""
    return ", pad_to_multiple_of=8" if facts.device == "cuda" else ""
