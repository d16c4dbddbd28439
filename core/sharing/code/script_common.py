"""The parts of train.py that the engines share: data, model, loss, metrics."""

from __future__ import annotations

import textwrap

from core.sharing.code.facts import Facts
from core.sharing.code.pieces import LINE, constant, literal, marked
from core.tasks import Metric
from core.tasks.code import Section
from core.tasks.contract import task_of
from core.tasks.frozen import START

SCRATCH = "models/scratch.py"


def data(facts: Facts) -> Section:
    """`dataset`, `label_names`, `tokenizer` and `tokenized`."""
    code = [
        *load(facts),
        *tokenizer(facts),
        "",
        "def tokenize_function(examples):",
        f"    return tokenizer({texts_of(facts, 'examples')}, {cut(facts)})",
        "",
        f"tokenized = dataset.map(tokenize_function, batched=True, remove_columns={literal(list(facts.columns))})",
    ]
    text = (
        "The two Parquet files hold the examples that the run was trained and judged on, in its order; README.txt says "
        "what is in them. map gives every text to the tokenizer, which makes numbers of it."
    )
    return Section(
        "Prepare a dataset", text, "\n".join(code), ("from datasets import load_dataset", tokenizer_import(facts))
    )


def load(facts: Facts) -> list[str]:
    """Lines that set `dataset`, and what the task's labels are called."""
    return [
        'dataset = load_dataset("parquet", data_files={"train": "data/train.parquet", "eval": "data/eval.parquet"})',
        *task_of(facts.spec).script.LABELS,
    ]


def tokenizer(facts: Facts) -> list[str]:
    """Lines that set `tokenizer`. Needs the import that `tokenizer_import` gives."""
    if not facts.base:
        each = [f'dataset["train"][{literal(column)}]' for column in facts.columns]
        texts = each[0] if len(each) == 1 else f"[{', '.join(f'*{column}' for column in each)}]"
        size = constant(SCRATCH, "VOCABULARY")
        return [
            f"tokenizer = BertTokenizer().train_new_from_iterator({texts}, vocab_size={size})",
            marked(f"tokenizer = exact.tokenizer({texts})"),
        ]
    code = [f"tokenizer = AutoTokenizer.from_pretrained(MODEL{revision(facts)})"]
    if facts.pads_with_end:
        code.append("tokenizer.pad_token = tokenizer.eos_token  # it was made to write, and has no padding of its own")
    return code


def tokenizer_import(facts: Facts) -> str:
    """The import statement of what `tokenizer` is made with."""
    return f"from transformers import {'AutoTokenizer' if facts.base else 'BertTokenizer'}"


def texts_of(facts: Facts, rows: str) -> str:
    """The texts of rows as arguments of a tokenizer."""
    return ", ".join(f"{rows}[{literal(name)}]" for name in facts.columns)


def cut(facts: Facts) -> str:
    """The tokenizer's arguments on how long a text may be."""
    whole_length = ', padding="max_length"' if whole(facts) else ""
    return f"truncation=True, max_length={facts.spec.model.max_length}{whole_length}"


def revision(facts: Facts) -> str:
    """The rest of from_pretrained's arguments, if the run had a commit of the Hub."""
    return ", revision=REVISION" if facts.model_revision else ""


def revision_line(facts: Facts) -> list[str]:
    """A line that sets REVISION, if the run had a commit of the Hub."""
    return [f"REVISION = {literal(facts.model_revision)}"] if facts.model_revision else []


def whole(facts: Facts) -> bool:
    """Whether all texts are padded to the full length beforehand; Keras pads where it makes its batches."""
    return facts.spec.model.padding == "max_length" and facts.spec.engine != "keras"


def model(facts: Facts) -> Section:
    """`model`, of Transformers."""
    if facts.base:
        words = task_of(facts.spec).script
        text = f"The pretrained body, and {words.NEW_HEAD}; that some weights are new is said by a warning, and normal."
        if facts.head:
            text = words.KEPT_HEAD
    else:
        text = "A small new BERT with random weights, since this run began without a pretrained model."
    seed = f"torch.manual_seed({facts.spec.training.seed})"
    code, imports = [seed, *pretrained(facts)], ("import torch", model_import(facts))
    if facts.head:
        code.append(marked("exact.take_over_head(model, MODEL)"))
    code += fitted(facts)
    return Section("Load the model", text, "\n".join(code), (*imports, *start_imports(facts)))


def pretrained(facts: Facts) -> list[str]:
    """Lines that set `model` as Transformers loads it, or makes it new."""
    task = task_of(facts.spec)
    head = task.script.HEAD
    if not facts.base:
        code = new_config(facts, "pad_token_id=tokenizer.pad_token_id", head)
        return [*code, f"model = {model_class(facts)}(config)"]
    return [
        f"model = {model_class(facts)}.from_pretrained(",
        f'    MODEL{revision(facts)}, problem_type="{task.script.PROBLEM_TYPE}", ignore_mismatched_sizes=True,',
        f'    dtype="float32", {head},',
        *start_config(facts),
        ")",
    ]


