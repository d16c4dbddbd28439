"""The model itself, to take away: three forms, each made in the background and held against torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import streamlit as st

from core.evaluation.specs import Subject
from core.sharing.model import export as exports
from core.sharing.model.export_spec import ExportSpec
from core.spec.run import build
from core.store import files as results
from core.store.record import Run
from core.wording import counted, metric_title, number, size
from ui.components import light_run
from ui.components.basics import code, plain
from ui.evaluate.judged import subject_of
from ui.session import resources

LARGE = 1_000_000_000  # bytes; Streamlit holds what it sends in memory


class Form(NamedTuple):
    """name: as ExportSpec has it; purpose: for whom it is; takes: what making it takes"""

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
        "For Python and Hugging Face: loads with `from_pretrained`, trains on, goes to the Hub.",
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
        "For TensorFlow: the `.keras` file that this training left, with its tokenizer.",
        "Compared with torch on the run's evaluation examples, in half a minute or so.",
    ),
)


def show(run: Run) -> None:
    """Cards, one per form; the Keras file only of a run that Keras trained."""
    folder = resources.settings().run_dir(run.id)
    weights = results.folder_bytes(folder / "model")
    has_keras = exports.keras_file(folder) is not None
    st.caption(
        f"The model takes {size(weights)}. What is made here holds no path, no secret and no code of a stranger."
    )
    with st.grid(len(FORMS) if has_keras else 2, min_column_width=300, key="share_export"):
        for form in FORMS:
            if form.name != "keras" or has_keras:
                with st.container(border=True, height="stretch", key=f"share_export_{form.name}"):
                    _card(form, subject_of(run), run)


def _card(form: Form, subject: Subject, trained: Run) -> None:
    st.markdown(f"##### {form.icon} {form.title}")
    st.markdown(form.purpose)
    int8 = form.name == "onnx" and st.toggle(
        "8-bit weights",
        key="share_export_int8",
        help="A quarter of the size, often faster on a CPU. What it costs in accuracy is measured.",
    )
    spec = build({"model": subject.model_dump(), "form": form.name, "int8": int8}, ExportSpec).model_dump(mode="json")
    made = light_run.latest(exports.KIND, spec)
    path = exports.zip_of(made, resources.settings()) if made is not None and made.status == "finished" else None
    title = f"Making the {form.title} zip{' with 8-bit weights' if int8 else ''}"
    if made is None or path is None:
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
    _result(form, made, path, trained)
    with st.container(horizontal=True, vertical_alignment="center"):
        _download(form, path)
        st.button(
            "Make again",
            key=f"share_again_{form.name}",
            type="tertiary",
            on_click=light_run.start,
            args=(exports.KIND, title, spec),
        )


def _result(form: Form, made: Run, path: Path, trained: Run) -> None:
    summary = made.summary
    if told := summary.get("against_torch"):
        st.markdown(f":material/check: {agreement(form.title, told)}")
    if told := summary.get("int8"):
        st.markdown(f":material/compress: {cost(told)}")
    if told := summary.get("speed"):
        st.caption(speed(told))
    now = results.read_temperature(resources.settings().run_dir(trained.id) / "model")
    if abs(summary.get("temperature", 1.0) - now) > 1e-6:
        st.warning("The model's temperature has changed since; make it again.", icon=":material/update:")
    if path.stat().st_size > LARGE and resources.settings().mode == "local":
        st.caption(f"It is large; you may rather copy it from {code(str(path))}.")


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


def agreement(title: str, told: dict[str, Any]) -> str:
    """ "ONNX agrees with torch on 500 of 500 evaluation examples; the greatest difference is 2e-6"."""
    return (
        f"**{title} agrees with torch** on {told['same_class']:,} of {counted(told['texts'], 'text')} "
        f"({plain(told['of'])}); no probability differs by more than {number(told['max_difference'], 1)}."
    )


def cost(told: dict[str, Any]) -> str:
    """What weights of 8 bits save and cost."""
    share = f"**8-bit weights: {told['bytes'] / told['fp32_bytes']:.0%} of the size**"
    same = f"the same class for {told['same_class']:,} of {counted(told['texts'], 'text')}"
    if not told.get("metrics"):
        return f"{share}, {same}; without labels the cost in accuracy is not known."
    parts = [
        f"{metric_title(name)} {points(m['difference']['value'])} points "
        f"({points(m['difference']['low'])} to {points(m['difference']['high'])})"
        for name, m in told["metrics"].items()
    ]
    return f"{share}, {same}. {'; '.join(parts)}, on {plain(told['of'])}; in brackets the 95% interval."


def points(value: float) -> str:
    """A share as points with its sign: "−0.4", "+1.2", "0.0"."""
    text = f"{100 * value:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text.replace("-", "−")


def speed(told: dict[str, Any]) -> str:
    names = {"onnx": "ONNX", "int8": "ONNX with 8-bit weights"}
    parts = [f"{title} about {told[name]:.1f} times" for name, title in names.items() if name in told]
    return f"Texts per second on this machine's CPU, {told['batch']} at a time, against torch: {', '.join(parts)}."
