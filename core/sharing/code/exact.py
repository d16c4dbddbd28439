"""exact.py, the file beside train.py that makes it repeat its run: order of examples, dropout, sums in the same order.

train.py calls it in lines that are marked and can be deleted. Its text is taken from our own modules, or, where their
settings would leave dead branches, written for these settings; a test holds that both come to the same batches.
"""

from __future__ import annotations

from core.sharing.code.facts import Facts, HeadRows
from core.sharing.code.pieces import constant, taken
from core.sharing.code.script_common import SCRATCH, revision, revision_line, whole
from core.tasks import larger_is_better
from core.tasks.code import Section

VOCABULARY = "engines/vocabulary.py"
ORDER = "The order of examples"


def sections(facts: Facts) -> list[Section]:
    """The parts of exact.py for the Trainer and the PyTorch loop."""
    parts = [order(facts), *common(facts)]
    if facts.exact:
        parts.append(_dropout(facts))
    if uses_rows(facts):
        rows = ROWS.replace("CUT", str(constant(VOCABULARY, "MOST_USED"))).replace("PADDING", _padding(facts))
        needed = ("import numpy as np", "import torch", "from torch import nn")
        parts.append(Section("The rows of the token embedding that the texts use", "", rows, needed))
    return [*parts, _trainer(facts) if facts.spec.engine == "trainer" else _loop(facts)]


def common(facts: Facts) -> list[Section]:
    """What the scripts of all engines may need: a tokenizer of its own, or the rows of a trained head."""
    parts = []
    if not facts.base:
        code, imports = taken(SCRATCH, "tokenizer")
        code = code.replace("\ndef tokenizer(", "\ndef new_tokenizer(")
        code += f"\n\ndef tokenizer(texts):\n    return new_tokenizer(texts, {facts.spec.model.max_length})"
        parts.append(Section("A vocabulary made from the training texts", "", code, imports))
    if facts.head is not None:
        parts.append(trained_head(facts.head, revision(facts)))
    if facts.model_revision and (facts.head is not None or facts.spec.engine == "keras"):
        parts.insert(0, Section("The commit of the pretrained model", "", "\n".join(revision_line(facts))))
    return parts


def trained_head(head: HeadRows, revision: str) -> Section:
    """`take_over_head(model, name)`: the classes of this data take over a trained head, as in the run.

    revision: the rest of from_pretrained's arguments
    """
    code, imports = taken("models/class_head.py", "take_over")
    lines = [
        "def take_over_head(model, name):",
        f"    trained = AutoModelForSequenceClassification.from_pretrained(name{revision}, dtype=torch.float32)",
        f"    dimensions = {head.dimensions!r}",
        "    trained_head = {name: trained.get_parameter(name) for name in dimensions}",
        f"    take_over(model, trained_head, dimensions, {list(head.rows)!r})",
    ]
    needed = (*imports, "import torch", "from transformers import AutoModelForSequenceClassification")
    return Section("The rows of a trained head", "", "\n\n".join([code, "\n".join(lines)]), needed)


def order(facts: Facts) -> Section:
    """`batches_of`, `lengths_of` and `evaluation_batches`."""
    evaluation, more = taken("tasks/batches.py", "evaluation_batches")
    return Section(ORDER, "", f"{batches(facts)}\n\n{evaluation}", ("import numpy as np", *more))


def _dropout(facts: Facts) -> Section:
    dropout, imports = taken("engines/cpu_dropout.py", "put_into", "attention")
    code = [
        f"torch.set_num_threads({facts.threads})  # sums are rounded in another order with more or fewer",
        dropout.replace("put_into(", "use_fast_dropout("),
    ]
    title = "Dropout that is faster on a CPU than torch's own, and so draws other random numbers"
    return Section(title, "", "\n\n".join(code), ("import torch", *imports))


def _changes(facts: Facts, model: str, train: str, evaluation: str) -> list[str]:
    """Lines that put dropout and used rows into a model. train, evaluation: expressions for the tokenized splits"""
    return [
        *([f"    use_only_used_rows({model}, tokenizer, {train}, {evaluation})"] if uses_rows(facts) else []),
        *([f"    use_fast_dropout({model})"] if facts.exact else []),
    ]


def _trainer(facts: Facts) -> Section:
    judged = facts.spec.evaluation
    imports = ["import numpy as np", "import torch", "from transformers import Trainer"]
    code, stopping = [TRAINER], []
    if judged.early_stopping_patience is not None and judged.early_stopping_threshold:
        imports.append("from transformers import EarlyStoppingCallback")
        code.append(_early_stopping(facts))
        stopping = [
            "    trainer.pop_callback(EarlyStoppingCallback)",
            f"    trainer.add_callback(EarlyStopping({judged.early_stopping_patience}, "
            f"{judged.early_stopping_threshold!r}))",
        ]
    repeat = [
        "def repeat(trainer, tokenizer):",
        '    """Have a Trainer that is about to begin learn as this run did."""',
        "    trainer.__class__ = RepeatingTrainer  # a Trainer with three methods of its own, and no more data",
        *stopping,
        *_changes(facts, "trainer.model", "trainer.train_dataset", "trainer.eval_dataset"),
    ]
    return Section("The Trainer of this run", "", "\n\n".join([*code, "\n".join(repeat)]), tuple(imports))