def start_config(facts: Facts) -> list[str]:
    """Lines of arguments: what the config says otherwise than that of the pretrained model, for a fitted head."""
    changes = facts.start.config if facts.start else {}
    return [f"    {name}={literal(value) if isinstance(value, str) else value}," for name, value in changes.items()]


def start(facts: Facts, model: str = "model") -> list[str]:
    """Lines that give a Transformers model its fitted head; they need `START_IMPORT`."""
    if facts.start is None:
        return []
    new_layer = facts.start.config.keys() - {"classifier_pooling"}  # else it is the config alone that pools the mean
    layer = " and the layer before it" if new_layer else ""
    comment = f"# The head{layer} as fitted to the training examples with the rest of the model frozen."
    if facts.start.frozen:
        comment = "# The model after its contrastive stage, with the head that was fitted then."
    return [
        comment,
        f'{model}.load_state_dict(load_file("{START}"), strict=False)',
    ]


def start_imports(facts: Facts) -> tuple[str, ...]:
    """The import statement that `start` needs."""
    return ("from safetensors.torch import load_file",) if facts.start else ()


def model_class(facts: Facts) -> str:
    """The class of Transformers that loads the pretrained model, or that makes a new one from `config`."""
    kind = task_of(facts.spec).model.KIND
    return kind.auto_class if facts.base else kind.scratch_class


def new_config(facts: Facts, *more: str) -> list[str]:
    """Lines that set `config`, of the model that is made new: core.models.scratch. more: lines of arguments"""
    usual = constant(SCRATCH, "POSITIONS")  # BertConfig's own default too
    length = facts.spec.model.max_length
    lines = [
        "vocab_size=len(tokenizer), hidden_size=128, num_hidden_layers=2, num_attention_heads=2, intermediate_size=512",
        *([f"max_position_embeddings={length}"] if length > usual else []),
        *more,
    ]
    return ["config = BertConfig(", *(f"    {line}," for line in lines), ")"]


def fitted(facts: Facts) -> list[str]:
    """Lines that give `model` the tokens of the tokenizer, and freeze what does not learn."""
    code = []
    if facts.tokens:
        code.append(f"model.resize_token_embeddings({facts.tokens}, mean_resizing=False)  # tokens were added")
    if facts.pads_with_end:
        code.append("model.config.pad_token_id = tokenizer.pad_token_id")
    return [*code, *start(facts), *_frozen(facts)]


def model_import(facts: Facts) -> str:
    """The import statement of what `pretrained` needs."""
    return f"from transformers import {'' if facts.base else 'BertConfig, '}{model_class(facts)}"


def _frozen(facts: Facts) -> list[str]:
    """Lines that keep a part of the Transformers `model` as it is; they need torch if some layers learn."""
    layers = facts.spec.training.trainable_layers
    if layers is None:
        return []
    if layers == 0:
        return [
            "# Only the head learns, and the pooler, which belongs to it.",
            "for name, parameter in model.base_model.named_parameters():",
            '    parameter.requires_grad = "pooler" in name',
        ]
    return [
        f"# Only the head learns, and the {f'{layers} layers' if layers > 1 else 'layer'} next to it.",
        "count = model.config.num_hidden_layers",
        "stacks = [m for m in model.base_model.modules() if isinstance(m, torch.nn.ModuleList) and len(m) == count]",
        f"learning = {{id(p) for layer in stacks[0][-{layers}:] for p in layer.parameters()}}",
        "for name, parameter in model.base_model.named_parameters():",
        '    parameter.requires_grad = id(parameter) in learning or "pooler" in name',
    ]


def loss(facts: Facts) -> Section | None:
    """`compute_loss(outputs, labels, num_items_in_batch)` for the PyTorch engines; None if the model's own will do."""
    return task_of(facts.spec).script.torch_loss(facts.spec)


def measures(facts: Facts) -> tuple[list[str], str]:
    """The end of a function that measures `logits` by `references`, and its imports."""
    task, engine = task_of(facts.spec), facts.spec.engine
    names, table = facts.spec.evaluation.metrics, task.metrics.METRICS
    code = [
        f"    predictions = {task.script.ANSWERS[engine]}",
        "    return {",
        f'        "loss": {task.script.MEAN_LOSSES[engine]},',
        *(f"        {literal(name)}: {_measure(table[name])}," for name in names),
        "    }",
    ]
    functions = sorted({table[name].function for name in names})
    imports = [f"from {module} import {name}" for module, _, name in (path.rpartition(".") for path in functions)]
    return code, "\n".join(imports)


def _measure(metric: Metric) -> str:
    """The call that computes a metric: f1_score(references, predictions, average="macro")."""
    arguments = [
        f"{name}={literal(value) if isinstance(value, str) else repr(value)}"
        for name, value in metric.arguments.items()
    ]
    return f"{metric.function.rpartition('.')[2]}({', '.join(['references', 'predictions', *arguments])})"


def shown_metrics(facts: Facts) -> list[str]:
    """Lines that set `shown`, the names of all metrics."""
    names = ", ".join(f'"{name}"' for name in ("loss", *facts.spec.evaluation.metrics))
    return [*textwrap.wrap(f"shown = [{names}]", LINE, subsequent_indent="         ")]
