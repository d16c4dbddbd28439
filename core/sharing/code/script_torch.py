"""The script of a run of the PyTorch engine: the loop that the tutorial writes by hand."""

from __future__ import annotations

from core.sharing.code import script_common, script_exact
from core.sharing.code.facts import Facts
from core.sharing.code.pieces import Section
from core.sharing.code.script_trainer import keeps_best


def sections(facts: Facts) -> list[Section]:
    found = [script_exact.for_torch(facts)]
    if not facts.base:
        found.append(script_common.scratch())
    if facts.head is not None:
        found.append(script_common.trained_head(facts.head))
    found += [script_common.data(facts), script_common.model(facts)]
    if (own := script_common.loss(facts)) is not None:
        found.append(own)
    return [*found, script_common.metrics(facts), _loaders(facts), _evaluate(facts), _optimizer(facts), _loop(facts),
            _end(facts)]  # fmt: skip


def _loaders(facts: Facts) -> Section:
    size = facts.spec.training.per_device_eval_batch_size
    padding = ", pad_to_multiple_of=8" if facts.device == "cuda" else ""
    code = [
        f"collator = DataCollatorWithPadding(tokenizer{padding})",
        "train_dataloader = DataLoader(",
        '    tokenized["train"], batch_sampler=EpochBatches(tokenized["train"]), collate_fn=collator,',
        "    generator=torch.Generator(),",
        ")",
        "eval_dataloader = DataLoader(",
        f'    tokenized["eval"], batch_sampler=evaluation_order(tokenized["eval"], {size}), collate_fn=collator,',
        "    generator=torch.Generator(),",
        ")",
    ]
    imports = (
        "import torch", "from torch.utils.data import DataLoader", "from transformers import DataCollatorWithPadding",
    )  # fmt: skip
    text = (
        "Each batch is padded to its longest text. The generators are there so that the loaders draw no random number "
        "that dropout would have had."
    )
    return Section("DataLoader", text, "\n".join(code), imports)


def _device(facts: Facts) -> str:
    if facts.device == "cpu":
        return 'torch.device("cpu")  # as the run; on a GPU it is faster, and the digits are others'
    return f'torch.device("{facts.device}") if torch.{_module(facts)}.is_available() else torch.device("cpu")'


def _module(facts: Facts) -> str:
    return "cuda" if facts.device == "cuda" else "backends.mps"


def _autocast(facts: Facts, call: str, indent: str) -> list[str]:
    """A forward pass in the precision of the run."""
    if facts.precision == "fp32":
        return [f"{indent}{call}"]
    return [f"{indent}with {_cast(facts)}:", f"{indent}    {call}"]


def _cast(facts: Facts) -> str:
    return f"torch.autocast(device.type, dtype=torch.{'bfloat16' if facts.precision == 'bf16' else 'float16'})"


def _evaluate(facts: Facts) -> Section:
    code = [
        f"device = {_device(facts)}",
        "model.to(device)",
        "",
        "def evaluate():",
        "    model.eval()",
        "    logits, references = [], []",
        "    for batch in eval_dataloader:",
        "        batch = {k: v.to(device) for k, v in batch.items()}",
        f"        with torch.no_grad(){f', {_cast(facts)}' if facts.precision != 'fp32' else ''}:",
        "            outputs = model(**batch)",
        "        logits.append(outputs.logits.float().cpu())",
        '        references.append(batch["labels"].cpu())',
        "    return compute_metrics((torch.cat(logits).numpy(), torch.cat(references).numpy()))",
    ]
    return Section("Evaluate", "", "\n".join(code), ("import torch",))


