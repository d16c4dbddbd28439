"""exact.py of a run of the Keras engine: the same weights at the start, the same batches, the same updates.

Keras adds up in another order from time to time, so its figures repeat to a thousandth in short runs and to a
hundredth in long ones.
"""

from __future__ import annotations

from core.sharing.code import exact, script_common
from core.sharing.code.facts import Facts
from core.sharing.code.pieces import entry, literal, taken
from core.sharing.code.script_torch import epochs, steps, warmup_steps
from core.tasks.code import Section
from core.tasks.contract import task_of

WEIGHTS = "engines/keras_weights.py"
POLICIES = {"fp32": "float32", "bf16": "mixed_bfloat16"}


def sections(facts: Facts) -> list[Section]:
    """The parts of exact.py."""
    return [
        _machine(facts),
        exact.order(facts),
        *exact.common(facts),
        _transformers_model(facts),
        _weights(facts),
        _updates(facts),
        _learner(facts),
    ]


def _machine(facts: Facts) -> Section:
    code = [
        'if keras.backend.backend() != "tensorflow":',
        '    raise SystemExit("This run computed with TensorFlow: set the variable KERAS_BACKEND to tensorflow.")',
    ]
    if facts.device == "cpu":
        code += [
            'tf.config.set_visible_devices([], "GPU")',
            f"tf.config.threading.set_intra_op_parallelism_threads({facts.threads})",
        ]
    return Section("What the run computed with", "", "\n".join(code), ("import keras", "import tensorflow as tf"))


def _transformers_model(facts: Facts) -> Section:
    """`transformers_model(source, tokenizer, label_names)`; source: MODEL of train.py, or None"""
    lines = [f"set_seed({facts.spec.training.seed})", *script_common.pretrained(facts)]
    if facts.head:
        lines.append("take_over_head(model, MODEL)")
    lines += [*script_common.fitted(facts), "return model"]
    code = ["def transformers_model(MODEL, tokenizer, label_names):", *(f"    {line}" for line in lines)]
    imports = ["from transformers import set_seed", script_common.model_import(facts)]
    imports += script_common.start_imports(facts)
    if facts.spec.training.trainable_layers:
        imports.append("import torch")
    return Section("The model as Transformers loads it", "", "\n".join(code), tuple(imports))


def _weights(facts: Facts) -> Section:
    """The weight map of core.engines.keras_weights, for this type of model alone."""
    value, helpers = entry(WEIGHTS, "ARCHITECTURES", facts.model_type)
    before, one = taken(WEIGHTS, *helpers)
    table = f'ARCHITECTURES = {{\n    "{facts.model_type}": {value},\n}}'
    after, two = taken(
        WEIGHTS, "build", "to_keras", "to_torch", "compute_as_keras", without=("ARCHITECTURES", *helpers)
    )
    title = "A Keras model with the weights of a Transformers model, there and back"
    return Section(title, "", f"{before}\n\n{table}\n\n\n{after}", ("import torch", *one, *two))


def _updates(facts: Facts) -> Section:
    """Adam, the width of a batch, and the callback that leads the learner through epochs and updates."""
    fit, imports = taken("engines/keras_fit.py", "Adam", "bucket")
    group = facts.spec.training.gradient_accumulation_steps
    code = [
        "class Updates(keras.callbacks.Callback):",
        '    """Counts the updates and sets the learning rate of each."""',
        "",
        "    def __init__(self, rate_of):",
        "        super().__init__()",
        "        self.rate_of, self.step = rate_of, 0",
        *(ROUND.split("\n") if group > 1 else []),
        "",
        "    def on_train_batch_begin(self, batch, logs=None):",
        "        self.model.optimizer.learning_rate = self.rate_of(self.step)",
    ]
    if group > 1:
        code += [
            f"        start = batch - batch % {group}",
            f"        self.model.examples.assign(float(sum(map(len, self.batches[start : start + {group}]))))",
            "        self.model.completes.assign(self.completes(batch))",
        ]
    code += ["", "    def on_train_batch_end(self, batch, logs=None):"]
    code.append(f"        self.step += {'self.completes(batch)' if group > 1 else '1'}")
    if group > 1:
        code += [
            "",
            "    def completes(self, batch):",
            f"        return (batch + 1) % {group} == 0 or batch + 1 == len(self.batches)",
        ]
    needed = ("import keras", "import tensorflow as tf", *imports)
    return Section("Updates as in this run", "", f"{fit}\n\n" + "\n".join(code), needed)


