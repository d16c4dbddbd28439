"""One screen from a dataset and a model to a started run; its fields come from the spec."""

import streamlit as st

from core.access import demo
from core.errors import Problem, TunedeckError
from core.runs import outlook as plan
from core.spec.names import run_name
from core.store import final_tests
from ui import pages
from ui.datasets.choosing import opening as dataset_import
from ui.new_run import (
    data as spec_data,
)
from ui.new_run import (
    form as spec_form,
)
from ui.new_run import (
    model as spec_model,
)
from ui.new_run import (
    summary as spec_summary,
)
from ui.new_run import (
    yaml as spec_yaml,
)
from ui.runs import actions as run_actions
from ui.session import resources, state

form = state.form()
data, prepared = state.data(), None
unopened: list[Problem] = []
try:
    prepared = dataset_import.opened(data)
except TunedeckError as error:
    unopened = [plan.data_problem(error)]
proposal, times = spec_model.propose(form, prepared)
spec, problems = spec_form.read(form)
problems = [*problems, *unopened]
advice = plan.advice(spec, spec_model.language(spec, prepared), prepared) if spec is not None else []
if spec is not None:
    problems = [
        *problems,
        *plan.problems(spec, prepared, resources.settings(), final_tests.holdouts(resources.store())),
    ]
    if resources.installation().mode == "demo":
        problems = [*problems, *(Problem(*rule) for rule in demo.broken(resources.installation().demo, spec))]
    if prepared is not None:
        wrong, doubtful = spec_data.check_labels(spec.data, prepared)
        problems, advice = [*problems, *wrong], [*advice, *doubtful, *spec_model.unread(spec, prepared, advice)]

st.title("New run")
if notice := state.take_notice():
    st.error(notice, icon=":material/error:")
settings, summary = st.columns([2.2, 1], gap="large")

with settings:
    spec_summary.choose_preset(form)
    with st.container(border=True):
        st.markdown("##### Dataset")
        spec_data.render(form, data, prepared, problems, advice)
    with st.container(border=True):
        st.markdown("##### Model")
        spec_model.choose(form, proposal, problems, advice, times)
    with st.container(border=True):
        st.markdown("##### Training")
        spec_summary.choose_engine(form, problems)
        spec_summary.main_settings(form, problems, advice)
    spec_summary.advanced(form, prepared, problems, advice)
    with st.expander("As YAML", icon=":material/code:", key="as_yaml", on_change="rerun") as yaml_part:
        if yaml_part.open:
            spec_yaml.render(spec, form.name or (run_name(spec) if spec else ""))

with summary, st.container(border=True):
    name = spec_summary.ask_name(form, spec)
    spec_summary.show_outlook(spec, prepared, times.get(spec.model.name) if spec is not None else None)
    spec_summary.show_preset(form)
    spec_summary.show_problems(problems)
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
        if spec_model.is_out_of_reach(form, proposal):
            st.rerun()
        if run := run_actions.start_training(name, spec):
            st.switch_page(pages.RUN, query_params={"run": run})
