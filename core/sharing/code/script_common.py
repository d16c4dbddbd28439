"""The parts of train.py that the engines share: data, model, loss, metrics."""

from __future__ import annotations

import textwrap

from core.sharing.code.facts import Facts
from core.sharing.code.pieces import LINE, Section, constant, literal, marked
from core.tasks import Metric, metrics_of

SCRATCH = "models/scratch.py"
LABELS = "id2label=dict(enumerate(label_names)), label2id={n: i for i, n in enumerate(label_names)}"


def data(facts: Facts) -> Section:
    """`dataset`, `label_names`, `tokenizer` and `tokenized`."""
    code = [
        *load(),
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


def load() -> list[str]:
    """Lines that set `dataset` and `label_names`."""
    return [
        'dataset = load_dataset("parquet", data_files={"train": "data/train.parquet", "eval": "data/eval.parquet"})',
        'label_names = dataset["train"].features["label"].names',
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
    """`model`, a Transformers classifier."""
    if facts.base:
        text = (
            "The pretrained body, and a new head for these classes with random weights; that some weights are new is "
            "said by a warning, and normal."
        )
        if facts.head:
            text = "The model was a classifier before; each class that is here too keeps its row of the trained head."
    else:
        text = "A small new BERT with random weights, since this run began without a pretrained model."
    seed = f"torch.manual_seed({facts.spec.training.seed})"
    code, imports = [seed, *pretrained(facts)], ("import torch", model_import(facts))
    if facts.head:
        code.append(marked("exact.take_over_head(model, MODEL)"))
    code += fitted(facts)
    return Section("Load the model", text, "\n".join(code), imports)


def pretrained(facts: Facts) -> list[str]:
    """Lines that set `model` as Transformers loads it, or makes it new."""
    if not facts.base:
        code = new_config(facts, "pad_token_id=tokenizer.pad_token_id", LABELS)
        return [*code, "model = BertForSequenceClassification(config)"]
    code = [
        "model = AutoModelForSequenceClassification.from_pretrained(",
        f'    MODEL{revision(facts)}, problem_type="single_label_classification", ignore_mismatched_sizes=True,',
        f'    dtype="float32", {LABELS},',
        ")",
    ]
    return code


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
    return [*code, *_frozen(facts)]


def model_import(facts: Facts) -> str:
    """The import statement of what `pretrained` needs."""
    names = "AutoModelForSequenceClassification" if facts.base else "BertConfig, BertForSequenceClassification"
    return f"from transformers import {names}"


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


def has_own_loss(facts: Facts) -> bool:
    """Whether the loss is not just the mean cross-entropy that every model of transformers computes itself."""
    training = facts.spec.training
    return (
        training.class_weights != "off"
        or training.label_smoothing_factor > 0
        or training.gradient_accumulation_steps > 1
    )


def class_weights(facts: Facts) -> list[str]:
    """`class_weights`, a NumPy array of float32, if this run has them."""
    match facts.spec.training.class_weights:
        case "balanced":
            return [
                'counts = np.bincount(dataset["train"]["label"], minlength=len(label_names))',
                'class_weights = len(dataset["train"]) / (len(label_names) * np.maximum(counts, 1))',
                "class_weights = class_weights.astype(np.float32)",
            ]
        case "custom":
            given = dict(facts.spec.training.custom_class_weights)
            return [
                f"named = {given!r}",
                "class_weights = np.array([named.get(name, 1.0) for name in label_names], dtype=np.float32)",
            ]
    return []


def loss(facts: Facts) -> Section | None:
    """`compute_loss(outputs, labels, num_items_in_batch)` for the PyTorch engines; None if the model's own will do."""
    if not has_own_loss(facts):
        return None
    training = facts.spec.training
    smoothing = f", label_smoothing={training.label_smoothing_factor!r}" if training.label_smoothing_factor else ""
    weights = class_weights(facts)
    code = [*weights]
    if weights:
        code.append("class_weights = torch.tensor(class_weights)")
    code += [
        "",
        "def compute_loss(outputs, labels, num_items_in_batch=None):",
        f'    each = torch.nn.functional.cross_entropy(outputs.logits.float(), labels, reduction="none"{smoothing})',
        *(["    each = each * class_weights.to(labels.device)[labels]"] if weights else []),
        "    return each.sum() / (num_items_in_batch or len(labels))",
    ]
    what = [
        *(["each example counts by the weight of its class"] if weights else []),
        *(["labels are smoothed"] if smoothing else []),
        *(["the mean is over all batches of an update"] if training.gradient_accumulation_steps > 1 else []),
    ]
    imports = ["import torch", *(["import numpy as np"] if weights else [])]
    return Section("Loss", f"Cross-entropy; {', '.join(what)}.", "\n".join(code).strip("\n"), tuple(imports))


def measures(facts: Facts, mean_loss: str) -> tuple[list[str], str]:
    """The end of a function that measures `logits` and `predictions` by `references`, and its imports.

    mean_loss: an expression for the mean loss over examples
    """
    names, table = facts.spec.evaluation.metrics, metrics_of(facts.spec.task)
    code = [
        "    return {",
        f'        "loss": {mean_loss},',
        *(f"        {literal(name)}: {_measure(table[name])}," for name in names),
        "    }",
    ]
    functions = sorted({table[name].function for name in names})
    imports = [f"from {module} import {name}" for module, _, name in (path.rpartition(".") for path in functions)]
    return code, "\n".join(imports)


def _measure(metric: Metric) -> str:
    """The call that computes a metric: accuracy_score(references, predictions)."""
    arguments = [
        f"{name}={literal(value) if isinstance(value, str) else repr(value)}"
        for name, value in metric.arguments.items()
    ]
    return f"{metric.function.rpartition('.')[2]}({', '.join(['references', 'predictions', *arguments])})"


def shown_metrics(facts: Facts) -> list[str]:
    """Lines that set `shown`, the names of all metrics."""
    names = ", ".join(f'"{name}"' for name in ("loss", *facts.spec.evaluation.metrics))
    return [*textwrap.wrap(f"shown = [{names}]", LINE, subsequent_indent="         ")]
