"""One screen from a dataset and a model to a started run; its fields come from the spec."""

import streamlit as st

from core.access import demo
from core.errors import Problem, TunedeckError
from core.runs import outlook as plan
from core.spec.names import run_name
from core.spec.recommended import settled
from core.store import final_tests
from ui import pages
from ui.datasets.choosing import opening
from ui.new_run import (
    data as new_run_data,
)
from ui.new_run import (
    form as new_run_form,
)
from ui.new_run import (
    model,
    yaml,
)
from ui.new_run import (
    summary as new_run_summary,
)
from ui.runs import actions
from ui.session import resources, state

form = state.form()
data, prepared = state.data(), None
unopened: list[Problem] = []
try:
    prepared = opening.opened(data)
except TunedeckError as error:
    unopened = [plan.data_problem(error)]
shown = str(form.values["model.name"])
proposal, times, automatic = model.propose(form, prepared)
spec, problems = new_run_form.read(form)
problems = [*problems, *unopened]
advice = plan.advice(spec, model.language(spec, prepared), prepared) if spec is not None else []
if spec is not None:
    problems = [
        *problems,
        *plan.problems(spec, prepared, resources.settings(), final_tests.holdouts(resources.store())),
    ]
    if resources.installation().mode == "demo":
        problems = [*problems, *(Problem(*rule) for rule in demo.broken(resources.installation().demo, spec))]
    if prepared is not None:
        wrong, doubtful = new_run_data.check_labels(spec.data, prepared)
        problems, advice = [*problems, *wrong], [*advice, *doubtful, *model.unread(spec, prepared, advice)]

st.title("New run")
if notice := state.take_notice():
    st.error(notice, icon=":material/error:")
settings, summary = st.columns([2.2, 1], gap="large")

with settings:
    new_run_summary.choose_preset(form)
    with st.container(border=True):
        st.markdown("##### Dataset")
        new_run_data.render(form, data, prepared, problems, advice)
    with st.container(border=True):
        st.markdown("##### Model")
        model.choose(form, proposal, problems, advice, times, automatic)
    with st.container(border=True):
        st.markdown("##### Training")
        new_run_summary.choose_engine(form, problems)
        new_run_summary.main_settings(form, problems, advice, automatic)
    new_run_summary.advanced(form, prepared, problems, advice, automatic)
    with st.expander("As YAML", icon=":material/code:", key="as_yaml", on_change="rerun") as yaml_part:
        if yaml_part.open:
            yaml.render(spec, form.name or (run_name(spec) if spec else ""))

with summary, st.container(border=True):
    name = new_run_summary.ask_name(form, spec)
    expected = settled(spec, automatic) if spec is not None else None
    new_run_summary.show_outlook(expected, prepared, times.get(expected.model.name) if expected is not None else None)
    new_run_summary.show_preset(form)
    new_run_summary.show_problems(problems)
    if st.button(
        "Start training",
        type="primary",
        icon=":material/play_arrow:",
        width="stretch",
        key="start",
        disabled=spec is None or bool(problems),
        shortcut="Shift+S",
    ):
        assert spec is not None
        if model.has_changed(form, shown) or model.is_out_of_reach(form, proposal):
            st.rerun()
        if run := actions.start_training(name, spec):
            st.switch_page(pages.RUN, query_params={"run": run})
