"""The train.py of a run of the Keras engine: `fit` on TensorFlow, with a tf.data pipeline or whole arrays."""

from __future__ import annotations

from math import gcd

from core.sharing.code import script_common
from core.sharing.code.exact_keras import POLICIES
from core.sharing.code.facts import Facts
from core.sharing.code.pieces import LINE, literal, marked
from core.sharing.code.script_torch import before_first, epochs, judge, steps, warmup_steps
from core.sharing.code.script_trainer import keeps_best
from core.tasks.code import KerasLoss, Section
from core.tasks.contract import task_of

SEGMENTS = ("bert", "albert")  # types whose model tells the two texts of a pair apart
WIDTHS = 32  # batches are padded to multiples of it: each width is compiled for


def sections(facts: Facts) -> list[Section]:
    parts = [_dataset(facts), _model(facts), _examples(facts), _evaluate(facts)]
    if (needs := _loss(facts).needs) is not None:
        parts.append(needs)
    return [*parts, *_stop(facts), _compile_and_fit(facts), _save(facts)]


def _loss(facts: Facts) -> KerasLoss:
    return task_of(facts.spec).script.keras_loss(facts.spec)


def _dataset(facts: Facts) -> Section:
    text = (
        "The two Parquet files hold the examples that the run was trained and judged on, in its order; README.txt says "
        "what is in them."
    )
    code = [*script_common.load(facts), *script_common.tokenizer(facts)]
    imports = ("from datasets import load_dataset", script_common.tokenizer_import(facts))
    return Section("Prepare a dataset", text, "\n".join(code), imports)


def _model(facts: Facts) -> Section:
    """`model`, of KerasHub."""
    words, made_by = task_of(facts.spec).script, script_common.model_class(facts)
    dtype, imports = POLICIES[facts.precision], ["import keras", "import keras_hub"]
    code = [
        *([f'keras.config.set_dtype_policy("{dtype}")'] if dtype != "float32" else []),
        f"keras.utils.set_random_seed({facts.spec.training.seed})",
    ]
    imports += [script_common.model_import(facts), *script_common.start_imports(facts)]
    if facts.base:
        revision = script_common.revision(facts)
        if facts.start:
            code += [
                f"base = {made_by}.from_pretrained(",
                f'    MODEL{revision}, dtype="float32", ignore_mismatched_sizes=True, {words.HEAD},',
                *script_common.start_config(facts),
                ")",
            ]
        else:
            code.append(f'base = {made_by}.from_pretrained(MODEL{revision}, dtype="float32")')
        code += [*_changed(facts), *script_common.start(facts, "base")]
        text = f"The pretrained body, and {words.NEW_HEAD}."
    else:
        code += script_common.new_config(facts)
        text = "A small new BERT with random weights, since this run began without a pretrained model."
    base = "base" if facts.base else f"{made_by}(config)"
    code += [
        f'{base}.save_pretrained("base_model")  # from where KerasHub reads its weights',
        "model = keras_hub.models.TextClassifier.from_preset("
        f'"base_model", num_classes={words.OUTPUTS}, preprocessor=None)',
        *_frozen(facts),
    ]
    code.append(marked(f"model = exact.Learner({'MODEL, ' if facts.base else ''}tokenizer, label_names)"))
    return Section("Load the model", text, "\n".join(code), tuple(imports))


def _changed(facts: Facts) -> list[str]:
    """Lines that change the Transformers model `base` where KerasHub would not read it whole."""
    code = []
    if facts.tokens:
        code.append(f"base.resize_token_embeddings({facts.tokens}, mean_resizing=False)  # tokens were added")
    if facts.model_type == "roberta":
        code += [
            "embeddings = base.roberta.embeddings  # KerasHub has no token types; all texts are of the first",
            "embeddings.position_embeddings.weight.data += embeddings.token_type_embeddings.weight.data[0]",
        ]
    return code


def _frozen(facts: Facts) -> list[str]:
    layers = facts.spec.training.trainable_layers
    if layers is None:
        return []
    learning = f" or layer in model.backbone.transformer_layers[-{layers}:]" if layers else ""
    return [
        "for layer in model.backbone.layers:  # the rest of the body stays as it is",
        f'    layer.trainable = layer.name == "pooled_dense"{learning}',
    ]


