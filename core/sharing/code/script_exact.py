"""The section that makes a script repeat its run: the order of examples, dropout, and sums in the same order.

It is taken from the engines' own modules, or, where their settings would leave dead branches, written for these
settings; a test holds that both come to the same batches.
"""

from __future__ import annotations

from core.sharing.code.facts import Facts
from core.sharing.code.pieces import Section, constant, taken
from core.sharing.code.script_common import whole

VOCABULARY = "engines/vocabulary.py"
TITLE = "What makes it repeat this run exactly"
TEXT = (
    "You may skip this at first. Training needs none of it: with a plain Trainer, DataLoader or shuffle in its place "
    "the script learns as well, only not to the same digits."
)


def for_torch(facts: Facts) -> Section:
    """For the Trainer and the PyTorch loop."""
    code, imports = [batches(facts)], ["import numpy as np"]
    evaluation, more = taken("tasks/batches.py", "evaluation_batches")
    code.append(evaluation)
    code.append(TRAINER if facts.spec.engine == "trainer" else LOADER)
    imports += [*more, "import torch" if facts.spec.engine == "trainer" else ""]
    if facts.exact:
        imports += ["import torch"]
        code.append(f"torch.set_num_threads({facts.threads})  # sums are rounded in another order with more or fewer")
        dropout, more = taken("engines/cpu_dropout.py", "put_into", "attention")
        code.append(
            "# Dropout that is faster on a CPU than torch's own, and so draws other random numbers.\n"
            + dropout.replace("put_into(", "use_fast_dropout(")
        )
        imports += more
        if uses_rows(facts):
            code.append(ROWS.replace("CUT", str(constant(VOCABULARY, "MOST_USED"))).replace("PADDING", _padding(facts)))
            imports += ["from torch import nn"]
    needed = tuple(line for line in imports if line)
    return Section(TITLE, TEXT, "\n\n".join(code), needed, main=False)


def uses_rows(facts: Facts) -> bool:
    """Whether this run trained only the rows of the token embedding that its texts use: `core.engines.vocabulary`."""
    training = facts.spec.training
    known = facts.model_type in constant(VOCABULARY, "TYPES") | constant(VOCABULARY, "PADDING_COUNTS")
    return known and training.trainable_layers is None and not training.weight_decay


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


def use_only_used_rows(model, tokenizer, tokenized):
    whole = model.get_input_embeddings()
    used = np.zeros(whole.num_embeddings, dtype=bool)
    for token in {tokenizer.pad_token_id, whole.padding_idx} - {None}:PADDING
    for split in tokenized.values():
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
    """The batches of one epoch after the other, for a DataLoader."""

    def __init__(self, rows):
        self.lengths, self.epoch = lengths_of(rows), 0

    def __iter__(self):
        self.epoch += 1
        return (batch.tolist() for batch in batches_of(self.epoch - 1, self.lengths))

    def __len__(self):
        return len(batches_of(self.epoch, self.lengths))


def evaluation_order(rows, batch_size):
    return [batch.tolist() for batch in evaluation_batches(lengths_of(rows), batch_size)]
'''.strip("\n")
