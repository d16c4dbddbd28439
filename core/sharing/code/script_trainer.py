"""The script of a run of the Trainer engine, as the tutorial has it."""

from __future__ import annotations

from core.sharing.code import script_common, script_exact
from core.sharing.code.facts import Facts
from core.sharing.code.pieces import Section


def sections(facts: Facts) -> list[Section]:
    found = [script_exact.for_torch(facts)]
    if not facts.base:
        found.append(script_common.scratch())
    if facts.head is not None:
        found.append(script_common.trained_head(facts.head))
    found += [script_common.data(facts), script_common.model(facts)]
    if (own := script_common.loss(facts)) is not None:
        found.append(own)
    return [*found, script_common.metrics(facts), _callbacks(facts), _arguments(facts), _train(facts)]


def _callbacks(facts: Facts) -> Section:
    """Where training ends early; a section without code where it does not."""
    judged = facts.spec.evaluation
    code, imports = [], []
    if judged.early_stopping_patience is not None and judged.early_stopping_threshold:
        imports.append("from transformers import EarlyStoppingCallback")
        code += [
            "class EarlyStopping(EarlyStoppingCallback):",
            "    def check_metric_value(self, args, state, control, metric_value):",
            "        best = -np.inf if state.best_metric is None else state.best_metric",
            "        improved = metric_value > best + self.early_stopping_threshold",
            "        waited = self.early_stopping_patience_counter + 1",
            "        self.early_stopping_patience_counter = 0 if improved else waited",
        ]
    if facts.stopped is not None:
        imports.append("from transformers import TrainerCallback")
        before = "" if facts.evaluated else f" and state.global_step < {facts.stopped}"
        code += [
            "",
            "class StopThere(TrainerCallback):",
            f'    """This run was ended after step {facts.stopped}."""',
            "",
            "    def on_step_end(self, args, state, control, **kwargs):",
            f"        control.should_training_stop |= state.global_step >= {facts.stopped}",
            *([] if facts.evaluated else [f"        control.should_evaluate &= state.global_step < {facts.stopped}"]),
        ]
        if not facts.evaluated:
            code += ["", "    def on_epoch_end(self, args, state, control, **kwargs):",
                     f"        control.should_evaluate = control.should_evaluate{before}"]  # fmt: skip
    text = "Training ends before its last step." if code else ""
    return Section("When to stop", text, "\n".join(code).strip("\n"), tuple(imports))


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
        ("lr_scheduler_type", "linear"), ("max_grad_norm", 1.0),
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
    values += [("logging_steps", training.logging_steps), ("seed", training.seed)]
    if facts.device == "cpu":
        values.append(("use_cpu", True))
    if facts.precision in ("bf16", "fp16"):
        values.append((facts.precision, True))
    if facts.spec.execution.torch_compile:
        values.append(("torch_compile", True))
    values.append(("report_to", "none"))
    lines = [f"    {name}={value!r},".replace("'", '"') for name, value in values]
    code = "\n".join(["training_args = TrainingArguments(", *lines, ")"])
    text = "Those that are not named have their defaults."
    return Section("Training hyperparameters", text, code, ("from transformers import TrainingArguments",))


def keeps_best(facts: Facts) -> bool:
    """Whether training returns to the best of its evaluations."""
    training = facts.spec.training
    return training.load_best_model_at_end and training.eval_strategy != "no" and not facts.never_evaluated


def _train(facts: Facts) -> Section:
    judged = facts.spec.evaluation
    padding = ", pad_to_multiple_of=8" if facts.device == "cuda" else ""
    callbacks = []
    if (patience := judged.early_stopping_patience) is not None:
        more = judged.early_stopping_threshold
        callbacks.append(f"EarlyStopping({patience}, {more!r})" if more else f"EarlyStoppingCallback({patience})")
    if facts.stopped is not None:
        callbacks.append("StopThere()")
    code = [
        *(["use_fast_dropout(model)"] if facts.exact else []),
        *(["use_only_used_rows(model, tokenizer, tokenized)"] if facts.exact and script_exact.uses_rows(facts) else []),
        "trainer = RepeatingTrainer(",
        "    model=model,",
        "    args=training_args,",
        '    train_dataset=tokenized["train"],',
        '    eval_dataset=tokenized["eval"],',
        f"    data_collator=DataCollatorWithPadding(tokenizer{padding}),",
        "    compute_metrics=compute_metrics,",
        *(["    compute_loss_func=compute_loss,"] if script_common.has_own_loss(facts) else []),
        *([f"    callbacks=[{', '.join(callbacks)}],"] if callbacks else []),
        ")",
        "trainer.train()",
        "",
        "found = trainer.evaluate()",
        *(["put_rows_back(model)"] if facts.exact and script_exact.uses_rows(facts) else []),
        'model.save_pretrained("model")',
        'tokenizer.save_pretrained("model")',
        *script_common.shown_metrics(facts),
        'print(json.dumps({name: found[f"eval_{name}"] for name in shown}))',
    ]
    imports = ["import json", "from transformers import DataCollatorWithPadding, Trainer"]
    if patience is not None and not judged.early_stopping_threshold:
        imports.append("from transformers import EarlyStoppingCallback")
    text = "The Trainer learns; then the model is judged once more and saved."
    return Section("Train, evaluate, save", text, "\n".join(code), tuple(imports))