def _examples(facts: Facts) -> Section:
    training, length = facts.spec.training, facts.spec.model.max_length
    segments, whole = facts.model_type in SEGMENTS, facts.spec.keras_input == "numpy"
    cut = script_common.cut(facts)
    if facts.spec.model.padding == "max_length":
        padding = 'padding="max_length"'
    else:
        padding = f"padding=True, pad_to_multiple_of={gcd(length, WIDTHS)}"
    more = ", return_token_type_ids=True" if segments else ""
    arguments = f"{script_common.texts_of(facts, 'rows')}, {cut},"
    call = f'    batch = tokenizer({arguments} {padding}{more}, return_tensors="np")'
    wrapped = f'    batch = tokenizer(\n        {arguments}\n        {padding}{more}, return_tensors="np",\n    )'
    code = [
        "def for_keras(rows):",
        call if len(call) <= LINE else wrapped,
        '    inputs = {"token_ids": batch["input_ids"], "padding_mask": batch["attention_mask"]}',
        *(['    inputs["segment_ids"] = batch["token_type_ids"]'] if segments else []),
        '    return inputs, np.array(rows["label"])',
        "",
    ]
    size, judged = training.per_device_train_batch_size, training.per_device_eval_batch_size
    if whole:
        code += [
            'train_data = tf.data.Dataset.from_tensor_slices(for_keras(dataset["train"][:]))',
            f'train_data = train_data.shuffle(len(dataset["train"])).batch({size}).prefetch(2)',
        ]
        text = "Whole arrays, as the tutorial does it first."
    else:
        names = ["token_ids", "padding_mask", *(["segment_ids"] if segments else [])]
        code += [
            "def training_batches():",
            f'    for rows in dataset["train"].shuffle().iter(batch_size={size}):',
            "        yield for_keras(rows)",
            "",
            f"names = {literal(names)}",
            "signature = {n: tf.TensorSpec((None, None), tf.int64) for n in names}, "
            f"tf.TensorSpec((None,), tf.{task_of(facts.spec).script.LABEL_DTYPE})",
            "train_data = tf.data.Dataset.from_generator(training_batches, output_signature=signature).prefetch(2)",
        ]
        text = (
            "A tf.data pipeline: each batch is made while the one before is learned from, and padded to its longest "
            "text; to few widths, since TensorFlow compiles for each."
        )
    code += [
        f'eval_data = [for_keras(rows) for rows in dataset["eval"].iter(batch_size={judged})]',
        marked("train_data, eval_data = model.data(dataset)"),
    ]
    imports = ("import numpy as np", "import tensorflow as tf")
    return Section("Loading data for Keras", text, "\n".join(code), imports)


def _evaluate(facts: Facts) -> Section:
    end, sklearn = script_common.measures(facts)
    code = [
        "def evaluate():",
        "    logits = np.concatenate([model.predict_on_batch(inputs) for inputs, _ in eval_data])",
        "    references = np.concatenate([labels for _, labels in eval_data])",
        *end,
    ]
    text = "The metrics of scikit-learn; the loss is the mean over examples."
    return Section("Evaluate", text, "\n".join(code), ("import keras", "import numpy as np", sklearn))


def _compile_and_fit(facts: Facts) -> Section:
    text = "Adam, and a learning rate that changes with each step."
    return Section("Compile and fit", text, "\n".join([*_compile(facts), *_fit(facts)]), ("import keras",))


def _compile(facts: Facts) -> list[str]:
    training = facts.spec.training
    total, _ = steps(facts, f'np.ceil(len(dataset["train"]) / {training.per_device_train_batch_size})')
    schedule = _schedule(facts)
    if len(total) == 1 and len(schedule) == 1 and training.eval_strategy != "steps":  # nothing else asks for it
        schedule, total = [schedule[0].replace("num_training_steps", total[0].partition(" = ")[2])], []
    settings = [
        "learning_rate",
        *([f"weight_decay={training.weight_decay!r}"] if training.weight_decay else []),
        *([f"global_clipnorm={training.max_grad_norm!r}"] if training.max_grad_norm else []),
    ]
    if training.gradient_accumulation_steps > 1:
        settings.append(f"gradient_accumulation_steps={training.gradient_accumulation_steps}")
    code = [
        *(line.replace("math.", "np.") for line in (*total, *schedule)),
        f"optimizer = keras.optimizers.Adam({', '.join(settings)})",
    ]
    if training.weight_decay:
        code.append('optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])')
    loss = _loss(facts)
    return [*code, *loss.lines, f"model.compile(optimizer=optimizer, loss={loss.loss})"]