def _optimizer(facts: Facts) -> Section:
    training = facts.spec.training
    imports = ["from torch.optim import AdamW", "from transformers import get_scheduler, set_seed"]
    code = [
        *(["use_only_used_rows(model, tokenizer, tokenized)"] if facts.exact and script_exact.uses_rows(facts) else []),
        *(["use_fast_dropout(model)"] if facts.exact else []),
        *(["forward = torch.compile(model, dynamic=True)"] if facts.spec.execution.torch_compile else []),
    ]
    rate = f"lr={training.learning_rate!r}"
    if training.weight_decay:
        code += [
            "matrices = [p for p in model.parameters() if p.ndim > 1]",
            "others = [p for p in model.parameters() if p.ndim <= 1]  # biases and normalisation do not decay",
            "groups = [",
            f'    {{"params": matrices, "weight_decay": {training.weight_decay!r}}},',
            '    {"params": others, "weight_decay": 0.0},',
            "]",
            f"optimizer = AdamW(groups, {rate}, fused=True)",
        ]
    else:
        code.append(f"optimizer = AdamW(model.parameters(), {rate}, weight_decay=0.0, fused=True)")
    total, more = steps(facts)
    imports += more
    code += ["", *total]
    warm = training.warmup_steps
    warmup = str(int(warm)) if warm >= 1 or not warm else f"math.ceil(num_training_steps * {warm!r})"
    imports += ["import math"] if 0 < warm < 1 else []
    code += [
        "lr_scheduler = get_scheduler(",
        f'    "{training.lr_scheduler_type}", optimizer=optimizer, num_warmup_steps={warmup},',
        "    num_training_steps=num_training_steps,",
        ")",
    ]
    if facts.precision == "fp16":
        code.append("scaler = torch.amp.GradScaler(device.type)")
    text = "AdamW, and a learning rate that changes with each step."
    return Section("Optimizer and learning rate scheduler", text, "\n".join(code), tuple(imports))