def _learner(facts: Facts) -> Section:
    """core.engines.keras_fit.Learner for these settings, with the methods that train.py calls."""
    training = facts.spec.training
    code = [
        "class Learner(keras.Model):",
        '    """The classifier of this run: the same start, the same batches and updates."""',
        "",
        f"    def __init__(self, {'source, ' if facts.base else ''}tokenizer, label_names):",
        "        super().__init__()",
        *(['        keras.config.set_dtype_policy("float32")'] if facts.precision != "fp32" else []),
        f"        source = transformers_model({'source' if facts.base else 'None'}, tokenizer, label_names)",
        f"        keras.utils.set_random_seed({training.seed})",
        f"        self.classifier = build(source{_policy(facts)})",
        "        to_keras(source, self.classifier)",
        "        self.sources, self.tokenizer, self.epoch, self.built = (source,), tokenizer, 0, True",
    ]
    if training.gradient_accumulation_steps > 1:
        code += [
            "        self.examples, self.completes = tf.Variable(1.0), tf.Variable(False)",
            "        self.sums = [tf.Variable(tf.zeros(v.shape)) for v in self.classifier.trainable_variables]",
        ]
    code += [*_data(facts), *_compile(facts), *_fit(facts), *_step(facts), *SAVE.split("\n")]
    imports = [
        "import keras",
        "import numpy as np",
        "import tensorflow as tf",
        "import torch",
        "from transformers import get_scheduler",
    ]
    imports += ["import math"] if any("math." in line for line in code) else []
    return Section("The learner of this run", "", "\n".join(code), tuple(imports))


def _policy(facts: Facts) -> str:
    return f', "{POLICIES[facts.precision]}"' if facts.precision != "fp32" else ""


ROUND = """
    def on_epoch_begin(self, epoch, logs=None):
        self.batches = batches_of(epoch, self.model.lengths)""".rstrip("\n")
SAVE = '''
    def call(self, inputs, training=None):
        return self.classifier(inputs, training=training)

    def save_to_preset(self, folder):
        """Write it as the run did: a Transformers model whose config says how Keras computes."""
        (source,) = self.sources
        to_torch(self.classifier, source)
        compute_as_keras(source)
        source.save_pretrained(folder)
'''.rstrip("\n")


def _data(facts: Facts) -> list[str]:
    """`data(dataset)`: tf.data to train on, and the evaluation batches as (inputs, labels)."""
    training, fixed = facts.spec.training, facts.spec.model.padding == "max_length"
    longest = str(facts.spec.model.max_length) if fixed else 'max(len(ids) for ids in rows["input_ids"])'
    texts, cut = script_common.texts_of(facts, "rows"), script_common.cut(facts)
    columns = literal(list(facts.columns))
    whole, dtype = facts.spec.keras_input == "numpy", task_of(facts.spec).script.LABEL_DTYPE
    return [
        "",
        "    def data(self, dataset):",
        '        """Batches in the order and of the widths that the run had: to train on, and to evaluate on."""',
        "        tokenizer = self.tokenizer",
        '        tokenizer.padding_side = "right"  # Keras counts positions from the left',
        "        tokenized = dataset.map(",
        f"            lambda rows: tokenizer({texts}, {cut}),",
        f"            batched=True, remove_columns={columns},",
        "        )",
        '        train, evaluation = tokenized["train"], tokenized["eval"]',
        "        self.lengths = lengths_of(train)",
        *(["        inputs, references = self.for_keras(train[:])"] if whole else []),
        "",
        "        def batches():",
        f"            for epoch in range(self.epoch, {epochs(facts)}):",
        "                for batch in batches_of(epoch, self.lengths):",
        "                    yield {name: values[batch] for name, values in inputs.items()}, references[batch]"
        if whole
        else "                    yield self.for_keras(train[batch.tolist()])",
        "",
        '        names = ("token_ids", "padding_mask", "segment_ids")',
        "        signature = {name: tf.TensorSpec((None, None), tf.int32) for name in names}",
        "        train_data = tf.data.Dataset.from_generator(",
        f"            batches, output_signature=(signature, tf.TensorSpec((None,), tf.{dtype}))",
        "        )",
        f"        order = evaluation_batches(lengths_of(evaluation), {training.per_device_eval_batch_size})",
        "        return train_data.prefetch(2), [self.for_keras(evaluation[batch.tolist()]) for batch in order]",
        "",
        "    def for_keras(self, rows):",
        f"        width = min(bucket({longest}), self.classifier.backbone.max_sequence_length)",
        "        tokens = {name: rows[name] for name in self.tokenizer.model_input_names if name in rows}",
        '        batch = self.tokenizer.pad(tokens, padding="max_length", max_length=width, return_tensors="np")',
        '        ids, mask = batch["input_ids"], batch["attention_mask"]',
        '        segments = batch["token_type_ids"] if "token_type_ids" in batch else np.zeros_like(ids)',
        '        inputs = {"token_ids": ids, "padding_mask": mask, "segment_ids": segments}',
        '        return {name: values.astype(np.int32) for name, values in inputs.items()}, np.array(rows["label"])',
    ]


