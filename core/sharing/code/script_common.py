"""The sections that the scripts of all engines share: data, model, loss, metrics."""

from __future__ import annotations

import textwrap

from core.sharing.code.facts import Facts, HeadRows
from core.sharing.code.pieces import LINE, Section, literal, taken
from core.tasks import Metric, metrics_of


def data(facts: Facts) -> Section:
    spec = facts.spec
    columns, length = list(facts.columns), spec.model.max_length
    texts = ", ".join(f"examples[{literal(name)}]" for name in columns)
    cut = f"truncation=True, max_length={length}"
    if whole(facts):
        cut += ', padding="max_length"'
    code = [
        'files = {"train": "data/train.parquet", "eval": "data/eval.parquet"}',
        'dataset = load_dataset("parquet", data_files=files)',
        'label_names = dataset["train"].features["label"].names',
        "",
        *_tokenizer(facts),
        "",
        "def tokenize_function(examples):",
        f"    return tokenizer({texts}, {cut})",
        "",
        f"tokenized = dataset.map(tokenize_function, batched=True, remove_columns={literal(columns)})",
    ]
    imports = ["from datasets import load_dataset"]
    if facts.base:
        imports.append("from transformers import AutoTokenizer")
    text = (
        "The two Parquet files hold the examples that the run was trained and judged on, in its order; README.txt says "
        "what is in them. map gives every text to the tokenizer, which makes numbers of it."
    )
    return Section("Prepare a dataset", text, "\n".join(code), tuple(imports))


def _tokenizer(facts: Facts) -> list[str]:
    if not facts.base:
        each = f'(text for column in {literal(facts.columns)} for text in dataset["train"][column])'
        return [f"texts = {each}", f"tokenizer = new_tokenizer(texts, {facts.spec.model.max_length})"]
    revision = f", revision={literal(facts.model_revision)}" if facts.model_revision else ""
    code = [f"tokenizer = AutoTokenizer.from_pretrained(MODEL{revision})"]
    if facts.pads_with_end:
        code.append("tokenizer.pad_token = tokenizer.eos_token  # it was made to write, and has no padding of its own")
    return code


def whole(facts: Facts) -> bool:
    """Whether all texts are padded to the full length beforehand; Keras pads where it makes its batches."""
    return facts.spec.model.padding == "max_length" and facts.spec.engine != "keras"


def model(facts: Facts) -> Section:
    seed = facts.spec.training.seed
    code = [
        'labels = {"id2label": dict(enumerate(label_names)), "label2id": {n: i for i, n in enumerate(label_names)}}',
        f"set_seed({seed})",
    ]
    imports = ["from transformers import set_seed"]
    if facts.base:
        imports += ["import torch", "from transformers import AutoModelForSequenceClassification"]
        revision = f", revision={literal(facts.model_revision)}" if facts.model_revision else ""
        code += [
            "model = AutoModelForSequenceClassification.from_pretrained(",
            f'    MODEL{revision}, **labels, problem_type="single_label_classification",',
            "    dtype=torch.float32, ignore_mismatched_sizes=True,",
            ")",
        ]
        text = (
            "The pretrained body, and a new head for these classes with random weights; that some weights are new is "
            "said by a warning, and normal."
        )
        if facts.head:
            code += ["", *head_lines(facts.head, revision)]
            text = "The model was a classifier before; each class that is here too keeps its row of the trained head."
        if facts.tokens:
            code.append(f"model.resize_token_embeddings({facts.tokens}, mean_resizing=False)  # tokens were added")
    else:
        length = facts.spec.model.max_length
        code.append(f"model = new_model(len(tokenizer), {length}, tokenizer.pad_token_id, labels)")
        text = "A small new BERT with random weights."
    if facts.pads_with_end:
        code.append("model.config.pad_token_id = tokenizer.pad_token_id")
    code += _frozen(facts)
    if facts.spec.training.trainable_layers:
        imports.append("import torch")
    return Section("Load the model", text, "\n".join(code), tuple(imports))


def head_lines(head: HeadRows, revision: str) -> list[str]:
    """The classes of this data take over a trained head, as in the run. revision: the rest of from_pretrained's call"""
    return [
        f"trained = AutoModelForSequenceClassification.from_pretrained(MODEL{revision}, dtype=torch.float32)",
        f"dimensions = {head.dimensions!r}",
        "trained_head = {name: trained.get_parameter(name) for name in dimensions}",
        f"take_over(model, trained_head, dimensions, {list(head.rows)!r})",
    ]


def trained_head(head: HeadRows) -> Section:
    """`take_over`, as core has it."""
    code, imports = taken("models/class_head.py", "take_over")
    text = "A head that was trained has one row per class; here each goes where this data has that class."
    return Section("The rows of a trained head", text, code, imports, main=False)


def _frozen(facts: Facts) -> list[str]:
    layers = facts.spec.training.trainable_layers
    if layers is None:
        return []
    if layers == 0:
        return [
            "",
            "# Only the head learns, and the pooler, which belongs to it.",
            "for name, parameter in model.base_model.named_parameters():",
            '    parameter.requires_grad = "pooler" in name',
        ]
    return [
        "",
        f"# Only the head learns, and the {f'{layers} layers' if layers > 1 else 'layer'} next to it.",
        "count = model.config.num_hidden_layers",
        "stacks = [m for m in model.base_model.modules() if isinstance(m, torch.nn.ModuleList) and len(m) == count]",
        f"learning = {{id(p) for layer in stacks[0][-{layers}:] for p in layer.parameters()}}",
        "for name, parameter in model.base_model.named_parameters():",
        '    parameter.requires_grad = id(parameter) in learning or "pooler" in name',
    ]


def scratch() -> Section:
    """The tokenizer and model that are made new, as core has them."""
    code, imports = taken("models/scratch.py", "tokenizer", "model")
    code = code.replace("\ndef tokenizer(", "\ndef new_tokenizer(").replace("\ndef model(", "\ndef new_model(")
    text = (
        "This run began without a pretrained model: a vocabulary is made from the training texts, and a BERT of two "
        "layers from random numbers. With a pretrained model these functions would be two calls of from_pretrained."
    )
    return Section("A vocabulary and a small BERT of one's own", text, code, imports, main=False)


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


def metrics(facts: Facts) -> Section:
    """`compute_metrics((logits, references))`, with the mean loss over examples."""
    names = facts.spec.evaluation.metrics
    code = [
        "def compute_metrics(eval_pred):",
        "    logits, references = eval_pred",
        "    predictions = np.argmax(logits, axis=-1)",
        "    return {",
        '        "loss": cross_entropy(torch.tensor(logits).double(), torch.tensor(references)).item(),',
        *(f"        {literal(name)}: {_measure(metrics_of(facts.spec.task)[name])}," for name in names),
        "    }",
    ]
    functions = sorted({metrics_of(facts.spec.task)[name].function for name in names})
    imports = (
        "import numpy as np", "import torch", "from torch.nn.functional import cross_entropy",
        *(f"from {module} import {name}" for module, _, name in (path.rpartition(".") for path in functions)),
    )  # fmt: skip
    text = (
        "What evaluate.load would fetch from the Hub, straight from scikit-learn; the loss is the mean over examples."
    )
    return Section("Metrics", text, "\n".join(code), imports)


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
    return [*textwrap.wrap(f"shown = [{names}]", LINE - 20, subsequent_indent="         ")]