def _loop(facts: Facts) -> Section:
    size = facts.spec.training.per_device_eval_batch_size
    lines = [
        "def repeat(model, tokenizer, tokenized, collator):",
        '    """Have a model learn as in this run; returns the batches of training and evaluation in its order."""',
        *_changes(facts, "model", 'tokenized["train"]', 'tokenized["eval"]'),
        '    train = EpochBatches(lengths_of(tokenized["train"]))',
        f'    evaluation = evaluation_batches(lengths_of(tokenized["eval"]), {size})',
        f"    set_seed({facts.spec.training.seed})  # dropout draws the same numbers whatever was drawn before",
        "    return (",
        '        loader(tokenized["train"], train, collator),',
        '        loader(tokenized["eval"], [batch.tolist() for batch in evaluation], collator),',
        "    )",
    ]
    code = [LOADER, "\n".join(lines)]
    if facts.spec.training.max_tokens_per_batch is not None:
        code.append("\n".join(_steps(facts)))
    imports = ["import torch", "from torch.utils.data import DataLoader", "from transformers import set_seed"]
    if any("math." in part for part in code):
        imports.append("import math")
    return Section("The loop of this run", "", "\n\n".join(code), tuple(imports))


def _steps(facts: Facts) -> list[str]:
    """`num_training_steps` where epochs have different numbers of batches; see core.engines.timetable."""
    training = facts.spec.training
    whole_epochs = -int(-training.num_train_epochs // 1)
    part, group = training.num_train_epochs - (whole_epochs - 1), training.gradient_accumulation_steps
    count = "len(batches_of(epoch, lengths))"
    updates = f"math.ceil({count} / {group})" if group > 1 else count
    total = "sum(updates)" if part == 1 else f"sum(updates[:-1]) + math.ceil(updates[-1] * {part!r})"
    return [
        "def num_training_steps(tokenized):",
        '    lengths = lengths_of(tokenized["train"])',
        f"    updates = [{updates} for epoch in range({whole_epochs})]",
        f"    return {total}",
    ]


def uses_rows(facts: Facts) -> bool:
    """Whether this run trained only the rows of the token embedding that its texts use: `core.engines.vocabulary`."""
    training = facts.spec.training
    known = facts.model_type in constant(VOCABULARY, "TYPES") | constant(VOCABULARY, "PADDING_COUNTS")
    learns = training.trainable_layers is None and not training.weight_decay
    return known and learns and facts.exact and facts.spec.engine != "keras"


def _padding(facts: Facts) -> str:
    if facts.model_type in constant(VOCABULARY, "PADDING_COUNTS"):
        return "\n        used[: token + 1] = True  # this model counts positions by it"
    return "\n        used[token] = True"


# The same rows and the same norm of their gradient as in the run; see core.engines.vocabulary.
ROWS = '''
class UsedRows(nn.Embedding):
    """The rows of a token embedding that these texts use; the others would learn nothing and cost time."""

    def __init__(self, whole, rows):
        numbers = torch.zeros(whole.num_embeddings, dtype=torch.long)
        numbers[rows] = torch.arange(len(rows))
        padding = None if whole.padding_idx is None else int(numbers[whole.padding_idx])
        super().__init__(len(rows), whole.embedding_dim, padding, _weight=whole.weight.detach()[rows])
        self.register_buffer("numbers", numbers, persistent=False)
        self.whole, self.rows = [whole], rows

    def forward(self, ids):
        return super().forward(self.numbers[ids])


def use_only_used_rows(model, tokenizer, *splits):
    whole = model.get_input_embeddings()
    used = np.zeros(whole.num_embeddings, dtype=bool)
    for token in {tokenizer.pad_token_id, whole.padding_idx} - {None}:PADDING
    for split in splits:
        for ids in split["input_ids"]:
            used[ids] = True
    rows = np.flatnonzero(used)
    if len(rows) < CUT * len(used):
        model.set_input_embeddings(UsedRows(whole, rows))


def put_rows_back(model):
    part = model.get_input_embeddings()
    if isinstance(part, UsedRows):
        with torch.no_grad():
            part.whole[0].weight[part.rows] = part.weight
        model.set_input_embeddings(part.whole[0])
'''.strip("\n")


def batches(facts: Facts) -> str:
    """`batches_of(epoch, lengths)`, as core.engines.sampling.TrainingBatches makes them for these settings."""
    training = facts.spec.training
    size, budget = training.per_device_train_batch_size, training.max_tokens_per_batch
    grouped = training.train_sampling_strategy == "group_by_length" or budget is not None
    code = [
        "def batches_of(epoch, lengths):",
        '    """The batches of an epoch: indices of examples, as the seed and the number of the epoch decide."""',
        f"    rng = np.random.default_rng([{training.seed}, epoch])",
        "    order = rng.permutation(len(lengths))",
    ]
    if budget is None:
        code += [f"    whole = len(order) - len(order) % {size}", "    order, rest = order[:whole], order[whole:]"]
    if grouped:
        code += [
            "    # From the longest to the shortest, roughly.",
            f"    jitter = min(0.2, 0.45 / np.sqrt(max(1.0, len(order) / {size})))",
            "    blurred = lengths[order] * rng.uniform(1 - jitter, 1 + jitter, len(order))",
            '    order = order[np.argsort(-blurred, kind="stable")]',
        ]
    if budget is None:
        code.append(f"    batches = list(order.reshape(-1, {size}))")
    else:
        code += [
            "    batches, start = [], 0",
            f"    while start < len(order):  # as many neighbours as fit {budget} tokens when padded",
            f"        some = lengths[order[start : start + max(1, {budget} // int(lengths[order[start]]))]]",
            "        padded = np.maximum.accumulate(some) * np.arange(1, len(some) + 1)",
            f'        end = start + max(1, int(np.searchsorted(padded, {budget}, side="right")))',
            "        batches.append(order[start:end])",
            "        start = end",
        ]
    if grouped:
        code += [
            "    batches = [batches[i] for i in rng.permutation(len(batches))]",
            "    if batches:  # the longest first, so that memory runs out at once or never",
            "        batches.insert(0, batches.pop(int(np.argmax([lengths[batch].max() for batch in batches]))))",
        ]
    code.append("    return [*batches, rest] if len(rest) else batches" if budget is None else "    return batches")
    return "\n".join([*code, "", *lengths(facts)])


def lengths(facts: Facts) -> list[str]:
    each = 'sum(mask) for mask in rows["attention_mask"]' if whole(facts) else 'len(ids) for ids in rows["input_ids"]'
    return ["def lengths_of(rows):", f"    return np.array([{each}])"]


TRAINER = '''
class EpochSampler(torch.utils.data.Sampler):
    """One epoch after the other, its batches in a row; the Trainer cuts them again."""

    def __init__(self, lengths):
        self.lengths, self.epoch = lengths, 0

    def set_epoch(self, epoch):
        self.epoch = epoch

    def __iter__(self):
        return iter(np.concatenate(batches_of(self.epoch, self.lengths)).tolist())

    def __len__(self):
        return len(self.lengths)


class RepeatingTrainer(Trainer):
    """A Trainer that takes the examples in the order of this run."""

    def _get_train_sampler(self, train_dataset=None):
        return EpochSampler(lengths_of(self.train_dataset))

    def _get_eval_sampler(self, eval_dataset):
        batches = evaluation_batches(lengths_of(self.eval_dataset), self.args.eval_batch_size)
        return np.concatenate(batches).tolist()

    def evaluate(self, *arguments, **named):
        with torch.random.fork_rng(devices=[]):  # it draws no random number that dropout would have had
            return super().evaluate(*arguments, **named)
'''.strip("\n")


LOADER = '''
class EpochBatches:
    """The batches of one epoch after the other."""

    def __init__(self, lengths):
        self.lengths, self.epoch = lengths, 0

    def __iter__(self):  # an epoch begins with its first batch: tqdm asks for more iterators than it uses
        self.epoch += 1
        for batch in batches_of(self.epoch - 1, self.lengths):
            yield batch.tolist()

    def __len__(self):
        return len(batches_of(self.epoch, self.lengths))


def loader(rows, batches, collator):
    # The generator is there so that it draws no random number that dropout would have had.
    return DataLoader(rows, batch_sampler=batches, collate_fn=collator, generator=torch.Generator())
'''.strip("\n")


def _early_stopping(facts: Facts) -> str:
    if larger_is_better(facts.spec.evaluation.metric_for_best_model):
        return EARLY_STOPPING
    return EARLY_STOPPING.replace("-np.inf", "np.inf").replace("> best +", "< best -")


EARLY_STOPPING = '''
class EarlyStopping(EarlyStoppingCallback):
    """An evaluation is better if it is so by more than the threshold."""

    def check_metric_value(self, args, state, control, metric_value):
        best = -np.inf if state.best_metric is None else state.best_metric
        improved = metric_value > best + self.early_stopping_threshold
        waited = self.early_stopping_patience_counter + 1
        self.early_stopping_patience_counter = 0 if improved else waited
'''.strip("\n")
