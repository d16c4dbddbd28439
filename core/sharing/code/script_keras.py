"""The script of a run of the Keras engine: `fit` on TensorFlow, with a tf.data pipeline or whole arrays."""

from __future__ import annotations

from core.sharing.code import script_common, script_exact
from core.sharing.code.facts import Facts
from core.sharing.code.pieces import Section, entry, taken
from core.sharing.code.script_torch import steps
from core.sharing.code.script_trainer import keeps_best

WEIGHTS = "engines/keras_weights.py"
BACKEND = 'import os\n\nos.environ["KERAS_BACKEND"] = "tensorflow"  # whatever ~/.keras/keras.json says'
POLICIES = {"fp32": "float32", "bf16": "mixed_bfloat16"}


def sections(facts: Facts) -> list[Section]:
    found = [_exact(facts), _weights(facts)]
    if not facts.base:
        found.append(script_common.scratch())
    if facts.head is not None:
        found.append(script_common.trained_head(facts.head))
    found += [script_common.data(facts), script_common.model(facts), _classifier(facts)]
    weights = script_common.class_weights(facts)
    if weights:
        found.append(Section("Loss", "What each class counts.", "\n".join(weights), ("import numpy as np",)))
    return [*found, _examples(facts), script_common.metrics(facts), _judge(facts), _compile(facts), _fit(facts)]


def _exact(facts: Facts) -> Section:
    evaluation, more = taken("tasks/batches.py", "evaluation_batches")
    fit, imports = taken("engines/keras_fit.py", "Adam", "bucket")
    code = [script_exact.batches(facts), evaluation, fit, _learner(facts), _updates(facts)]
    if facts.device == "cpu":
        code.append(
            'tf.config.set_visible_devices([], "GPU")\n'
            f"tf.config.threading.set_intra_op_parallelism_threads({facts.threads})"
        )
    text = (
        "Keras adds up in another order from time to time, so its figures repeat to about a thousandth. With Keras's "
        "own Adam, and compile and fit on the classifier itself, the script learns as well."
    )
    needed = ("import numpy as np", "import keras", "import tensorflow as tf", *more, *imports)
    return Section(script_exact.TITLE, text, "\n\n".join(code), needed, main=False, first=BACKEND)


