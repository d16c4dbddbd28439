"""The train.py of a run of the PyTorch engine: the loop that the tutorial writes by hand."""

from __future__ import annotations

from core.sharing.code import exact, script_common
from core.sharing.code.facts import Facts
from core.sharing.code.pieces import LINE, marked
from core.sharing.code.script_trainer import keeps_best, padding
from core.tasks import larger_is_better
from core.tasks.code import Section

WEIGHTS = "{k: v.clone() for k, v in model.state_dict().items()}"


def sections(facts: Facts) -> list[Section]:
    parts = [script_common.data(facts), _model(facts)]
    if (own := script_common.loss(facts)) is not None:
        parts.append(own)
    return [*parts, _training(facts), _evaluate(facts), _loop(facts), _save(facts)]


def _model(facts: Facts) -> Section:
    common = script_common.model(facts)
    ends_with_model = common.code.endswith(")") and facts.start is None
    to_device = f"{common.code}.to(device)" if ends_with_model else f"{common.code}\nmodel.to(device)"
    code = [
        *_device(facts),
        to_device,
        *(["forward = torch.compile(model, dynamic=True)"] if facts.spec.execution.torch_compile else []),
    ]
    return Section(common.title, common.text, "\n".join(code), common.imports)


def _device(facts: Facts) -> list[str]:
    kind, module = ("mps", "backends.mps") if facts.device == "mps" else ("cuda", "cuda")
    code = [f'device = torch.device("{kind}" if torch.{module}.is_available() else "cpu")']
    return code if facts.device != "cpu" else [*code, marked('device = torch.device("cpu")')]


def _batches(facts: Facts) -> tuple[list[str], list[str]]:
    training = facts.spec.training
    code, imports = [f"collator = DataCollatorWithPadding(tokenizer{padding(facts)})"], []
    if (budget := training.max_tokens_per_batch) is None:
        how = f"shuffle=True, batch_size={training.per_device_train_batch_size}"
    else:
        how = "batch_sampler=batches"
        imports.append("import random")
        code += [
            'lengths = [len(ids) for ids in tokenized["train"]["input_ids"]]',
            "batches = [[]]",
            f"for i in sorted(range(len(lengths)), key=lengths.__getitem__):  # {budget} tokens in each, when padded",
            f"    if batches[-1] and (len(batches[-1]) + 1) * lengths[i] > {budget}:",
            "        batches.append([])",
            "    batches[-1].append(i)",
            "random.shuffle(batches)",
        ]
    size = training.per_device_eval_batch_size
    code += [
        f'train_dataloader = DataLoader(tokenized["train"], {how}, collate_fn=collator)',
        f'eval_dataloader = DataLoader(tokenized["eval"], batch_size={size}, collate_fn=collator)',
        marked("train_dataloader, eval_dataloader = exact.repeat(model, tokenizer, tokenized, collator)"),
    ]
    return code, [
        *imports,
        "from torch.utils.data import DataLoader",
        "from transformers import DataCollatorWithPadding",
    ]


def _cast(facts: Facts) -> str:
    """How a forward pass computes in the precision of the run; empty for float32."""
    if facts.precision == "fp32":
        return ""
    return f"torch.autocast(device.type, dtype=torch.{'bfloat16' if facts.precision == 'bf16' else 'float16'})"


def _training(facts: Facts) -> Section:
    training = facts.spec.training
    rate = f"lr={training.learning_rate!r}"
    code, imports = _batches(facts)
    module = "transformers" if facts.base else "transformers.optimization"  # else the line of imports is too long
    imports += [f"from {module} import get_scheduler"]
    if training.weight_decay:
        code += [
            "matrices = [p for p in model.parameters() if p.ndim > 1]",
            "others = [p for p in model.parameters() if p.ndim <= 1]  # biases and normalisation do not decay",
            "groups = [",
            f'    {{"params": matrices, "weight_decay": {training.weight_decay!r}}},',
            '    {"params": others, "weight_decay": 0.0},',
            "]",
            f"optimizer = torch.optim.AdamW(groups, {rate}, fused=True)",
        ]
    else:
        code.append(f"optimizer = torch.optim.AdamW(model.parameters(), {rate}, weight_decay=0.0, fused=True)")
    total, more = steps(facts, "len(train_dataloader)")
    warmup, also = warmup_steps(facts)
    count = "num_training_steps"
    if len(total) == 1 and count not in warmup and training.eval_strategy != "steps":  # nothing else asks for it
        count, total = total[0].removeprefix(f"{count} = "), []
    arguments = f'"{training.lr_scheduler_type}", optimizer, num_warmup_steps={warmup}, num_training_steps={count}'
    call = f"lr_scheduler = get_scheduler({arguments})"
    code += [*total, call if len(call) <= LINE else f"lr_scheduler = get_scheduler(\n    {arguments}\n)"]
    if facts.precision == "fp16":
        code.append("scaler = torch.amp.GradScaler(device.type)")
    text = (
        "Each batch is padded to its longest text. AdamW learns from them, with a learning rate that changes with each "
        "step."
    )
    return Section("DataLoader, optimizer, learning rate scheduler", text, "\n".join(code), (*imports, *more, *also))


