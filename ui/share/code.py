"""“Show me the code”: the run as a script and a notebook, and both as a zip with the examples."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from core.errors import TunedeckError
from core.sharing.code.code_spec import CodeSpec
from core.sharing.code.facts import Facts, facts_of
from core.sharing.code.notebook import notebook
from core.sharing.code.script import exact, script
from core.sharing.report.content import texts_are_public
from core.store.record import Run
from core.store.summaries import Scripted
from core.wording import counted, size
from ui.components import light_run
from ui.components.basics import plain, show_error
from ui.session import resources

KIND = "code"
HEIGHT = 640


def render(run: Run) -> None:
    """The whole part, for one training run."""
    try:
        facts = facts_of(run, resources.settings())
    except TunedeckError as error:
        show_error(error, "There is no code for this run")
        return
    texts = {"train.py": script(facts), "exact.py": exact(facts)}
    st.markdown(
        "This run as a standalone script, in the style of the Transformers tutorial. It needs the libraries, but not "
        "Tunedeck. `exact.py` makes it repeat the run; the lines of `train.py` that call it are marked, and you can "
        "delete them."
    )
    with st.container(horizontal=True, vertical_alignment="center", key="code_downloads"):
        for name, text in texts.items():
            st.download_button(
                name,
                text,
                name,
                "text/x-python",
                key=f"code_{name.partition('.')[0]}",
                type="primary" if name == "train.py" else "secondary",
                icon=":material/download:",
                on_click="ignore",
            )
        st.download_button(
            "notebook.ipynb",
            notebook(facts),
            "notebook.ipynb",
            "application/x-ipynb+json",
            key="code_notebook",
            icon=":material/download:",
            on_click="ignore",
        )
    st.caption(_promise(facts))
    chosen = st.segmented_control(
        "Show",
        list(texts),
        default="train.py",
        required=True,
        key="code_part",
        label_visibility="collapsed",
        format_func=lambda name: f"{name} ({counted(len(texts[name].splitlines()), 'line')})",
    )
    st.code(texts[chosen], language="python", line_numbers=True, height=HEIGHT, wrap_lines=False)
    with_examples(run, facts)


def _promise(facts: Facts) -> str:
    if facts.spec.engine == "keras":
        return "It reproduces the run's figures to about a hundredth."
    if facts.exact:
        return "On a CPU, with the same versions, it reproduces the run's figures exactly."
    return "This run did not compute on a plain CPU, so the script reproduces its figures approximately."


def with_examples(run: Run, facts: Facts) -> None:
    """The zip with everything that the script needs, made in the background."""
    st.subheader("Everything in one zip", anchor=False)
    everybodys = texts_are_public(facts.spec)
    texts = st.toggle(
        "Include the examples",
        value=everybodys,
        key=f"code_texts_{run.id}",
        help="The texts and labels for training and evaluation. Everybody who gets the zip can read them.",
    )
    if texts and not everybodys:
        st.warning("These are your own data: pass the zip on only to those who may read them.", icon=":material/lock:")
    if facts.start is not None and facts.start.frozen is not None and not everybodys:
        st.caption(
            "The zip has the weights of the whole model after its contrastive stage, from where training starts: they "
            "learned from the training examples, with the toggle off, too."
        )
    spec = CodeSpec(run=run.id, attempt=run.attempt, with_texts=texts).model_dump(mode="json")
    latest = light_run.latest(KIND, spec)
    path = _file(latest) if latest is not None and latest.status == "finished" else None
    if path is None:
        what = "the examples" if texts else "a note on which files to put beside it"
        light_run.work_on(
            KIND,
            f"The code of {run.name}",
            spec,
            at_once=False,
            button="Make the zip",
            key=KIND,
            offer=f"Script, notebook, `requirements.txt` with the versions of this run, and {what}.",
        )
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center", key="code_zip"):
        st.markdown(f"**code.zip** · {size(path.stat().st_size)} · {'with' if texts else 'without'} examples")
        st.download_button(
            "Download",
            lambda: path.open("rb"),
            f"{_file_name(run)}.zip",
            "application/zip",
            key="code_download",
            type="primary",
            icon=":material/download:",
            on_click="ignore",
        )
    if facts.local:
        st.caption(f"The base model {plain(facts.spec.model.name)} is not included; put it into {plain(facts.base)}.")


def _file(run: Run) -> Path | None:
    path = resources.settings().run_dir(run.id) / Scripted.of(run.summary).file
    return path if path.is_file() else None


def _file_name(run: Run) -> str:
    return f"code-{run.id}"