def _learner(facts: Facts) -> str:
    """core.engines.keras_fit.Learner for these settings."""
    training = facts.spec.training
    weighted, smoothing = training.class_weights != "off", training.label_smoothing_factor
    grouped, norm = training.gradient_accumulation_steps > 1, training.max_grad_norm
    code = [
        "class Learner(keras.Model):",
        '    """A classifier whose updates are those of the run: the same loss, gradients clipped by their norm."""',
        "",
        f"    def __init__(self, classifier{', class_weights' if weighted else ''}):",
        "        super().__init__()",
        "        self.classifier = classifier",
        *(["        self.class_weights = tf.constant(class_weights)"] if weighted else []),
    ]
    if grouped:
        code += [
            "        self.examples, self.completes = tf.Variable(1.0), tf.Variable(False)",
            "        self.sums = [tf.Variable(tf.zeros(v.shape)) for v in classifier.trainable_variables]",
        ]
    target = "tf.one_hot(labels, logits.shape[-1])"
    if smoothing:
        target += f" * (1 - {smoothing!r}) + {smoothing!r} / logits.shape[-1]"
    count = "self.examples" if grouped else "tf.cast(tf.shape(labels)[0], tf.float32)"
    code += [
        "        self.built = True",
        "",
        "    def call(self, inputs, training=None):",
        "        return self.classifier(inputs, training=training)",
        "",
        "    def train_step(self, data):",
        "        inputs, labels = data",
        "        with tf.GradientTape() as tape:",
        "            logits = tf.cast(self(inputs, training=True), tf.float32)",
        f"            targets = {target}",
        "            each = tf.nn.softmax_cross_entropy_with_logits(targets, logits)",
        *(["            each *= tf.gather(self.class_weights, labels)"] if weighted else []),
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
    return "\n".join([*code, "        self.optimizer.apply(gradients, self.classifier.trainable_variables)"])


def _updates(facts: Facts) -> str:
    group = facts.spec.training.gradient_accumulation_steps
    stop = _last_step(facts)
    code = [
        "class Updates(keras.callbacks.Callback):",
        '    """Counts the updates and sets the learning rate of each."""',
        "",
        f"    def __init__(self, rate_of{', lengths' if group > 1 else ''}{', last' if stop else ''}):",
        "        super().__init__()",
        "        self.rate_of, self.step = rate_of, 0",
        *(["        self.lengths = lengths"] if group > 1 else []),
        *(["        self.last = last"] if stop else []),
    ]
    if group > 1:
        code += [
            "",
            "    def on_epoch_begin(self, epoch, logs=None):",
            "        self.batches = batches_of(epoch, self.lengths)",
            "",
            "    def completes(self, batch):",
            f"        return (batch + 1) % {group} == 0 or batch + 1 == len(self.batches)",
        ]
    code += ["", "    def on_train_batch_begin(self, batch, logs=None):"]
    code.append("        self.model.optimizer.learning_rate = self.rate_of(self.step)")
    if group > 1:
        code += [
            f"        start = batch - batch % {group}",
            f"        self.model.examples.assign(float(sum(map(len, self.batches[start : start + {group}]))))",
            "        self.model.completes.assign(self.completes(batch))",
        ]
    code += ["", "    def on_train_batch_end(self, batch, logs=None):"]
    code.append(f"        self.step += {'self.completes(batch)' if group > 1 else '1'}")
    if stop:
        code += ["        if self.step == self.last:", "            self.model.stop_training = True"]
    return "\n".join(code)


def _last_step(facts: Facts) -> str:
    """Where training ends within an epoch; empty if it does not."""
    if facts.stopped is not None:
        return str(facts.stopped)
    return "num_training_steps" if facts.spec.training.num_train_epochs % 1 else ""


def _weights(facts: Facts) -> Section:
    """The weight map of core.engines.keras_weights, for this type of model alone."""
    value, helpers = entry(WEIGHTS, "ARCHITECTURES", facts.model_type)
    before, one = taken(WEIGHTS, *helpers)
    table = f'ARCHITECTURES = {{\n    "{facts.model_type}": {value},\n}}'
    after, two = taken(
        WEIGHTS, "build", "to_keras", "to_torch", "compute_as_keras", without=("ARCHITECTURES", *helpers)
    )
    after = after.replace("raise ModelError(", "raise ValueError(")
    text = (
        "KerasHub has a model of the same shape. Its weights come from the Transformers model, so that both begin with "
        "the same head, and go back at the end, so that the result loads with from_pretrained."
    )
    needed = ["import torch", *one, *two]
    return Section("A Keras model with the weights of a Transformers model", text, f"{before}\n\n{table}\n\n\n{after}",
                   tuple(needed), main=False)  # fmt: skip


def _classifier(facts: Facts) -> Section:
    dtype = POLICIES[facts.precision]
    policy = f', "{dtype}"' if dtype != "float32" else ""
    code = [
        f"keras.utils.set_random_seed({facts.spec.training.seed})",
        f"classifier = build(model{policy})",
        "to_keras(model, classifier)",
        'tokenizer.padding_side = "right"  # Keras counts positions from the left',
    ]
    return Section("The same model in Keras", "", "\n".join(code), ("import keras",))


def _examples(facts: Facts) -> Section:
    fixed = facts.spec.model.padding == "max_length"
    longest = str(facts.spec.model.max_length) if fixed else 'max(len(ids) for ids in rows["input_ids"])'
    code = [
        "def for_keras(rows):",
        f"    width = min(bucket({longest}), classifier.backbone.max_sequence_length)",
        "    tokens = {name: rows[name] for name in tokenizer.model_input_names if name in rows}",
        '    batch = tokenizer.pad(tokens, padding="max_length", max_length=width, return_tensors="np")',
        '    segments = batch["token_type_ids"] if "token_type_ids" in batch else np.zeros_like(batch["input_ids"])',
        '    ids, mask = batch["input_ids"], batch["attention_mask"]',
        '    inputs = {"token_ids": ids, "padding_mask": mask, "segment_ids": segments}',
        '    return {name: values.astype(np.int32) for name, values in inputs.items()}, np.array(rows["label"])',
    ]
    text = "Texts become arrays, filled up to the longest; a few widths only, since TensorFlow compiles for each."
    return Section("Loading data for Keras", text, "\n".join(code), ("import numpy as np",))


def _judge(facts: Facts) -> Section:
    training, judged = facts.spec.training, facts.spec.evaluation
    code = [
        "def evaluate():",
        '    rows, references = tokenized["eval"], np.array(tokenized["eval"]["label"])',
        "    logits = np.zeros((len(rows), len(label_names)), dtype=np.float32)",
        f"    for batch in evaluation_batches(lengths_of(rows), {training.per_device_eval_batch_size}):",
        "        logits[batch] = classifier.predict_on_batch(for_keras(rows[batch.tolist()])[0])",
        "    return compute_metrics((logits, references))",
    ]
    imports = ["import numpy as np"]
    if training.eval_strategy == "no":
        return Section("Evaluate", "", "\n".join(code), tuple(imports))
    imports += ["import keras", "import math"]
    patience, threshold = judged.early_stopping_patience, judged.early_stopping_threshold
    name = judged.metric_for_best_model
    tracks = keeps_best(facts) or patience is not None
    code += ["", "class Judge(keras.callbacks.Callback):"]
    if tracks:
        code += ["    best = -math.inf", *(["    waited = 0"] if patience is not None else []), ""]
    skip = [] if facts.stopped is None or facts.evaluated else [f"updates.step != {facts.stopped}"]
    if training.eval_strategy == "epoch":
        code.append("    def on_epoch_end(self, epoch, logs=None):")
        conditions = skip
    else:
        code.append("    def on_train_batch_end(self, batch, logs=None):")
        conditions = [f"(updates.step % {training.eval_steps} == 0 or updates.step == num_training_steps)", *skip]
        if training.gradient_accumulation_steps > 1:
            conditions.append("updates.completes(batch)")
    indent = "        "
    if conditions:
        code.append(f"        if {' and '.join(conditions)}:")
        indent += "    "
    code += [f"{indent}found = evaluate()", f"{indent}print(found)"]
    if patience is not None:
        least = f"self.best + {threshold!r}" if threshold else "self.best"
        code += [
            f'{indent}self.waited = 0 if found["{name}"] > {least} else self.waited + 1',
            f"{indent}if self.waited >= {patience}:",
            f"{indent}    self.model.stop_training = True",
        ]
    if keeps_best(facts):
        code += [
            f'{indent}if found["{name}"] > self.best:',
            f'{indent}    self.best, self.weights = found["{name}"], classifier.get_weights()',
        ]
    elif patience is not None:
        code.append(f'{indent}self.best = max(self.best, found["{name}"])')
    if not tracks:
        imports.remove("import math")
    return Section("Evaluate", "", "\n".join(code), tuple(imports))


def _compile(facts: Facts) -> Section:
    training = facts.spec.training
    lines, imports = steps(facts)
    lines = [line.replace("len(train_dataloader)", "batches_per_epoch") for line in lines]
    warm = training.warmup_steps
    warmup = str(int(warm)) if warm >= 1 or not warm else f"math.ceil(num_training_steps * {warm!r})"
    decay = f", weight_decay={training.weight_decay!r}" if training.weight_decay else ""
    rate = repr(training.learning_rate)
    weights = ", class_weights" if training.class_weights != "off" else ""
    last = _last_step(facts)
    code = [
        'lengths = lengths_of(tokenized["train"])',
        "batches_per_epoch = len(batches_of(0, lengths))",
        *lines,
        "lr_scheduler = get_scheduler(",
        f'    "{training.lr_scheduler_type}", torch.optim.SGD([torch.zeros(1)], lr={rate}),',
        f"    num_warmup_steps={warmup}, num_training_steps=num_training_steps,",
        ")",
        f"learner = Learner(classifier{weights})",
        f"optimizer = Adam(learning_rate={rate}, epsilon=1e-8{decay})",
    ]
    if decay:
        code += [
            "kept = [w.variable for w in weights(classifier, model) if w.parameter.ndim <= 1]",
            "optimizer.exclude_from_weight_decay(kept)",
        ]
    code += [
        "optimizer.build(learner.trainable_variables)",
        "learner.compile(optimizer=optimizer)",
        f"updates = Updates(lambda step: {rate} * lr_scheduler.lr_lambdas[0](step)"
        f"{', lengths' if training.gradient_accumulation_steps > 1 else ''}{f', {last}' if last else ''})",
    ]
    imports += ["import torch", "from transformers import get_scheduler"]
    imports += ["import math"] if 0 < warm < 1 else []
    return Section("Compile", "Adam, and a learning rate that changes with each step.", "\n".join(code), tuple(imports))


def _fit(facts: Facts) -> Section:
    judges = facts.spec.training.eval_strategy != "no"
    callbacks = "[updates, judge]" if judges else "[updates]"
    code = ["judge = Judge()"] if judges else []
    if facts.spec.keras_input == "numpy":
        code += [
            'inputs, references = for_keras(tokenized["train"][:])',
            "for epoch in range(num_epochs):",
            "    order = np.concatenate(batches_of(epoch, lengths))",
            "    learner.fit(",
            "        {name: values[order] for name, values in inputs.items()}, references[order],",
            f"        batch_size={facts.spec.training.per_device_train_batch_size}, shuffle=False,",
            f"        initial_epoch=epoch, epochs=epoch + 1, callbacks={callbacks}, verbose=2,",
            "    )",
            *(["    if learner.stop_training:", "        break"] if _ends_early(facts) else []),
        ]
        text = "Whole arrays, as the tutorial does it first, in a new order for each epoch."
    else:
        code += [
            "",
            "def training_batches():",
            "    for epoch in range(num_epochs):",
            "        for batch in batches_of(epoch, lengths):",
            '            yield for_keras(tokenized["train"][batch.tolist()])',
            "",
            'names = ("token_ids", "padding_mask", "segment_ids")',
            "signature = (",
            "    {name: tf.TensorSpec((None, None), tf.int32) for name in names}, tf.TensorSpec((None,), tf.int64),",
            ")",
            "tf_dataset = tf.data.Dataset.from_generator(training_batches, output_signature=signature).prefetch(2)",
            "learner.fit(",
            f"    tf_dataset, epochs=num_epochs, steps_per_epoch=batches_per_epoch, callbacks={callbacks}, verbose=2,",
            ")",
        ]
        text = "A tf.data pipeline: each batch is made while the one before is learned from, and padded to its longest."
    code += [
        "",
        *(["classifier.set_weights(judge.weights)"] if keeps_best(facts) else []),
        "found = evaluate()",
        "to_torch(classifier, model)",
        "compute_as_keras(model)  # the config says how Keras computes",
        'model.save_pretrained("model")',
        'tokenizer.save_pretrained("model")',
        "print(json.dumps(found))",
    ]
    more = "import numpy as np" if facts.spec.keras_input == "numpy" else "import tensorflow as tf"
    return Section("Fit, evaluate, save", text, "\n".join(code), ("import json", more))


def _ends_early(facts: Facts) -> bool:
    return bool(_last_step(facts)) or facts.spec.evaluation.early_stopping_patience is not None
