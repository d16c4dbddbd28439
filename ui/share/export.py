"""The model itself, to download: three forms, each made in the background and compared with torch."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import streamlit as st

from core.evaluation.specs import Subject
from core.sharing.model import export as exports
from core.sharing.model.export_spec import ExportSpec
from core.spec.run import build
from core.store import files as results
from core.store.record import Run
from core.store.summaries import Agreement, EightBits, Exported, Speed
from core.tasks.contract import task_of_record
from core.wording import counted, metric_title, number, size
from ui.components import light_run
from ui.components.basics import code, plain
from ui.evaluate.judged import subject_of
from ui.session import resources

LARGE = 1_000_000_000  # bytes; Streamlit holds what it sends in memory


class Form(NamedTuple):
    """One form of export. name: the value of `ExportSpec.form`; purpose: its use; takes: how it is made, how long"""

    name: str
    title: str
    icon: str
    purpose: str
    takes: str


FORMS = (
    Form(
        "safetensors",
        "Transformers folder",
        ":material/folder_zip:",
        "For Python and Hugging Face: `from_pretrained` loads it, to use it or to train it further.",
        "Packed in seconds.",
    ),
    Form(
        "onnx",
        "ONNX",
        ":material/deployed_code:",
        "For a server or an app without PyTorch: runs in `onnxruntime`, from Python, C#, Java, JavaScript and more.",
        "Converted and compared with torch on the run's evaluation examples, in a minute or so.",
    ),
    Form(
        "keras",
        "Keras",
        ":material/layers:",
        "For TensorFlow: the `.keras` file of this training, with its tokenizer.",
        "Compared with torch on the run's evaluation examples, in half a minute or so.",
    ),
)


def render(run: Run) -> None:
    """One card per form; the Keras form only for a run that Keras trained."""
    folder = resources.settings().run_dir(run.id)
    weights = results.folder_bytes(folder / "model")
    task = task_of_record(run.spec).facts
    converts = "onnx" in task.OFFERS
    has_keras = converts and exports.keras_file(folder) is not None
    st.caption(f"The model is {size(weights)} large. The files contain no path, no secret and no foreign code.")
    if not converts:
        st.caption(f"Models of the task “{task.TITLE}” have no ONNX or Keras form.")
    with st.grid(len(FORMS) if has_keras else 2, min_column_width=300, key="share_export"):
        for form in FORMS:
            if form.name == "safetensors" or (has_keras if form.name == "keras" else converts):
                with st.container(border=True, height="stretch", key=f"share_export_{form.name}"):
                    _card(form, subject_of(run), run)


def _card(form: Form, subject: Subject, trained: Run) -> None:
    st.markdown(f"##### {form.icon} {form.title}")
    st.markdown(form.purpose)
    int8 = form.name == "onnx" and st.toggle(
        "8-bit weights",
        key="share_export_int8",
        help="A quarter of the size, often faster on a CPU. What that costs in quality is measured.",
    )
    spec = build({"model": subject.model_dump(), "form": form.name, "int8": int8}, ExportSpec).model_dump(mode="json")
    latest = light_run.latest(exports.KIND, spec)
    path = exports.zip_of(latest, resources.settings()) if latest is not None and latest.status == "finished" else None
    title = f"Making the {form.title} zip{' with 8-bit weights' if int8 else ''}"
    if latest is None or path is None:
        light_run.work_on(
            exports.KIND,
            title,
            spec,
            at_once=False,
            offer=form.takes,
            button="Make the zip",
            key=f"{form.name}_{int8}",
        )
        return
    _result(form, latest, path, trained)
    with st.container(horizontal=True, vertical_alignment="center"):
        _download(form, path)
        st.button(
            "Make again",
            key=f"share_again_{form.name}",
            type="tertiary",
            on_click=light_run.start,
            args=(exports.KIND, title, spec),
        )


def _result(form: Form, latest: Run, path: Path, trained: Run) -> None:
    exported = Exported.of(latest.summary)
    if exported.against_torch is not None:
        st.markdown(f":material/check: {agreement(form.title, exported.against_torch)}")
    if exported.int8 is not None:
        st.markdown(f":material/compress: {cost(exported.int8)}")
    if exported.speed is not None:
        st.caption(speed(exported.speed))
    now = results.read_temperature(resources.settings().run_dir(trained.id) / "model")
    if abs(exported.temperature - now) > 1e-6:
        st.warning("The model's temperature has changed since; make it again.", icon=":material/update:")
    if path.stat().st_size > LARGE and resources.settings().mode == "local":
        st.caption(f"The file is large; you can also copy it from {code(str(path))}.")


def _download(form: Form, path: Path) -> None:
    st.download_button(
        f"Download ({size(path.stat().st_size)})",
        lambda: path.open("rb"),
        path.name,
        "application/zip",
        key=f"share_download_{form.name}",
        type="primary",
        icon=":material/download:",
        on_click="ignore",
    )


def agreement(title: str, check: Agreement) -> str:
    """ "ONNX agrees with torch on 500 of 500 texts …; no probability differs by more than 2e-6"."""
    return (
        f"**{title} agrees with torch** on {check.same_class:,} of {counted(check.texts, 'text')} "
        f"({plain(check.of)}); no probability differs by more than {number(check.max_difference, 1)}."
    )


def cost(int8: EightBits) -> str:
    """The size of 8-bit weights, and what they cost in quality."""
    share = f"**8-bit weights: {int8.bytes / int8.fp32_bytes:.0%} of the size**"
    same = f"the same class for {int8.same_class:,} of {counted(int8.texts, 'text')}"
    if not int8.metrics:
        return f"{share}, {same}; without labels the cost in quality is not known."
    parts = [
        f"{metric_title(name)} {points(m.difference.value)} points "
        f"({points(m.difference.low)} to {points(m.difference.high)})"
        for name, m in int8.metrics.items()
    ]
    return f"{share}, {same}. {'; '.join(parts)}, on {plain(int8.of)}; in brackets the 95% interval."


def points(value: float) -> str:
    """A share as points with its sign: "−0.4", "+1.2", "0.0"."""
    text = f"{100 * value:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text.replace("-", "−")


def speed(measured: Speed) -> str:
    times = {"ONNX": measured.onnx, "ONNX with 8-bit weights": measured.int8}
    parts = [f"{title} about {factor:.1f} times" for title, factor in times.items() if factor is not None]
    return f"Texts per second on this machine's CPU, {measured.batch} at a time, against torch: {', '.join(parts)}."
