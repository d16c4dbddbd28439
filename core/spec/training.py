"""The training section of a spec: the hyperparameters, by their TrainingArguments names."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import field_validator, model_validator

from core.spec.section import Section, setting

MOST_CLASS_WEIGHT = 1000


class TrainingSpec(Section):
    """The hyperparameters, by their TrainingArguments names."""

    learning_rate: float = setting(5e-5, "Learning rate", "TrainingArguments' default.", main=True, gt=0, le=1)
    """How far each step moves the weights: 1e-5 to 5e-5 for a pretrained model, about 1e-3 for scratch."""

    num_train_epochs: float = setting(3.0, "Epochs", "TrainingArguments' default.", main=True, gt=0, le=1000)
    """How many times each training example is seen."""

    budget_minutes: float | None = setting(None, "Time budget in minutes", "No limit.", gt=0, le=10_080)
    """About how long the run may take: automatic epochs and longest text, and the model proposed, follow from it."""

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