def steps(facts: Facts) -> tuple[list[str], list[str]]:
    """Lines that set num_epochs and num_training_steps, and their imports; see core.engines.timetable."""
    training = facts.spec.training
    whole = -int(-training.num_train_epochs // 1)
    part, group = training.num_train_epochs - (whole - 1), training.gradient_accumulation_steps
    lines, imports = [f"num_epochs = {whole}"], []
    if training.max_tokens_per_batch is not None:
        count = 'len(batches_of(epoch, lengths_of(tokenized["train"])))'
        updates = f"math.ceil({count} / {group})" if group > 1 else count
        lines.append(f"updates = [{updates} for epoch in range(num_epochs)]")
        last = f"math.ceil(updates[-1] * {part!r})"
        lines.append(f"num_training_steps = {'sum(updates)' if part == 1 else f'sum(updates[:-1]) + {last}'}")
    else:
        count = "len(train_dataloader)"
        updates = f"math.ceil({count} / {group})" if group > 1 else count
        if part == 1:
            lines.append(f"num_training_steps = num_epochs * {updates}")
        else:
            last = f"math.ceil(updates * {part!r})"
            lines += [f"updates = {updates}", f"num_training_steps = {whole - 1} * updates + {last}"]
    if any("math." in line for line in lines):
        imports.append("import math")
    return lines, imports


def _loop(facts: Facts) -> Section:
    training, judged = facts.spec.training, facts.spec.evaluation
    group, imports = training.gradient_accumulation_steps, ["from tqdm.auto import tqdm"]
    by_steps, by_epochs = training.eval_strategy == "steps", training.eval_strategy == "epoch"
    fraction = training.num_train_epochs % 1 != 0
    patience = judged.early_stopping_patience
    counted = by_steps or fraction or facts.stopped is not None
    code = [
        f"set_seed({training.seed})",
        "progress_bar = tqdm(range(num_training_steps))",
        *(["step = 0"] if counted else []),
    ]
    if keeps_best(facts) or patience is not None:
        imports.append("import math")
        code.append("best = -math.inf")
    if patience is not None:
        code.append("waited = 0")
    code += ["", "for epoch in range(num_epochs):", "    model.train()"]
    if group > 1:
        imports.append("from itertools import islice")
        code += [
            "    batches = iter(train_dataloader)",
            f"    while update := list(islice(batches, {group})):",
            '        examples = sum(len(batch["labels"]) for batch in update)',
            "        for batch in update:",
            *_backward(facts, " " * 12),
        ]
    else:
        code += ["    for batch in train_dataloader:", *_backward(facts, " " * 8)]
    inner = " " * 8
    clipped = f"torch.nn.utils.clip_grad_norm_(model.parameters(), {training.max_grad_norm!r})"
    if facts.precision == "fp16":
        code += [f"{inner}scaler.unscale_(optimizer)"] if training.max_grad_norm else []
    code += [f"{inner}{clipped}"] if training.max_grad_norm else []
    code += (
        [f"{inner}scaler.step(optimizer)", f"{inner}scaler.update()"]
        if facts.precision == "fp16"
        else [f"{inner}optimizer.step()"]
    )
    code += [f"{inner}lr_scheduler.step()", f"{inner}optimizer.zero_grad()", f"{inner}progress_bar.update(1)"]
    if counted:
        code.append(f"{inner}step += 1")
    ends = []
    if facts.stopped is not None and not facts.evaluated:
        code += [f"{inner}if step == {facts.stopped}:  # the run was ended here", f"{inner}    break"]
    if by_steps:
        code += [f"{inner}if step % {training.eval_steps} == 0 or step == num_training_steps:"]
        code += _judge(facts, inner + "    ")
        code += [f"{inner}    model.train()"]
        if patience is not None:
            ends.append(f"waited >= {patience}")
    if facts.stopped is not None and facts.evaluated:
        ends.append(f"step == {facts.stopped}")
    if fraction:
        ends.append("step == num_training_steps")
    if ends:
        code += [f"{inner}if {' or '.join(ends)}:", f"{inner}    break"]
    outer = [f"step == {facts.stopped}"] if facts.stopped is not None else []
    if by_epochs and facts.stopped is not None and not facts.evaluated:
        code += [f"    if step == {facts.stopped}:", "        break"]
        outer = []
    if by_epochs:
        code += _judge(facts, "    ")
    if patience is not None:
        outer.append(f"waited >= {patience}")
    if outer:
        code += [f"    if {' or '.join(outer)}:", "        break"]
    if keeps_best(facts):
        code += ["", "model.load_state_dict(best_weights)"]
    text = "Seeded once more, so that dropout draws the same numbers whatever was drawn before."
    return Section("Training loop", text, "\n".join(code), tuple(imports))


def _backward(facts: Facts, indent: str) -> list[str]:
    model = "forward" if facts.spec.execution.torch_compile else "model"
    lines = [f"{indent}batch = {{k: v.to(device) for k, v in batch.items()}}"]
    if script_common.has_own_loss(facts):
        lines.append(f'{indent}labels = batch.pop("labels")')
    lines += _autocast(facts, f"outputs = {model}(**batch)", indent)
    if script_common.has_own_loss(facts):
        more = ", examples" if facts.spec.training.gradient_accumulation_steps > 1 else ""
        lines.append(f"{indent}loss = compute_loss(outputs, labels{more})")
    else:
        lines.append(f"{indent}loss = outputs.loss")
    return [*lines, f"{indent}{'scaler.scale(loss)' if facts.precision == 'fp16' else 'loss'}.backward()"]


def _judge(facts: Facts, indent: str) -> list[str]:
    judged = facts.spec.evaluation
    name, threshold = judged.metric_for_best_model, judged.early_stopping_threshold
    lines = [f"{indent}found = evaluate()", f"{indent}print(found)"]
    if judged.early_stopping_patience is not None:
        least = f"best + {threshold!r}" if threshold else "best"
        lines.append(f'{indent}waited = 0 if found["{name}"] > {least} else waited + 1')
    if keeps_best(facts):
        lines += [
            f'{indent}if found["{name}"] > best:',
            f'{indent}    best = found["{name}"]',
            f"{indent}    best_weights = {{k: v.clone() for k, v in model.state_dict().items()}}",
        ]
    elif judged.early_stopping_patience is not None:
        lines.append(f'{indent}best = max(best, found["{name}"])')
    return lines


def _end(facts: Facts) -> Section:
    code = [
        "found = evaluate()",
        *(["put_rows_back(model)"] if facts.exact and script_exact.uses_rows(facts) else []),
        'model.save_pretrained("model")',
        'tokenizer.save_pretrained("model")',
        "print(json.dumps(found))",
    ]
    return Section("Evaluate and save", "", "\n".join(code), ("import json",))
