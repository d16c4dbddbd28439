"""How to load a model, and how to run its training again."""

from __future__ import annotations

from core.sharing.report.chapters.training import settings
from core.sharing.report.content import Content
from core.sharing.report.document import Block, Bullets, Code, Folded, Name, Paragraph, Section, Table
from core.spec.run import to_yaml
from core.store import files as results

MODEL_FOLDER = "model"


def section(content: Content) -> Section | None:
    if not content.has_model:
        return None
    blocks: list[Block] = [
        Paragraph(
            (
                "The model is a folder with safetensors, configuration and tokenizer; ",
                Name("transformers"),
                " loads it without any code of ours. Put its folder, or its id on the Hub, in place of ",
                Name(MODEL_FOLDER),
                ".",
            )
        ),
        load_code(content),
    ]
    return Section("load", "How to load it", tuple(blocks))


def load_code(content: Content, model: str = MODEL_FOLDER) -> Code:
    """Python that loads the model and asks it. model: its folder or Hub id"""
    length, pair = content.spec.model.max_length, len(content.text_columns) == 2
    name = content.task.facts.PIPELINE
    if not name:
        return Code("python", "\n".join(_with_logits(content, model, pair)))
    asked = '{"text": "The first text", "text_pair": "the second"}' if pair else '"A text to classify"'
    lines = [
        "from transformers import pipeline",
        "",
        f"classify = pipeline({name!r}, model={model!r})",
        f"print(classify({asked}, top_k=None, truncation=True, max_length={length}))",
    ]
    if content.temperature == 1.0:
        return Code("python", "\n".join(lines))
    return Code("python", "\n".join([*lines, "", *_with_temperature(content, model, pair)]))


def _with_logits(content: Content, model: str, pair: bool) -> list[str]:
    texts = '"The first text", "the second"' if pair else '"A text"'
    return [
        *results.load_code(model, content.task.model.KIND.auto_class).split("\n"),
        f"inputs = tokenizer({texts}, truncation=True, max_length={content.spec.model.max_length}, "
        "return_tensors='pt')",
        "print(model(**inputs).logits)",
    ]


def _with_temperature(content: Content, model: str, pair: bool) -> list[str]:
    texts = '"The first text", "the second"' if pair else '"A text to classify"'
    return [
        "# Or with probabilities that can be believed: a temperature was fitted on validation examples.",
        "import torch",
        *results.load_code(model, content.task.model.KIND.auto_class).replace("\nmodel = ", "\nnetwork = ").split("\n"),
        f"inputs = tokenizer({texts}, truncation=True, max_length={content.spec.model.max_length}, "
        "return_tensors='pt')",
        "with torch.inference_mode():",
        f"    shares = (network(**inputs).logits / {content.temperature:.4f}).softmax(-1)[0]",
        "print({network.config.id2label[i]: round(float(share), 3) for i, share in enumerate(shares)})",
    ]


def again(content: Content) -> Section:
    exact = (
        "On a CPU with the same versions the same settings give the same figures."
        if content.spec.engine != "keras"
        else "With the same versions the same settings come to nearly the same figures."
    )
    where = "Point data.path to the file with the data first. " if content.spec.data.source == "file" else ""
    noted = content.dataset
    blocks: list[Block] = [
        Paragraph((f"Keep the settings at the end as spec.yaml, and run this. {where}{exact}",)),
        Code("sh", "python -m core train spec.yaml"),
        Folded("All settings", (settings(content.spec)[1],)),
        Folded("The same as spec.yaml", (Code("yaml", to_yaml(content.spec)),)),
    ]
    contents = [
        (f"{title} examples: {part.examples:,}, content ", Name(part.content))
        for part, title in ((noted.train, "Training"), (noted.eval, "Evaluation"))
        if part is not None
    ]
    if contents:
        blocks.append(Bullets(tuple(contents)))
    if (table := environment_table(content)) is not None:
        blocks.append(Folded("Versions and hardware", (table,)))
    return Section("again", "How to run it again", tuple(blocks))


def environment_table(content: Content) -> Table | None:
    environment = content.environment
    if environment is None:
        return None
    hardware = environment.hardware
    rows = [("Python", environment.python), *environment.packages.items()]
    rows += [
        ("Computed on", f"{hardware.device}, {hardware.precision}"),
        ("Threads", "" if hardware.threads is None else str(hardware.threads)),
        ("Processor", f"{hardware.processor}, {hardware.cores} cores, {hardware.memory_gb} GB"),
        ("GPU", ", ".join(hardware.gpus) or "none"),
        ("System", f"{hardware.system} ({hardware.machine})"),
    ]
    return Table("Versions and hardware", ("What", "Which"), tuple(rows))