def _schedule(facts: Facts) -> list[str]:
    """Lines that set `learning_rate`."""
    training = facts.spec.training
    rate, kind, warm = repr(training.learning_rate), training.lr_scheduler_type, bool(training.warmup_steps)
    of = "keras.optimizers.schedules"
    if kind == "constant" or (kind == "constant_with_warmup" and not warm):
        return [f"learning_rate = {rate}"]
    if kind == "cosine":
        code = f"learning_rate = {of}.CosineDecay({rate}, num_training_steps)"
        rising = f"0.0, num_training_steps - warmup_steps, warmup_target={rate}, warmup_steps=warmup_steps"
        if warm:
            code = f"learning_rate = {of}.CosineDecay(\n    {rising}\n)"
    elif kind in ("linear", "polynomial") and not warm:
        code = f"learning_rate = {of}.PolynomialDecay({rate}, num_training_steps, 0.0)"
    else:
        shares = {
            "linear": "(num_training_steps - step) / (num_training_steps - warmup_steps)",
            "constant_with_warmup": "1.0",
            "inverse_sqrt": "(warmup_steps / keras.ops.maximum(step, 1.0)) ** 0.5"
            if warm
            else "(1 + step / 10000) ** -0.5",
        }
        share = shares.get(kind, shares["linear"])
        if warm:
            share = f"keras.ops.minimum(step / warmup_steps, {share})"
        code = "\n".join(
            [
                f"class Schedule({of}.LearningRateSchedule):",
                "    def __call__(self, step):",
                '        step = keras.ops.cast(step, "float32")',
                f"        return {rate} * {share}",
                "",
                "learning_rate = Schedule()",
            ]
        )
    return [f"warmup_steps = {warmup_steps(facts)[0]}", code] if warm else [code]


def _stop(facts: Facts) -> list[Section]:
    """The callback that ends training within an epoch."""
    if facts.stopped is not None:
        last, text = str(facts.stopped), f"This run was ended after step {facts.stopped}, before its time."
    elif facts.spec.training.num_train_epochs % 1:
        last, text = "num_training_steps", "The last epoch is not a whole one."
    else:
        return []
    code = [
        "class StopThere(keras.callbacks.Callback):",
        f'    """{text}"""',
        "",
        "    def on_train_batch_end(self, batch, logs=None):",
        f"        if int(self.model.optimizer.iterations) >= {last}:",
        "            self.model.stop_training = True",
    ]
    return [Section("When to stop", text, "\n".join(code), ("import keras",))]


def _fit(facts: Facts) -> list[str]:
    patience = facts.spec.evaluation.early_stopping_patience
    by_steps, by_epochs = (facts.spec.training.eval_strategy == way for way in ("steps", "epoch"))
    stop = ["StopThere()"] if _stop(facts) else []
    callbacks = [*stop, *(["judge"] if by_steps else [])]
    argument = _loss(facts).argument
    called = f", callbacks=[{', '.join(callbacks)}]" if callbacks else ""
    more = f"{called}{f', {argument}' if argument else ''}, verbose=2"
    if not by_epochs:
        code = [*(_judge(facts) if by_steps else []), f"model.fit(train_data, epochs={epochs(facts)}{more})"]
    else:
        ends = [*(["model.stop_training"] if stop else []), *([f"waited >= {patience}"] if patience else [])]
        unjudged = facts.stopped is not None and not facts.evaluated
        kept = "model.get_weights()"
        code = [
            *before_first(facts, kept),
            f"for epoch in range({epochs(facts)}):",
            f"    model.fit(train_data, initial_epoch=epoch, epochs=epoch + 1{more})",
            *(["    if model.stop_training:", "        break"] if unjudged else []),
            *judge(facts, "    ", kept),
            *([f"    if {' or '.join(ends)}:", "        break"] if ends else []),
        ]
    return code


def _judge(facts: Facts) -> list[str]:
    """A callback that evaluates every so many steps."""
    indent, patience = " " * 8, facts.spec.evaluation.early_stopping_patience
    unjudged = f" or step == {facts.stopped}" if facts.stopped is not None and not facts.evaluated else ""
    every = facts.spec.training.eval_steps
    lines = judge(facts, indent, "model.get_weights()")
    names = [
        *(["best"] if keeps_best(facts) or patience is not None else []),
        *(["best_weights"] if keeps_best(facts) else []),
        *(["waited"] if patience is not None else []),
    ]
    return [
        *before_first(facts, "model.get_weights()"),
        "",
        "class Judge(keras.callbacks.Callback):",
        f'    """Evaluates every {every} steps."""',
        "",
        "    judged = 0",
        "",
        "    def on_train_batch_end(self, batch, logs=None):",
        *([f"        global {', '.join(names)}"] if names else []),
        "        step = int(self.model.optimizer.iterations)",
        f"        if step == self.judged or (step % {every} and step != num_training_steps){unjudged}:",
        "            return",
        "        self.judged = step",
        *lines,
        *([f"{indent}if waited >= {patience}:", f"{indent}    model.stop_training = True"] if patience else []),
        "",
        "judge = Judge()",
    ]


def _save(facts: Facts) -> Section:
    best = keeps_best(facts)
    code = [
        "model.set_weights(best_weights)" if best else "metrics = evaluate()",
        'model.save_to_preset("model")',
        'tokenizer.save_pretrained("model")',
        f"print(json.dumps({'best' if best else 'metrics'}))",
    ]
    text = "The weights of the best evaluation are the result." if best else ""
    return Section("Save", text, "\n".join(code), ("import json",))