def _compile(facts: Facts) -> list[str]:
    """`compile`, with an optimizer of its own in the place of the one that it is given."""
    training = facts.spec.training
    rate = repr(training.learning_rate)
    decay = f", weight_decay={training.weight_decay!r}" if training.weight_decay else ""
    lines, _ = steps(facts, f"-(-len(self.lengths) // {training.per_device_train_batch_size})")
    excluded = [
        "(source,) = self.sources",
        "kept = [w.variable for w in weights(self.classifier, source) if w.parameter.ndim <= 1]",
        "optimizer.exclude_from_weight_decay(kept)",
    ]
    body = [
        *lines,
        "schedule = get_scheduler(",
        f'    "{training.lr_scheduler_type}", torch.optim.SGD([torch.zeros(1)], lr={rate}),',
        f"    num_warmup_steps={warmup_steps(facts)[0]}, num_training_steps=num_training_steps,",
        ")",
        f"self.updates = Updates(lambda step: {rate} * schedule.lr_lambdas[0](step))",
        f"optimizer = Adam(learning_rate={rate}, epsilon=1e-8{decay})",
        *(excluded if decay else []),
        "optimizer.build(self.classifier.trainable_variables)",
        "super().compile(optimizer=optimizer)",
    ]
    return ["", "    def compile(self, optimizer, loss=None):", *(f"        {line}" for line in body)]


def _fit(facts: Facts) -> list[str]:
    loss = task_of(facts.spec).script.keras_loss(facts.spec)
    parameter = f"{loss.parameter}, " if loss.parameter else ""
    return [
        "",
        f"    def fit(self, data, {parameter}initial_epoch=0, callbacks=(), **others):",
        "        self.epoch = initial_epoch",
        *([f"        {loss.kept}"] if loss.kept else []),
        "        # Were the steps not told, dropout would draw once more at the end of each epoch.",
        "        return super().fit(",
        "            data, initial_epoch=initial_epoch, steps_per_epoch=len(batches_of(0, self.lengths)),",
        "            callbacks=[self.updates, *callbacks], **others",
        "        )",
    ]


def _step(facts: Facts) -> list[str]:
    training = facts.spec.training
    norm, grouped = training.max_grad_norm, training.gradient_accumulation_steps > 1
    count = "self.examples" if grouped else "tf.cast(tf.shape(labels)[0], tf.float32)"
    code = [
        "",
        "    def train_step(self, data):",
        "        inputs, labels = data",
        "        with tf.GradientTape() as tape:",
        "            logits = tf.cast(self(inputs, training=True), tf.float32)",
        *(f"            {line}" for line in task_of(facts.spec).script.keras_loss(facts.spec).each),
        f"            loss = tf.reduce_sum(each) / {count}",
        "        variables = self.classifier.trainable_variables",
        "        gradients = [tf.convert_to_tensor(g) for g in tape.gradient(loss, variables)]",
    ]
    if grouped:
        code += [
            "        for total, gradient in zip(self.sums, gradients):",
            "            total.assign_add(gradient)",
            "        tf.cond(self.completes, self.update_with_sums, lambda: False)",
            '        return {"loss": loss}',
            "",
            "    def update_with_sums(self):",
            "        self.update([tf.identity(total) for total in self.sums])",
            "        for total in self.sums:",
            "            total.assign(tf.zeros_like(total))",
            "        return True",
        ]
    else:
        code += ["        self.update(gradients)", '        return {"loss": loss}']
    code += ["", "    def update(self, gradients):"]
    if norm:
        code += [
            f"        scale = tf.minimum(1.0, {norm!r} / (tf.linalg.global_norm(gradients) + 1e-6))",
            "        gradients = [gradient * scale for gradient in gradients]",
        ]
    return [*code, "        self.optimizer.apply(gradients, self.classifier.trainable_variables)"]