def steps(facts: Facts, batches: str) -> tuple[list[str], list[str]]:
    """Lines that set num_training_steps, and their imports; see core.engines.timetable. batches: those of an epoch"""
    training = facts.spec.training
    whole = epochs(facts)
    part, group = training.num_train_epochs - (whole - 1), training.gradient_accumulation_steps
    updates = f"math.ceil({batches} / {group})" if group > 1 else batches
    if part == 1:
        lines = [f"num_training_steps = {whole} * {updates}"]
    else:
        last = f"math.ceil(updates * {part!r})"
        lines = [f"updates = {updates}", f"num_training_steps = {whole - 1} * updates + {last}"]
    if training.max_tokens_per_batch is not None:
        lines.append(marked("num_training_steps = exact.num_training_steps(tokenized)"))
    return lines, ["import math"] if any("math." in line for line in lines) else []


def epochs(facts: Facts) -> int:
    """How many epochs are begun."""
    return -int(-facts.spec.training.num_train_epochs // 1)


def warmup_steps(facts: Facts) -> tuple[str, list[str]]:
    """An expression for the number of steps with a rising learning rate, and its imports."""
    warm = facts.spec.training.warmup_steps
    if warm >= 1 or not warm:
        return str(int(warm)), []
    return f"math.ceil(num_training_steps * {warm!r})", ["import math"]


def _evaluate(facts: Facts) -> Section:
    end, sklearn = script_common.measures(facts)
    cast = _cast(facts)
    code = [
        "def evaluate():",
        "    model.eval()",
        f"    with torch.no_grad(){f', {cast}' if cast else ''}:",
        '        outputs = [(model(**batch.to(device)).logits, batch["labels"]) for batch in eval_dataloader]',
        "    logits, references = (torch.cat(parts).cpu() for parts in zip(*outputs))",
        *end,
    ]
    text = "The metrics of scikit-learn; the loss is the mean over examples."
    return Section("Evaluate", text, "\n".join(code), ("import torch", sklearn))


def _loop(facts: Facts) -> Section:
    training, judged = facts.spec.training, facts.spec.evaluation
    group, imports = training.gradient_accumulation_steps, ["from tqdm.auto import tqdm"]
    by_steps, by_epochs = training.eval_strategy == "steps", training.eval_strategy == "epoch"
    fraction = training.num_train_epochs % 1 != 0
    patience = judged.early_stopping_patience
    counted = by_steps or fraction or facts.stopped is not None
    code = [
        *(["step = 0"] if counted else []),
        *before_first(facts, WEIGHTS),
        f"for epoch in range({epochs(facts)}):",
        "    model.train()",
        *(["    random.shuffle(batches)"] if training.max_tokens_per_batch is not None else []),
    ]
    if group > 1:
        imports.append("from itertools import islice")
        code += [
            "    upcoming = iter(tqdm(train_dataloader))",
            f"    while update := list(islice(upcoming, {group})):",
            '        examples = sum(len(batch["labels"]) for batch in update)',
            "        for batch in update:",
            *_backward(facts, " " * 12),
        ]
    else:
        code += ["    for batch in tqdm(train_dataloader):", *_backward(facts, " " * 8)]
    code += _update(facts)
    inner = " " * 8
    if counted:
        code.append(f"{inner}step += 1")
    ends = []
    if facts.stopped is not None and not facts.evaluated:
        code += [f"{inner}if step == {facts.stopped}:  # the run was ended here", f"{inner}    break"]
    if by_steps:
        code += [f"{inner}if step % {training.eval_steps} == 0 or step == num_training_steps:"]
        code += [*judge(facts, inner + "    ", WEIGHTS), f"{inner}    model.train()"]
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
        code += judge(facts, "    ", WEIGHTS)
    if patience is not None:
        outer.append(f"waited >= {patience}")
    if outer:
        code += [f"    if {' or '.join(outer)}:", "        break"]
    return Section("Training loop", "", "\n".join(code), tuple(imports))


def _update(facts: Facts) -> list[str]:
    training, indent = facts.spec.training, " " * 8
    scaled = facts.precision == "fp16"
    clipped = f"torch.nn.utils.clip_grad_norm_(model.parameters(), {training.max_grad_norm!r})"
    return [
        *([f"{indent}scaler.unscale_(optimizer)"] if scaled and training.max_grad_norm else []),
        *([f"{indent}{clipped}"] if training.max_grad_norm else []),
        *([f"{indent}scaler.step(optimizer)", f"{indent}scaler.update()"] if scaled else [f"{indent}optimizer.step()"]),
        f"{indent}lr_scheduler.step()",
        f"{indent}optimizer.zero_grad()",
    ]


def _backward(facts: Facts, indent: str) -> list[str]:
    model = "forward" if facts.spec.execution.torch_compile else "model"
    own, cast = script_common.loss(facts) is not None, _cast(facts)
    lines = [f"{indent}batch = batch.to(device)", f'{indent}labels = batch.pop("labels")'] if own else []
    call = f"outputs = {model}(**batch)" if own else f"outputs = {model}(**batch.to(device))"
    if call.startswith("outputs = model(") and not own and not cast:
        return [f"{indent}model(**batch.to(device)).loss.backward()"]
    lines += [f"{indent}with {cast}:", f"{indent}    {call}"] if cast else [f"{indent}{call}"]
    if own:
        more = ", examples" if facts.spec.training.gradient_accumulation_steps > 1 else ""
        lines.append(f"{indent}loss = compute_loss(outputs, labels{more})")
    loss = "loss" if own else "outputs.loss"
    return [*lines, f"{indent}{f'scaler.scale({loss})' if facts.precision == 'fp16' else loss}.backward()"]


def before_first(facts: Facts, weights: str) -> list[str]:
    """Lines before the first step that `judge` needs; a model with a fitted head is judged at once."""
    kept, patience = keeps_best(facts), facts.spec.evaluation.early_stopping_patience
    first = []
    if kept and facts.start:
        first = [f"best, best_weights = evaluate(), {weights}  # with the fitted head", "print(best)"]
    elif facts.start and patience is not None:
        first = ["best = evaluate()  # with the fitted head", "print(best)"]
    elif kept or patience is not None:
        first = ["best = None"]
    return [*first, *(["waited = 0"] if patience is not None else [])]


def judge(facts: Facts, indent: str, weights: str) -> list[str]:
    """Lines that evaluate and see whether it is the best so far. weights: an expression for what it learned"""
    judged = facts.spec.evaluation
    name, threshold = judged.metric_for_best_model, judged.early_stopping_threshold
    above, plus = (">", "+") if larger_is_better(name) else ("<", "-")
    patience, better = judged.early_stopping_patience, f'best is None or metrics["{name}"] {above} best["{name}"]'
    lines = [f"{indent}metrics = evaluate()", f"{indent}print(metrics)"]
    if patience is not None:
        least = f" {plus} {threshold!r}" if threshold else ""
        lines.append(f"{indent}waited = 0 if {better}{least} else waited + 1")
    if keeps_best(facts):
        lines += [f"{indent}if {better}:", f"{indent}    best, best_weights = metrics, {weights}"]
    elif patience is not None:
        lines += [f"{indent}if {better}:", f"{indent}    best = metrics"]
    return lines


def _save(facts: Facts) -> Section:
    best = keeps_best(facts)
    code = [
        "model.load_state_dict(best_weights)" if best else "metrics = evaluate()",
        *([marked("exact.put_rows_back(model)")] if exact.uses_rows(facts) else []),
        'model.save_pretrained("model")',
        'tokenizer.save_pretrained("model")',
        f"print(json.dumps({'best' if best else 'metrics'}))",
    ]
    text = "The weights of the best evaluation are the result." if best else ""
    return Section("Save", text, "\n".join(code), ("import json",))
